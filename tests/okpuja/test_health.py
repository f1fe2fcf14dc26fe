"""`/healthz`, `/readyz` and `/metrics` of a real web process."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.journeys import customer
from tests.ports import free_port
from tests.processes import checker, web
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


def test_two_web_processes_tell_the_same_of_what_two_checkers_did(sandbox: Sandbox, tmp_path: Path) -> None:
    orders = customer.orders_known_to(sandbox, 20)
    own = {"PHONEPE_BASE_URL": sandbox.base_url}
    with (
        web(log=tmp_path / "1.log", port=free_port(), **own) as one,
        web(log=tmp_path / "2.log", port=free_port(), **own) as two,
        checker(log=tmp_path / "3.log", **own),
        checker(log=tmp_path / "4.log", **own),
    ):
        wait_until(lambda: customer.booked(*orders) == 20)
        told = [scraped(site) for site in (one, two, one)]

    assert told[0]["payments_checkers"] == 2
    assert sum(name.startswith("payments_checker_info") for name in told[0]) == 2
    assert told[0]['payments_completions_total{source="checker"}'] == 20
    assert told[0]['payments_gateway_calls_total{call="status",result="ok"}'] == sandbox.calls()["status"]
    assert counters(told[0]) == counters(told[1]) == counters(told[2])


def scraped(site: str) -> dict[str, float]:
    lines = customer.call("GET", f"{site}/metrics").body.splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[0] != "#")}


def counters(told: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in told.items() if re.search(r"_(total|bucket|sum|count)\b", name)}


def test_a_web_process_without_its_database_lives_and_is_not_ready(tmp_path: Path) -> None:
    nowhere = "postgresql://nobody@127.0.0.1:1/nothing"
    with web(log=tmp_path / "web.log", port=free_port(), DATABASE_URL=nowhere) as site:
        ready = customer.call("GET", f"{site}/readyz")

    assert (ready.status, ready.json["database"]) == (503, False)
