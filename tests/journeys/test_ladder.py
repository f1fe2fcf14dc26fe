"""PhonePe's ladder under load: a real checker, no rate limit, hundreds of orders that nobody pays yet."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.db.models import Min
from django.utils import timezone

from cart import load
from payments import asked, completion
from payments.models import PaymentOrder
from payments.states import Status
from tests.journeys import customer
from tests.processes import checker
from tests.sandbox import Sandbox, wait_until

pytestmark = pytest.mark.django_db(transaction=True)

AGES_S = range(14, 29)
OF_EACH_AGE = 60  # 900 in the ladder's steepest part: 300 questions a second
ASKS = 3
MET_WITHIN_S = 1.0


def abandoned_orders(sandbox: Sandbox) -> None:
    """Orders with carts that PhonePe knows and nobody pays, not due before the checker is up."""
    for age_s in AGES_S:
        plan = load.Plan(
            OF_EACH_AGE, Status.INITIATED, timedelta(seconds=age_s), expire_after=timedelta(seconds=900)
        )
        list(load.make(plan, packages=[customer.package()], now=timezone.now(), emulator=sandbox.url))
    PaymentOrder.objects.update(next_check_at=timezone.now() + timedelta(hours=1))


def set_on_the_ladder() -> None:
    """From now on each order is due at its rungs."""
    now, orders = timezone.now(), list(PaymentOrder.objects.all())
    for order in orders:
        order.next_check_at = completion.next_rung(order, now=now + timedelta(seconds=1))
    PaymentOrder.objects.bulk_update(orders, ["next_check_at"])


def test_every_rung_is_met_within_a_second_at_full_load(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.settings(latency=0.05)
    abandoned_orders(sandbox)

    log = tmp_path / "checker.log"
    with checker(log=log, interval=1, PHONEPE_BASE_URL=sandbox.base_url, PHONEPE_MAX_RPS="100000"):
        set_on_the_ladder()
        started = timezone.now() + timedelta(seconds=1)
        wait_until(lambda: PaymentOrder.objects.aggregate(n=Min("asks"))["n"] >= ASKS, within_s=60)
        stopped = timezone.now()

    rungs = [
        rung
        for order in PaymentOrder.objects.all()
        for rung in asked.ladder(order, now=stopped, late_watch=timedelta(hours=72)).rungs
        if started < rung.at < stopped - timedelta(seconds=MET_WITHIN_S)
    ]
    late = [rung.late_s for rung in rungs]
    assert len(rungs) >= len(AGES_S) * OF_EACH_AGE * (ASKS - 1)
    assert None not in late, f"{late.count(None)} of {len(late)} rungs were missed"
    assert max(late) <= MET_WITHIN_S, sorted(late)[-20:]
    assert all(len(rung.asks) == 1 for rung in rungs)
