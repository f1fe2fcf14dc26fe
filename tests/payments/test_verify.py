"""`completion.verify`: one question however many want the answer, and nobody waits longer than told."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from payments import claims, completion, throttle
from payments.errors import NotFound, TooManyRequests
from payments.models import GatewayThrottle, PaymentOrder
from payments.states import Source, Status
from phonepe_pg import Unavailable
from tests import make
from tests.at_once import at_once
from tests.payments.settling import refusing
from tests.sandbox import Sandbox, wait_until

pytestmark = pytest.mark.django_db(transaction=True)


def known_order(sandbox: Sandbox, state: str = "COMPLETED", **fields: Any) -> PaymentOrder:
    """An order of ours that the emulator knows as well."""
    order = make.order(gateway_order_id="", **fields)
    registered = {"merchantOrderId": order.merchant_order_id, "amount": order.amount, "state": state}
    (answer,) = sandbox.register(registered)
    PaymentOrder.objects.filter(pk=order.pk).update(gateway_order_id=answer["orderId"])
    order.refresh_from_db()
    return order


def verify(order: PaymentOrder, *, within_s: float = 5, **how: Any) -> PaymentOrder:
    return completion.verify(order, source=Source.STATUS, within_s=within_s, **how)


def asked(sandbox: Sandbox, order: PaymentOrder) -> int:
    return sandbox.calls(order.merchant_order_id).get("status", 0)


@pytest.fixture(autouse=True)
def shop(plug):
    plug("delivers")


def test_verify_asks_and_settles_and_says_who_noticed(sandbox):
    order = known_order(sandbox)

    verified = verify(order)

    assert (verified.status, verified.fulfilment, verified.completed_by) == ("SUCCESS", "BOOKED", "status")
    assert asked(sandbox, order) == 1


def test_verify_by_twenty_at_once_costs_one_call_and_tells_all(sandbox):
    order = known_order(sandbox)
    sandbox.settings(latency=0.3)

    results = at_once(*[lambda: verify(order)] * 20)

    assert [result.status for result in results] == [Status.SUCCESS] * 20
    assert asked(sandbox, order) == 1


def test_verify_by_many_at_a_fast_gateway_costs_one_call_each_time(sandbox):
    for _ in range(20):
        order = known_order(sandbox, state="PENDING")

        results = at_once(*[lambda o=order: verify(o, not_before_s=3)] * 6)

        assert [result.status for result in results] == [Status.INITIATED] * 6
        assert asked(sandbox, order) == 1


def test_verify_with_a_row_read_before_somebody_else_asked_does_not_ask_again(sandbox):
    stale = known_order(sandbox, state="PENDING")
    verify(stale)

    verify(stale, not_before_s=3)

    assert asked(sandbox, stale) == 1


def test_verify_with_a_row_read_before_it_was_booked_leaves_no_claim_behind(sandbox):
    stale = known_order(sandbox)
    verify(stale)

    verified = verify(stale)

    assert (verified.status, verified.next_check_at, verified.leased_until) == ("SUCCESS", None, None)
    assert asked(sandbox, stale) == 1


def test_verify_sooner_than_allowed_returns_the_order_as_it_is(sandbox):
    order = known_order(sandbox, asked_at=timezone.now() - timedelta(seconds=2))

    early, late = verify(order, not_before_s=3), verify(order, not_before_s=1)

    assert (early.status, late.status) == (Status.INITIATED, Status.SUCCESS)


def test_verify_of_an_order_that_a_clock_far_ahead_has_asked_about_asks(sandbox):
    order = known_order(sandbox, asked_at=timezone.now() + timedelta(hours=1))

    assert verify(order, not_before_s=3).status == Status.SUCCESS


def test_verify_at_a_slow_gateway_returns_in_time_and_the_answer_is_settled_later(sandbox):
    order = known_order(sandbox)
    sandbox.fault("status", "latency", seconds=5)
    started = time.monotonic()

    verified = verify(order, within_s=0.3)

    took_s = time.monotonic() - started
    assert (verified.status, took_s < 3) == (Status.INITIATED, True)
    wait_until(lambda: PaymentOrder.objects.get(pk=order.pk).fulfilment == "BOOKED")
    assert asked(sandbox, order) == 1


def test_verify_that_nobody_waits_for_any_more_says_when_it_fails(sandbox, logs):
    order = known_order(sandbox)
    sandbox.fault("status", "latency", seconds=0.5)

    with refusing(order, "23514", kind="moved"):
        verify(order, within_s=0.1)
        wait_until(lambda: logs.count("an order could not be settled"), within_s=5)

    order.refresh_from_db()
    assert (order.status, order.attention) == (Status.INITIATED, "unsettled")


def test_verify_while_another_asks_returns_in_time(sandbox):
    order = known_order(sandbox)
    claims.claim_one(order.pk, now=timezone.now())
    started = time.monotonic()

    verified = verify(order, within_s=0.3)

    assert (verified.status, time.monotonic() - started < 3) == (Status.INITIATED, True)
    assert asked(sandbox, order) == 0


def test_verify_while_the_breaker_is_open_returns_the_order_as_it_was_and_keeps_it_due(sandbox):
    order = known_order(sandbox)
    throttle.report([make.trouble(Unavailable("down"))] * 5, now=timezone.now())
    GatewayThrottle.objects.update(blocked_until=timezone.now() + timedelta(seconds=60))
    started = time.monotonic()

    verified = verify(order, within_s=10)

    assert (verified.status, verified.leased_until) == (Status.INITIATED, None)
    assert verified.next_check_at <= timezone.now()
    assert (asked(sandbox, order), time.monotonic() - started < 5) == (0, True)


def test_verify_when_the_gateway_fails_records_it_and_keeps_the_order_watched(sandbox):
    order = known_order(sandbox)
    sandbox.fault("status", "server_error")

    verified = verify(order)

    assert (verified.status, verified.answered_at, verified.leased_until) == (Status.INITIATED, None, None)
    assert verified.next_check_at > timezone.now()
    assert verified.events.get(kind="answered").detail["http_status"] == 500


def test_verify_without_credentials_records_it_and_keeps_the_order_watched(sandbox, settings):
    settings.PHONEPE_CLIENT_SECRET = ""
    order = known_order(sandbox)

    verified = verify(order)

    assert (verified.status, verified.leased_until) == (Status.INITIATED, None)
    assert verified.events.get(kind="answered").detail["state"] == "Misconfigured"


def test_verify_that_waited_for_a_thread_until_its_claim_was_over_asks_nobody(sandbox):
    order = known_order(sandbox)
    claimed = claims.claim_one(order.pk, now=timezone.now() - claims.LEASE, not_asked_since=timezone.now())

    found = completion._ask_and_settle(claimed, Source.STATUS)

    assert (found.status, asked(sandbox, order)) == (Status.INITIATED, 0)


def test_verify_of_a_delivered_order_asks_nobody(sandbox):
    order = known_order(
        sandbox, status=Status.SUCCESS, completed_at=timezone.now(), fulfilment="BOOKED", next_check_at=None
    )

    verified = verify(order)

    assert (verified.next_check_at, asked(sandbox, order)) == (None, 0)


def test_verify_of_a_paid_order_that_awaits_delivery_delivers_without_asking(sandbox):
    order = known_order(sandbox, status=Status.SUCCESS, completed_at=timezone.now(), fulfilment="DUE")

    verified = verify(order)

    assert (verified.fulfilment, verified.next_check_at, asked(sandbox, order)) == ("BOOKED", None, 0)


@pytest.mark.parametrize(
    ("source", "due_in_s", "fulfilment"),
    [(Source.RETURN, 25, "DUE"), (Source.RETURN, -1, "BOOKED"), (Source.MANUAL, 25, "BOOKED")],
)
def test_verify_of_an_order_whose_delivery_raised_leaves_the_next_try_to_its_time_unless_by_hand(
    sandbox, source, due_in_s, fulfilment
):
    tried = {"completed_at": timezone.now(), "fulfilment": "DUE", "fulfil_attempts": 2}
    again_at = timezone.now() + timedelta(seconds=due_in_s)
    order = known_order(sandbox, status=Status.SUCCESS, next_check_at=again_at, **tried)

    found = completion.verify(order, source=source, within_s=5)

    assert (found.fulfilment, found.fulfil_attempts) == (fulfilment, 2)


@pytest.mark.parametrize("status", [Status.EXPIRED, Status.FAILED, Status.CANCELLED])
def test_verify_of_a_closed_order_finds_money_that_came_late(sandbox, status):
    order = known_order(sandbox, status=status, next_check_at=None)

    assert verify(order).status == Status.SUCCESS


def test_verify_by_hand_of_a_customer_leaves_the_next_try_to_deliver_to_its_time(sandbox):
    tried = {"completed_at": timezone.now(), "fulfilment": "DUE", "fulfil_attempts": 2}
    order = known_order(
        sandbox, status=Status.SUCCESS, next_check_at=timezone.now() + timedelta(seconds=25), **tried
    )

    customers = completion.verify_by_hand(order.merchant_order_id, within_s=5)
    staffs = completion.verify_by_hand(order.merchant_order_id, within_s=5, at_once=True)

    assert (customers.fulfilment, staffs.fulfilment) == ("DUE", "BOOKED")


def test_verify_by_hand_of_nothing_is_not_found():
    for unknown in ("OKP-nobody", "", "a\0b", "x" * 5000, "é"):
        with pytest.raises(NotFound):
            completion.verify_by_hand(unknown, within_s=1)


def test_verify_by_hand_again_at_once_is_refused_and_asks_nobody(sandbox):
    order = known_order(sandbox, state="PENDING")
    completion.verify_by_hand(order.merchant_order_id, within_s=5)

    with pytest.raises(TooManyRequests) as refused:
        completion.verify_by_hand(order.merchant_order_id, within_s=5)

    assert 1 <= refused.value.retry_after_s <= completion.BY_HAND_GAP_S
    assert asked(sandbox, order) == 1


def test_verify_by_hand_by_many_at_once_lets_one_through(sandbox):
    for _ in range(20):
        order = known_order(sandbox, state="PENDING")

        results = at_once(*[lambda o=order: completion.verify_by_hand(o.merchant_order_id, within_s=5)] * 4)

        assert sum(isinstance(result, TooManyRequests) for result in results) == 3
        assert asked(sandbox, order) == 1


def test_verify_by_hand_of_a_paid_order_may_be_repeated(sandbox):
    order = known_order(sandbox)

    found = [completion.verify_by_hand(order.merchant_order_id, within_s=5).status for _ in range(3)]

    assert found == [Status.SUCCESS] * 3
