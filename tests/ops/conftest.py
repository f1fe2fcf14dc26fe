"""Clients that are signed in."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from tests.ops import rows


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
