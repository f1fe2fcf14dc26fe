"""The metrics: true, the same from any process, never going backwards, and cheap however long the history is."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from procrastinate.contrib.django import app as jobs

from payments import checkers, completion, metrics, tally, transitions
from payments.models import (
    Checker,
    GatewayThrottle,
    MetricsTally,
    PaymentEvent,
    PaymentOrder,
    WebhookDelivery,
)
from payments.states import Fulfilment, Source
from phonepe_pg import RateLimited, Unavailable, UnknownOrder
from tests import make
from tests.at_once import at_once

pytestmark = pytest.mark.django_db(transaction=True)


def told() -> dict[str, float]:
    """What a scrape says now, whatever was said a moment ago: "payments_due" → 1.0."""
    MetricsTally.objects.update(shown_at=tally.LONG_AGO, states_at=None)
    return read(metrics.exposition().decode())


def read(text: str) -> dict[str, float]:
    lines = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in lines}


def answered(*answers: Any, at: datetime | None = None) -> PaymentOrder:
    order = make.order(next_check_at=None)
    for answer in answers:
        transitions.record_answer(order, answer, source=Source.CHECKER, now=at or timezone.now())
    return order


def settled(own_shop: Any, source: Source, *, at: datetime) -> PaymentOrder:
    order = own_shop.order(now=at)
    done = completion.settle(order.pk, make.answer("COMPLETED", at=at), source=source, now=at)
    assert done.fulfilment == Fulfilment.BOOKED
    return done


def event(kind: str, *, at: datetime, **fields: Any) -> None:
    order = PaymentOrder.objects.first() or make.order()
    PaymentEvent.objects.create(order=order, at=at, kind=kind, source="checker", **fields)


def test_completions_are_counted_by_who_noticed(own_shop):
    now = timezone.now()
    settled(own_shop, Source.WEBHOOK, at=now)
    settled(own_shop, Source.CHECKER, at=now)
    settled(own_shop, Source.CHECKER, at=now - timedelta(hours=30))

    found = told()

    assert found['payments_completions_total{source="checker"}'] == 2
    assert found['payments_completions_total{source="webhook"}'] == 1
    assert found['payments_completions_total{source="return"}'] == 0
    assert found['payments_orders{status="SUCCESS"}'] == 3


def test_the_lag_is_that_from_the_money_to_the_delivery(own_shop):
    now = timezone.now()
    for lag_s in (0.5, 3, 100_000):
        order = own_shop.order(now=now)
        paid = make.answer("COMPLETED", at=now - timedelta(seconds=lag_s))
        completion.settle(order.pk, paid, source=Source.CHECKER, now=now)

    found = told()

    buckets = [
        found[f'payments_booking_lag_seconds_bucket{{le="{le}"}}']
        for le in ("1.0", "2.0", "5.0", "86400.0", "+Inf")
    ]
    assert buckets == [1, 1, 2, 2, 3]
    assert found["payments_booking_lag_seconds_count"] == 3
    assert found["payments_booking_lag_seconds_sum"] == pytest.approx(100_003.5)


def test_calls_are_counted_by_what_phonepe_said():
    down, gone = Unavailable("down", http_status=503), UnknownOrder("none", http_status=400)
    many = RateLimited("slow down", http_status=429)
    answered(make.answer(), make.answer(), *(make.trouble(error) for error in (down, gone, many)))

    found = told()

    calls = {name: value for name, value in found.items() if name.startswith("payments_gateway_calls_total")}
    assert calls == {
        'payments_gateway_calls_total{call="pay",result="ok"}': 0,
        'payments_gateway_calls_total{call="refund",result="ok"}': 0,
        'payments_gateway_calls_total{call="status",result="ok"}': 2,
        'payments_gateway_calls_total{call="status",result="rate_limited"}': 1,
        'payments_gateway_calls_total{call="status",result="unavailable"}': 1,
        'payments_gateway_calls_total{call="status",result="unknown_order"}': 1,
    }
    assert found['payments_gateway_call_seconds_bucket{le="0.05"}'] == 5  # 5 ms each
    assert found["payments_gateway_call_seconds_sum"] == pytest.approx(0.025)


def test_webhooks_are_counted_once_by_content_and_those_not_acted_on_stand_out():
    now = timezone.now()
    for number, state in enumerate(("nudged", "parked", "received")):
        WebhookDelivery.objects.create(body_sha256=str(number), received_at=now, deliveries=3, state=state)

    found = told()

    assert (found["payments_webhooks_total"], found["payments_webhooks_waiting"]) == (3, 2)


def test_money_that_waits_is_shown_with_its_age():
    now = timezone.now()
    make.paid_order(completed_at=now - timedelta(minutes=20), next_check_at=now + timedelta(minutes=1))
    make.order(
        "EXPIRED", next_check_at=None, attention="amount_mismatch", attention_at=now - timedelta(hours=5)
    )

    found = told()

    assert found["payments_undelivered"] == 1
    assert found["payments_undelivered_oldest_seconds"] == pytest.approx(1200, abs=10)
    assert found["payments_attention_paise"] == 149900
    assert found["payments_attention_oldest_seconds"] == pytest.approx(18_000, abs=10)
    assert found['payments_attention{why="amount_mismatch"}'] == 1


def test_checkers_are_told_with_version_and_last_sweep():
    now = timezone.now()
    checkers.beat(interval_s=60, now=now, swept_at=now - timedelta(seconds=7))
    Checker.objects.create(name="old:1", started_at=now, seen_at=now - timedelta(hours=1), interval_s=60)

    found = told()

    (info,) = [name for name in found if name.startswith("payments_checker_info")]
    (sweep,) = [name for name in found if name.startswith("payments_checker_last_sweep")]
    assert re.fullmatch(r'payments_checker_info\{checker=".+:\d+",version="0\.\d+\.\d+"\}', info)
    assert found[sweep] == pytest.approx(now.timestamp() - 7)
    assert found["payments_checkers"] == 1


def test_jobs_are_counted_by_state_and_task():
    ids = [jobs.configure_task("payments.pursue_refund").defer(refund_id=n, attempt=0) for n in range(3)]
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET status = 'failed' WHERE id = %s", [ids[0]])

    found = told()

    assert found['payments_jobs{state="todo",task="payments.pursue_refund"}'] == 2
    assert found['payments_jobs{state="failed",task="payments.pursue_refund"}'] == 1
    assert found["payments_jobs_failed"] == 1


def test_the_throttle_and_the_breaker_are_told():
    now = timezone.now()
    state = {"rate": 2.5, "refilled_at": now, "adapted_at": now, "pause_s": 8, "failures": 9}
    blocked = {
        "blocked_until": now + timedelta(minutes=1),
        "probing": True,
        "priority_until": now + timedelta(minutes=1),
    }
    GatewayThrottle.objects.update_or_create(pk=1, defaults=state | blocked)

    found = told()

    names = ("payments_throttle_rate", "payments_throttle_blocked", "payments_breaker_open")
    assert [found[name] for name in names] == [2.5, 1, 1]
    assert found["payments_gateway_failures_in_a_row"] == 9
    assert found["payments_breaker_half_open"] == 1
    assert 50 < found["payments_throttle_customer_first_seconds"] <= 60


def test_an_event_is_counted_once_however_long_ago_and_whenever_the_totals_are_moved_on():
    start = timezone.now() - timedelta(days=2)
    counts = []
    for minutes in range(0, 60, 3):  # each scrape finds one more; totals move on under way
        now = start + timedelta(minutes=minutes)
        event("moved", at=now, to_status="SUCCESS")
        counts.append(tally.read(now=now)["completions|checker"])

    assert counts == list(range(1, 21))
    assert start < MetricsTally.objects.get().up_to < now


def test_an_event_that_was_committed_late_is_counted():
    now = timezone.now()
    tally.read(now=now)
    event("moved", at=now - timedelta(minutes=4), to_status="SUCCESS")

    assert tally.read(now=now + timedelta(minutes=6))["completions|checker"] == 1
    assert tally.read(now=now + timedelta(minutes=26))["completions|checker"] == 1


def test_what_was_shown_a_moment_ago_is_shown_again():
    now = timezone.now()
    tally.read(now=now)
    event("moved", at=now, to_status="SUCCESS")

    assert tally.read(now=now + timedelta(seconds=9))["completions|checker"] == 0
    assert tally.read(now=now + timedelta(seconds=10))["completions|checker"] == 1


def test_rows_are_not_counted_by_state_again_while_that_costs_too_much():
    now = timezone.now()
    make.order()
    tally.read(now=now)
    MetricsTally.objects.update(states_took_ms=1000)  # so once in 20 s
    make.order()

    assert tally.read(now=now + timedelta(seconds=10))["orders|INITIATED"] == 1
    assert tally.read(now=now + timedelta(seconds=20))["orders|INITIATED"] == 2


@pytest.mark.parametrize("round_", range(5))
def test_many_scrapes_at_once_count_everything_once(round_):
    now = timezone.now()
    for minutes in range(30):
        event("moved", at=now - timedelta(minutes=minutes), to_status="SUCCESS")

    scrapes = at_once(*[lambda: tally.read(now=now)] * 6)

    assert [scrape["completions|checker"] for scrape in scrapes] == [30] * 6
    assert tally.read(now=now + timedelta(minutes=40))["completions|checker"] == 30


def test_a_scrape_reads_the_newest_events_by_the_index():
    now = timezone.now()
    tally.read(now=now)
    with connection.cursor() as cursor:
        cursor.execute("SET enable_seqscan = off")
        bounds = {"call_bounds": list(tally.CALL_BOUNDS_S), "lag_bounds": list(tally.LAG_BOUNDS_S)}
        cursor.execute("EXPLAIN " + tally.COUNTED, {"since": now, "until": now} | bounds)
        plan = "\n".join(row[0] for row in cursor.fetchall())
        cursor.execute("SET enable_seqscan = on")

    assert "payments_event_at" in plan
    assert "Seq Scan on payments_event" not in plan
