"""What an order costs in calls of PhonePe: an abandoned one its ladder, a polled one a call in three seconds."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import takewhile

import pytest
from django.test import Client
from django.utils import timezone

from payments import claims, completion, schedule
from payments.answers import Answer
from payments.models import PaymentOrder
from payments.states import Source
from phonepe_pg import UnknownOrder
from tests import make
from tests.at_once import at_once
from tests.payments.test_verify import asked, known_order

pytestmark = pytest.mark.django_db(transaction=True)


def rungs_of(order: PaymentOrder, *, watch: timedelta) -> list[datetime]:
    rungs = schedule.rungs(
        created_at=order.created_at, expires_at=order.expires_at, spread=schedule.spread_of(order.pk)
    )
    return list(takewhile(lambda rung: rung <= order.expires_at + watch, rungs))


def unpaid(order: PaymentOrder, *, now: datetime) -> Answer:
    """PhonePe's word for an order that nobody pays; it knows none that is long over."""
    if now > order.expires_at + timedelta(hours=1):
        return make.trouble(UnknownOrder("gone", code="INVALID_MERCHANT_ORDER_ID"), at=now)
    return make.answer(at=now)


def watch_until_the_end(order: PaymentOrder, *, late_s: float) -> int:
    """Ask whenever the order is due, `late_s` after it fell due, as the sweep does; how many questions that was."""
    due_at, questions = order.next_check_at, 0
    while due_at is not None:
        now = due_at + timedelta(seconds=late_s)
        (claimed,) = claims.claim_due(now=now, limit=10)
        answer = unpaid(order, now=now)
        waiting = completion.changes_nothing(claimed, answer, now=now)
        if waiting:
            claims.put_back([waiting], now=now)
        else:
            completion.settle(claimed.pk, answer, source=Source.CHECKER, now=now)
        questions += 1
        due_at = PaymentOrder.objects.get(pk=order.pk).next_check_at
    return questions


@pytest.mark.parametrize("late_s", [0, 0.4, 7])
def test_an_abandoned_order_costs_no_more_calls_than_its_ladder_has_rungs(late_s, settings):
    settings.LATE_WATCH_HOURS = 3
    order = make.order(age_s=0)
    rungs = rungs_of(order, watch=timedelta(hours=3))
    PaymentOrder.objects.filter(pk=order.pk).update(next_check_at=rungs[0])
    order.refresh_from_db()

    questions = watch_until_the_end(order, late_s=late_s)

    assert questions <= len(rungs)
    if late_s < 1:
        assert questions == len(rungs)


def asked_ago(order: PaymentOrder, seconds: float) -> None:
    """As if PhonePe had last been asked about the order so long ago."""
    last = timezone.now() - timedelta(seconds=seconds)
    PaymentOrder.objects.filter(pk=order.pk).update(asked_at=last)


def test_a_polled_order_costs_one_call_in_a_gap_however_many_poll(sandbox, plug):
    plug("delivers")
    order = known_order(sandbox, state="PENDING", age_s=60)

    def poll() -> PaymentOrder:
        seen = PaymentOrder.objects.get(pk=order.pk)
        return completion.verify(seen, source=Source.STATUS, within_s=5, not_before_s=100)

    costs = []
    for since_last_ask_s in (None, 0, 50, 101, 10, 101):
        if since_last_ask_s is not None:
            asked_ago(order, since_last_ask_s)
        before = asked(sandbox, order)
        at_once(*[poll] * 16)
        costs.append(asked(sandbox, order) - before)

    assert costs == [1, 0, 0, 1, 0, 1]


def test_the_gap_of_a_cart_that_is_polled_is_three_seconds(sandbox, plug):
    plug("delivers")
    order = known_order(sandbox, state="PENDING", age_s=60)

    costs = []
    for since_last_ask_s in (1.0, 3.0):  # the first with two seconds for the poll itself
        asked_ago(order, since_last_ask_s)
        before = asked(sandbox, order)
        told = Client().get(f"/api/payments/cart/{order.cart_id}/status/")
        assert told.status_code == 200
        costs.append(asked(sandbox, order) - before)

    assert costs == [0, 1]
