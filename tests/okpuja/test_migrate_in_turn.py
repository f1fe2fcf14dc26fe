"""`migrate_in_turn`: any number of services may start at once on a database that is behind, or empty."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import psycopg
import pytest
from django.db import connection

from tests.processes import ROOT, database_url, environment, manage

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def empty() -> Iterator[str]:
    """The URL of an empty database."""
    name = "okpuja_in_turn"
    with psycopg.connect(database_url(), autocommit=True) as server:
        server.execute(f"DROP DATABASE IF EXISTS {name}")
        server.execute(f"CREATE DATABASE {name}")
    yield database_url().replace(f"/{connection.settings_dict['NAME']}?", f"/{name}?")
    with psycopg.connect(database_url(), autocommit=True) as server:
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.timeout(120)
def test_two_services_that_start_at_once_migrate_once(empty):
    services = [
        subprocess.Popen(
            [sys.executable, "manage.py", "migrate_in_turn"],
            cwd=ROOT,
            env=environment(DATABASE_URL=empty),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(2)
    ]
    told = [service.communicate(timeout=100)[0] for service in services]

    assert [service.returncode for service in services] == [0, 0], told
    assert sum("Applying payments.0001_initial..." in text for text in told) == 1, told
    with psycopg.connect(empty) as database:
        applied = database.execute(
            "SELECT count(*), count(DISTINCT (app, name)) FROM django_migrations"
        ).fetchone()
    assert applied
    assert applied[0] == applied[1] > 30


def test_with_nothing_to_do_nobody_waits_for_a_turn():
    with psycopg.connect(database_url(), autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [0x0CB0_1A00])
        done = manage("migrate_in_turn", "--wait", "0")

    assert (done.returncode, done.stdout.strip()) == (0, "The database is up to date."), done.stderr


def test_a_turn_that_never_comes_is_an_error_that_says_so(empty):
    with psycopg.connect(empty, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [0x0CB0_1A00])
        done = manage("migrate_in_turn", "--wait", "0", DATABASE_URL=empty)

    assert done.returncode == 1
    assert "Another process has been migrating for 0 s." in done.stderr
