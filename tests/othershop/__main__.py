"""Run the engine's tests inside the other shop: `python -m tests.othershop [arguments of pytest]`.

The tests are those of OkPuja's own run, `tests/payments`, but for the few that are marked as OkPuja's. pytest and
every process that it starts run where OkPuja's packages cannot be imported; this process stands outside, so that
it can provide the embedded PostgreSQL.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from okpuja.embedded import server

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TESTS = ["tests/payments", "tests/othershop"]
ENVIRONMENT = {
    "DJANGO_SETTINGS_MODULE": "tests.othershop.for_tests",
    "PYTHONPATH": str(HERE / "without_okpuja"),
    "SECRET_KEY": "for-tests-only-" + "0123456789abcdef" * 3,
    "PUBLIC_URL": "http://localhost:8000",
    "PHONEPE_ENV": "sandbox",
    "PHONEPE_BASE_URL": "http://127.0.0.1:1/apis/pg-sandbox",  # nobody; the `sandbox` fixture says where
    "PHONEPE_CLIENT_ID": "SANDBOX_CLIENT",
    "PHONEPE_CLIENT_SECRET": "sandbox-secret",
    "PHONEPE_CLIENT_VERSION": "1",
    "PHONEPE_WEBHOOK_USERNAME": "okpuja_test",
    "PHONEPE_WEBHOOK_PASSWORD": "test12345",
    "UNFULFILLABLE": "refund",
    "PGDATABASE": "othershop",
    "PGUSER": server.USER,
    # pytest-django empties the tables between tests, and some tests begin with a paid order.
    "PGOPTIONS": "-c payments.may_truncate=on -c payments.may_seed=on",
}


def main(arguments: list[str]) -> int:
    names_tests = any((ROOT / argument.partition("::")[0]).exists() for argument in arguments)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-m",
        "not okpuja",
        *arguments,
        *([] if names_tests else TESTS),
    ]
    environment = {**os.environ, **ENVIRONMENT, "PGHOST": server.start()}
    environment.pop("DATABASE_URL", None)
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
