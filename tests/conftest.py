"""Fixtures of the whole suite: the emulator, and an engine that talks to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from payments import gateway
from tests.sandbox import Sandbox


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
