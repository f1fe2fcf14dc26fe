"""What is claimed of speed, measured: `make bench`. Everything runs on an embedded PostgreSQL of its own."""

import os

os.environ["EMBEDDED_POSTGRES_DIR"] = "var/bench-postgres"
