"""Fixtures of the whole suite: a database that can be dropped, the emulator, and an engine that talks to it."""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import hypothesis
import pytest
from django.db import connection, connections
from django.utils import translation

from payments import completion, gateway
from tests.sandbox import Sandbox

OWN_FOLDER = pytest.StashKey[str]()
hypothesis.settings.register_profile("any machine", deadline=None)  # the rest as it is, in CI its own
hypothesis.settings.load_profile("any machine")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Give this run a folder of its own for `tmp_path`.

    The common one is closed to other users by every pytest that starts, and so to the PostgreSQL that a test has in it.
    """
    if config.option.basetemp is None:
        root = os.environ.get("PYTEST_DEBUG_TEMPROOT")
        config.option.basetemp = tempfile.mkdtemp(prefix="okpuja-tests-", dir=root)
        config.stash[OWN_FOLDER] = config.option.basetemp


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Remove it; what a failed run has left may say why."""
    if not exitstatus and (folder := session.config.stash.get(OWN_FOLDER, "")):
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """The test database, to which nobody is connected when it is dropped: who is left by then is named."""
    connections.settings["default"]["CONN_MAX_AGE"] = 0  # or threads of the verify pool would keep theirs
    yield
    with django_db_blocker.unblock():
        until = time.monotonic() + 10  # a process that was killed may still be connected for a moment
        while (others := connected_others()) and time.monotonic() < until:
            gc.collect()
            time.sleep(0.1)
    assert not others, f"still connected to the test database: {others}"


def connected_others() -> list[tuple[Any, ...]]:
    """What the other connections to this database are and did last."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT application_name, state, backend_start, query_start, query FROM pg_stat_activity"
            " WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        return cursor.fetchall()


@pytest.fixture(autouse=True)
def _flights_land(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a request has left to the verify pool is over before the next test: it would report to its throttle."""
    with ThreadPoolExecutor(completion.FLIGHTS, thread_name_prefix="verify") as pool:
        monkeypatch.setattr(completion, "_pool", pool)
        yield


@pytest.fixture(autouse=True)
def _no_language_of_other_tests() -> None:
    """A request leaves its language to the thread; in production the next request sets its own."""
    translation.deactivate()


@pytest.fixture(scope="session")
def sandbox_process() -> Iterator[Sandbox]:
    sandbox = Sandbox("--webhook-username", "okpuja_test", "--webhook-password", "test12345")
    yield sandbox
    sandbox.close()


@pytest.fixture
def sandbox(sandbox_process: Sandbox, settings: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """The emulator with nothing in it, and this process's gateway pointed at it."""
    sandbox_process.reset()
    settings.PHONEPE_BASE_URL = sandbox_process.base_url
    gateway.close()
    yield sandbox_process
    gateway.close()
