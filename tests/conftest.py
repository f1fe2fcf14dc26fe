"""Fixtures of the whole suite: the emulator, and an engine that talks to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connection
from django.utils import translation

from payments import gateway
from tests.sandbox import Sandbox


@pytest.fixture(autouse=True)
def _no_jobs_of_other_tests(request: pytest.FixtureRequest) -> None:
    """Procrastinate's models are unmanaged, so the flush between transactional tests leaves its jobs behind."""
    marker = request.node.get_closest_marker("django_db")
    if "transactional_db" in request.fixturenames or (marker and marker.kwargs.get("transaction")):
        request.getfixturevalue("transactional_db")
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM procrastinate_jobs")


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
