"""Machines whose clocks differ share the gateway's limit all the same."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from payments import throttle
from tests.journeys import customer
from tests.processes import checker
from tests.sandbox import Sandbox, wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("ahead_s", [-3600, -0.5, 0.5, 3600])
def test_customers_and_a_busy_checker_both_get_their_turns_whatever_the_web_machines_clock_says(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ahead_s: float
) -> None:
    customer.orders_known_to(sandbox, 90, state="PENDING")
    true = timezone.now

    def wrong() -> datetime:
        return true() + timedelta(seconds=ahead_s)

    with checker(log=tmp_path / "checker.log", PHONEPE_BASE_URL=sandbox.base_url, PHONEPE_MAX_RPS="10"):
        wait_until(lambda: sandbox.calls().get("status", 0) >= 3, within_s=20)
        monkeypatch.setattr(timezone, "now", wrong)
        before = sandbox.calls()["status"]

        served = [throttle.wait_for_turn(until=time.monotonic() + 3) for _ in range(10)]

        assert served == [True] * 10
        wait_until(lambda: sandbox.calls()["status"] > before, within_s=5)
