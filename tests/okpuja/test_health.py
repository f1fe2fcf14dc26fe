"""`/healthz`, `/readyz` and `/metrics` of a real web process."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.journeys import customer
from tests.processes import checker, free_port, web
from tests.sandbox import Sandbox, wait_until

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_web_process_is_ready_while_a_checker_is_seen(sandbox: Sandbox, tmp_path: Path) -> None:
    log = tmp_path / "checker.log"
    with web(log=tmp_path / "web.log", port=free_port(), PHONEPE_BASE_URL=sandbox.base_url) as site:
        assert customer.call("GET", f"{site}/healthz").json == {"status": "ok"}
        alone = customer.call("GET", f"{site}/readyz")
        with checker(log=log, PHONEPE_BASE_URL=sandbox.base_url):
            wait_until(lambda: customer.call("GET", f"{site}/readyz").status == 200)
            seen = customer.call("GET", f"{site}/readyz")
            metrics = customer.call("GET", f"{site}/metrics")
        signed_off = customer.call("GET", f"{site}/readyz")

    assert (alone.status, alone.json["checker"], alone.json["database"]) == (503, False, True)
    assert seen.json == {"status": "ok", "database": True, "migrations": True, "checker": True}
    assert "payments_checkers 1.0" in metrics.body
    assert signed_off.status == 503


def test_a_web_process_without_its_database_lives_and_is_not_ready(tmp_path: Path) -> None:
    nowhere = "postgresql://nobody@127.0.0.1:1/nothing"
    with web(log=tmp_path / "web.log", port=free_port(), DATABASE_URL=nowhere) as site:
        ready = customer.call("GET", f"{site}/readyz")

    assert (ready.status, ready.json["database"]) == (503, False)
