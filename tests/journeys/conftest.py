"""The web site as a process, for the whole session; each journey has the emulator and the tables to itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from payments.models import WebhookDelivery
from tests.journeys import customer
from tests.ports import free_port
from tests.processes import web
from tests.sandbox import Sandbox


@pytest.fixture(scope="session")
def site(
    django_db_setup: Any,
    django_db_blocker: Any,
    sandbox_process: Sandbox,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """The web site's origin; it keeps nothing in memory that a journey could leave to the next."""
    log = tmp_path_factory.mktemp("site") / "web.log"
    with django_db_blocker.unblock():
        running = web(log=log, port=free_port(), PHONEPE_BASE_URL=sandbox_process.base_url)
        origin = running.__enter__()
        customer.send_webhook(origin, "OKP-of-nobody")  # the first one takes its time
        WebhookDelivery.objects.all().delete()
    yield origin
    running.__exit__(None, None, None)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Where the journey's checkers write."""
    return tmp_path / "checker.log"
