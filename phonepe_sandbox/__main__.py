"""`python -m phonepe_sandbox`."""

import sys

from phonepe_sandbox.app import run

sys.exit(run(sys.argv[1:]))
