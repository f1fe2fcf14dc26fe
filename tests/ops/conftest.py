"""Clients that are signed in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connections
from django.test import Client

from tests.ops import rows


@pytest.fixture(scope="session", autouse=True)
def _no_lasting_connections() -> Any:
    """The test database cannot be dropped while threads of the verify pool keep connections to it."""
    settings = connections.settings["default"]
    lasting, settings["CONN_MAX_AGE"] = settings["CONN_MAX_AGE"], 0
    yield
    settings["CONN_MAX_AGE"] = lasting


@pytest.fixture
def signed_in() -> Callable[..., Client]:
    """`signed_in("ops.verify_payment")`: a client of staff with exactly these rights."""

    def sign_in(*rights: str) -> Client:
        client = Client()
        client.force_login(rows.staff(*rights))
        return client

    return sign_in


@pytest.fixture
def boss(signed_in: Callable[..., Client]) -> Client:
    """Staff with every right that these pages know."""
    return signed_in(*rows.ALL)
