"""The throttle's row, under several threads and with real waiting."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from payments import throttle
from payments.models import GatewayThrottle
from payments.throttle import burst
from phonepe_pg import OutcomeUnknown, RateLimited, Unavailable
from tests import make
from tests.at_once import at_once

pytestmark = pytest.mark.django_db(transaction=True)


def test_take_by_several_threads_never_grants_more_than_the_bucket(settings):
    settings.PHONEPE_MAX_RPS = 100
    now = timezone.now()

    for _ in range(20):
        full = {"rate": 100, "tokens": 5, "refilled_at": now, "adapted_at": now}
        GatewayThrottle.objects.update_or_create(pk=1, defaults=full)
        grants = at_once(*[lambda: throttle.take(3, now=now) for _ in range(6)])
        assert sorted(grant.count for grant in grants) == [0, 0, 0, 0, 2, 3]


def test_take_after_an_outdated_look_goes_by_the_row(settings, monkeypatch):
    settings.PHONEPE_MAX_RPS = 100
    now = timezone.now()
    GatewayThrottle.objects.create(pk=1, rate=100, tokens=5, refilled_at=now, adapted_at=now)
    outdated = throttle._seen()
    throttle.take(4, now=now)
    monkeypatch.setattr(throttle, "_seen", lambda: outdated)

    assert throttle.take(3, now=now).count == 1
    assert GatewayThrottle.objects.get().tokens == pytest.approx(0)


def test_take_inside_a_transaction_is_refused():
    throttle.take(1, now=timezone.now())

    with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
        throttle.take(1, now=timezone.now() + timedelta(seconds=5))


def test_take_for_the_very_first_time_by_several_threads_makes_one_row():
    now = timezone.now()

    grants = at_once(*[lambda: throttle.take(1, now=now) for _ in range(6)])

    assert sum(grant.count for grant in grants) == 1
    assert GatewayThrottle.objects.count() == 1


def test_give_back_returns_calls_but_never_overfills_the_bucket():
    now = timezone.now()
    throttle.take(1, now=now)

    throttle.give_back(500, now=now)

    assert GatewayThrottle.objects.get().tokens == burst(1000)


def test_give_back_of_a_probe_lets_another_take_its_place():
    now = timezone.now()
    throttle.report([make.trouble(Unavailable("down"))] * 5, now=now)
    later = now + timedelta(seconds=2)
    throttle.take(50, now=later)

    throttle.give_back(1, now=later)

    assert throttle.take(50, now=later).count == 1


def test_report_opens_the_breaker_with_one_line_however_many_fail(logs):
    now = timezone.now()

    for _ in range(4):
        throttle.report([make.trouble(Unavailable("down"))] * 5, now=now)

    assert logs.count("gateway breaker opened") == 1
    assert GatewayThrottle.objects.get().pause_s == 1


def test_report_of_success_while_all_is_well_writes_nothing():
    throttle.take(1, now=timezone.now())
    before = GatewayThrottle.objects.values().get()

    throttle.report([make.answer()], now=timezone.now() + timedelta(seconds=5))

    assert GatewayThrottle.objects.values().get() == before


def test_wait_for_turn_while_the_breaker_is_open_gives_up_without_waiting_for_it():
    now = timezone.now()
    throttle.report([make.trouble(RateLimited("slow", retry_after=60))], now=now)
    started = time.monotonic()

    granted = throttle.wait_for_turn(until=started + 5)

    assert not granted
    assert time.monotonic() - started < 5


def test_wait_for_turn_when_the_bucket_is_empty_waits_for_the_next_call():
    now = timezone.now()
    GatewayThrottle.objects.create(pk=1, rate=20, tokens=0, refilled_at=now, adapted_at=now)

    granted = throttle.wait_for_turn(until=time.monotonic() + 2)

    assert granted


@pytest.mark.parametrize("error", [Unavailable("down"), OutcomeUnknown("unknown")])
def test_report_call_of_a_failed_pay_or_refund_counts_as_a_failure(error):
    for _ in range(throttle.BREAKER_AFTER):
        throttle.report_call(error, now=timezone.now())

    assert GatewayThrottle.objects.get().pause_s == 1


def test_report_call_of_a_pay_call_turned_away_by_a_429_slows_everybody_down():
    error = OutcomeUnknown("unknown")
    error.__cause__ = RateLimited("slow down", retry_after=7)
    now = timezone.now()

    throttle.report_call(error, now=now)

    row = GatewayThrottle.objects.get()
    assert (row.rate, row.limited_until) == (500, now + timedelta(seconds=7))


def test_report_call_that_worked_closes_the_breaker_whose_probe_it_was():
    now = timezone.now()
    throttle.report([make.trouble(Unavailable("down"))] * 5, now=now)

    throttle.report_call(None, now=now + timedelta(seconds=2))

    assert GatewayThrottle.objects.get().pause_s == 0


def test_report_to_an_empty_table_goes_by_no_difference_of_clocks_that_was_seen_before(monkeypatch):
    monkeypatch.setattr(throttle._clock, "ahead", timedelta(hours=-1))
    now = timezone.now()

    throttle.report([make.trouble(Unavailable("down"))] * 5, now=now)

    assert throttle.take(1, now=now).count == 0
