"""`payments` and `phonepe_pg` stand alone: nothing of OkPuja is installed, imported or needed."""

from __future__ import annotations

import json
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.apps import apps

import payments
import phonepe_pg
from tests.othershop import running
from tests.processes import ROOT

OKPUJA = ["bookings", "cart", "catalog", "okpuja", "storefront"]
IMPORT_ALL = """
import importlib, json, sys, django
django.setup()
for name in sys.argv[1:]:
    importlib.import_module(name)
importlib.import_module("tests.othershop.urls")
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def run(*arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.othershop.settings"} | changes
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def modules_of(package: object) -> list[str]:
    found = pkgutil.walk_packages(package.__path__, prefix=f"{package.__name__}.")
    return [module.name for module in found]


def test_only_what_payments_needs_is_installed():
    assert [config.name for config in apps.get_app_configs()] == [
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "procrastinate.contrib.django",
        "payments",
        "tests.othershop.courses",
        "tests.emptying",
    ]


@pytest.mark.parametrize("package", OKPUJA)
def test_this_run_and_its_processes_cannot_import_okpuja(package):
    with pytest.raises(ImportError, match="belongs to OkPuja"):
        __import__(package)

    assert "belongs to OkPuja" in run("-c", f"import {package}").stderr
    assert package not in sys.modules


def test_importing_every_module_of_payments_and_phonepe_pg_imports_nothing_of_okpuja():
    """With OkPuja's packages in reach: what is not imported here is not imported because it is not asked for."""
    modules = modules_of(payments) + modules_of(phonepe_pg)
    modules.remove("payments.admin")  # wants django.contrib.admin, which this shop has not installed

    imported = run("-c", IMPORT_ALL, *modules, PYTHONPATH="")

    assert imported.returncode == 0, imported.stderr
    roots = json.loads(imported.stdout.splitlines()[-1])
    assert {"payments", "phonepe_pg", "tests"} <= set(roots)
    assert [root for root in roots if root in [*OKPUJA, "phonepe_sandbox"]] == []


def test_check_of_a_project_that_has_set_nothing_names_what_is_missing():
    found = run("-m", "django", "check", DJANGO_SETTINGS_MODULE="tests.othershop.bare")

    assert found.returncode == 1
    for sentence in (
        "(payments.E003) PAYMENTS['FULFIL'] is not set.",
        "(payments.E008) PUBLIC_URL is not set.",
        "(payments.W001) PHONEPE_CLIENT_ID is not set",
        "(payments.W001) PHONEPE_CLIENT_SECRET is not set",
    ):
        assert sentence in found.stderr
    assert found.stderr.count("(payments.") == 4


def test_the_other_shops_migrations_are_complete():
    found = run("-m", "django", "makemigrations", "--check", "--dry-run")

    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.django_db(transaction=True)
def test_the_first_steps_can_be_walked(sandbox):
    environment = os.environ | running.settings(sandbox)
    environment["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"

    walked = subprocess.run(
        ["bash", "-eu", ROOT / "tests/othershop/first_steps.sh"],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert walked.returncode == 0, walked.stderr
    assert "0 checked" in walked.stdout
