"""Asking for a refund: recorded with its job, one at a time, never more than was paid."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.utils import timezone

from payments import refunds
from payments.errors import NotFound, NotRefundable
from payments.models import PaymentEvent, Refund
from payments.states import Status
from tests import make
from tests.at_once import at_once
from tests.payments.refunding import jobs, paid_order, request

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(("asked", "amount"), [(None, 149900), (100, 100), (149900, 149900)])
def test_request_records_the_refund_its_event_and_its_job(asked, amount):
    order = paid_order()

    made = request(order, asked)

    assert (made.amount, made.state, made.sent_at) == (amount, "DUE", None)
    assert jobs() == [({"refund_id": made.pk, "attempt": 0}, 0)]
    assert order.events.get(kind=PaymentEvent.Kind.REFUND).detail["requested_by"] == "staff"


@pytest.mark.parametrize("amount", [0, -1, 149901, 10**18])
def test_request_of_an_impossible_sum_is_refused(amount):
    order = paid_order()

    with pytest.raises(NotRefundable):
        request(order, amount)

    assert (Refund.objects.count(), jobs()) == (0, [])


@pytest.mark.parametrize("amount", [True, 100.0, 100.5, "100", Decimal(100)])
def test_request_of_what_is_no_whole_int_is_a_type_error(amount):
    order = paid_order()

    with pytest.raises(TypeError, match=f"a whole int, not {type(amount).__name__}"):
        request(order, amount)
    assert Refund.objects.count() == 0


def test_request_that_is_repeated_by_its_key_gets_its_refund_and_for_another_sum_none():
    order, other = paid_order(), paid_order()
    made = request(order, 100, idempotency_key="k1")
    Refund.objects.update(state="COMPLETED")

    assert [request(order, sum_, idempotency_key="k1") for sum_ in (100, None)] == [made, made]
    with pytest.raises(NotRefundable, match="another sum"):
        request(order, 200, idempotency_key="k1")
    assert request(other, 100, idempotency_key="k1") != made
    assert len(jobs()) == 2


@pytest.mark.parametrize("amount", [1, 99])
def test_request_of_less_than_phonepe_gives_back_is_refused_unless_no_more_is_left(amount):
    order = paid_order()

    with pytest.raises(NotRefundable, match="100 paise or more"):
        request(order, amount)
    rest = paid_order(amount=100 + amount)
    Refund.objects.filter(pk=request(rest, 100).pk).update(state="COMPLETED")

    assert request(rest, amount).amount == amount


@pytest.mark.parametrize("status", [s for s in Status if s != Status.SUCCESS])
def test_request_for_an_unpaid_order_is_refused(status):
    order = make.order(status)

    with pytest.raises(NotRefundable, match="has not been paid"):
        request(order)

    assert (Refund.objects.count(), jobs()) == (0, [])


@pytest.mark.parametrize("unknown", ["OKP-nobody", "a\0b"])
def test_request_for_no_order_is_not_found(unknown):
    with pytest.raises(NotFound):
        refunds.request(unknown, amount_paise=None, reason="x", requested_by="x", now=timezone.now())


def test_request_while_another_is_under_way_is_refused():
    order = paid_order()
    request(order, 100)

    with pytest.raises(NotRefundable):
        request(order, 100)

    assert Refund.objects.count() == 1


def test_request_by_two_at_once_makes_one():
    for _ in range(20):
        order = paid_order()

        results = at_once(lambda o=order: request(o), lambda o=order: request(o))

        assert sorted(type(result).__name__ for result in results) == ["NotRefundable", "Refund"]
        assert order.refunds.count() == 1


def test_request_after_partial_refunds_gives_what_is_left():
    order = paid_order()
    for amount in (100000, 40000):
        Refund.objects.filter(pk=request(order, amount).pk).update(state="COMPLETED")

    with pytest.raises(NotRefundable):
        request(order, 9901)
    last = request(order)

    assert (last.amount, refunds.left_to_refund(order)) == (9900, 0)
