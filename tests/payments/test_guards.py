"""What PostgreSQL refuses, whatever the code or a hand at psql does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from payments.models import PaymentEvent, PaymentOrder, Refund
from payments.states import MOVES, Fulfilment, RefundState, Status
from tests import make
from tests.at_once import at_once

pytestmark = pytest.mark.django_db

SETS_OF = {Status.SUCCESS: ", completed_at = now(), fulfilment = 'DUE'"}


def sql(statement: str, *parameters: Any) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, parameters)


def refused(constraint: str, statement: str, *parameters: Any) -> None:
    """Run the statement and expect that this constraint or trigger refuses it."""
    with pytest.raises(IntegrityError) as caught:
        sql(statement, *parameters)
    assert caught.value.__cause__.diag.constraint_name == constraint


def paid(**fields: Any) -> PaymentOrder:
    values = {"completed_at": timezone.now(), "fulfilment": Fulfilment.DUE, "next_check_at": None}
    return make.order(Status.SUCCESS, **(values | fields))


def refund(order: PaymentOrder, amount: int, **fields: Any) -> Refund:
    return Refund.objects.create(order=order, amount=amount, reason="r", requested_by="t", **fields)


def row(made: Any) -> dict[str, Any]:
    return type(made).objects.filter(pk=made.pk).values().get()


def of_status(status: Status) -> PaymentOrder:
    return paid() if status == Status.SUCCESS else make.order(status)


@pytest.mark.parametrize("to", Status)
@pytest.mark.parametrize("came_from", Status)
def test_order_moved_by_sql_may_go_the_ways_of_moves_and_no_other(came_from, to):
    order = of_status(came_from)
    leave = ", completed_at = NULL, fulfilment = ''" if came_from == Status.SUCCESS != to else ""
    statement = f"UPDATE payments_order SET status = %s{SETS_OF.get(to, '')}{leave} WHERE id = %s"

    if to == came_from or to in MOVES[came_from]:
        sql(statement, to, order.pk)
        assert row(order)["status"] == to
    else:
        refused("payments_order_moves", statement, to, order.pk)
        assert row(order)["status"] == came_from


@pytest.mark.parametrize("status", [Status.PENDING, Status.INITIATED])
@pytest.mark.parametrize("second", [Status.PENDING, Status.INITIATED])
def test_second_open_order_of_a_cart_is_refused(status, second):
    order = make.order(status)

    refused(
        "payments_order_one_open_per_cart",
        """INSERT INTO payments_order (merchant_order_id, cart_id, amount, status, created_at, expires_at, snapshot,
               gateway_order_id, gateway_state, pay_page_url, failure_code, payment_mode, utr, completed_by,
               fulfilment, fulfilment_reference, fulfil_attempts, attention, nudged_by, asks)
           VALUES ('OTHER', %s, 100, %s, now(), now(), '{}', '', '', '', '', '', '', '', '', '', 0, '', '', 0)""",
        order.cart_id,
        second,
    )

    assert PaymentOrder.objects.count() == 1


@pytest.mark.parametrize("status", [Status.FAILED, Status.EXPIRED, Status.CANCELLED, Status.SUCCESS])
def test_second_order_of_a_cart_whose_first_is_closed_is_taken(status):
    order = of_status(status)

    second = make.order(Status.INITIATED, cart_id=order.cart_id)

    assert PaymentOrder.objects.filter(cart_id=second.cart_id).count() == 2


@pytest.mark.parametrize(
    "change",
    [
        "amount = amount + 1",
        "cart_id = 'another'",
        "merchant_order_id = 'another'",
        "created_at = created_at - interval '1 day'",
        """snapshot = '{"puja": "another"}'""",
    ],
)
def test_frozen_column_of_an_order_never_changes(change):
    order = make.order()
    before = row(order)

    refused("payments_order_frozen", f"UPDATE payments_order SET {change} WHERE id = %s", order.pk)

    assert row(order) == before


def test_booked_order_stays_booked():
    order = paid(fulfilment=Fulfilment.BOOKED)

    refused(
        "payments_order_booked",
        "UPDATE payments_order SET fulfilment = 'UNFULFILLABLE' WHERE id = %s",
        order.pk,
    )

    assert row(order)["fulfilment"] == Fulfilment.BOOKED


@pytest.mark.parametrize(
    ("constraint", "change"),
    [
        ("payments_order_completed_at", "status = 'SUCCESS', fulfilment = 'DUE'"),
        ("payments_order_fulfilment", "status = 'SUCCESS', completed_at = now()"),
        ("payments_order_completed_at", "completed_at = now()"),
        ("payments_order_fulfilment", "fulfilment = 'BOOKED'"),
    ],
)
def test_order_whose_columns_contradict_its_status_is_refused(constraint, change):
    order = make.order()
    before = row(order)

    refused(constraint, f"UPDATE payments_order SET {change} WHERE id = %s", order.pk)

    assert row(order) == before


def test_order_of_less_than_a_rupee_is_refused():
    with pytest.raises(IntegrityError, match="payments_order_amount"), transaction.atomic():
        make.order(amount=99)

    assert PaymentOrder.objects.count() == 0


def test_order_deleted_by_sql_is_kept():
    order = make.order()
    PaymentEvent.objects.all()

    refused("payments_order_kept", "DELETE FROM payments_order WHERE id = %s", order.pk)

    assert PaymentOrder.objects.filter(pk=order.pk).exists()


@pytest.mark.parametrize(
    "statement",
    ["UPDATE payments_event SET detail = '{}' WHERE id = %s", "DELETE FROM payments_event WHERE id = %s"],
)
def test_event_edited_or_deleted_by_sql_stays_as_it_was(statement):
    event = make.order().events.get()
    before = row(event)

    refused("payments_event_append_only", statement, event.pk)

    assert row(event) == before


# -- refunds ------------------------------------------------------------------------------


def insert_refund(order: PaymentOrder, amount: int, state: str = "DUE") -> tuple[str, Any, Any, Any]:
    return (
        """INSERT INTO payments_refund (merchant_refund_id, order_id, amount, state, reason, requested_by,
               gateway_refund_id, error_code, created_at)
           VALUES (md5(random()::text), %s, %s, %s, '', '', '', '', now())""",
        order.pk,
        amount,
        state,
    )


@pytest.mark.parametrize("status", [status for status in Status if status != Status.SUCCESS])
def test_refund_of_an_unpaid_order_is_refused(status):
    order = make.order(status)

    refused("payments_refund_of_paid", *insert_refund(order, 100))

    assert Refund.objects.count() == 0


def test_refund_of_more_than_was_paid_is_refused():
    refused("payments_refund_within_paid", *insert_refund(paid(), 149901))

    assert Refund.objects.count() == 0


def test_refunds_that_together_exceed_what_was_paid_are_refused():
    order = paid()
    refund(order, 100000, state=RefundState.COMPLETED)

    refused("payments_refund_within_paid", *insert_refund(order, 49901))
    sql(*insert_refund(order, 49900))

    assert sorted(Refund.objects.values_list("amount", flat=True)) == [49900, 100000]


def test_refund_that_failed_leaves_its_money_to_a_new_one():
    order = paid()
    refund(order, 149900, state=RefundState.FAILED)

    sql(*insert_refund(order, 149900))

    assert Refund.objects.count() == 2


def test_second_open_refund_of_an_order_is_refused():
    order = paid()
    refund(order, 100)

    refused("payments_refund_one_open_per_order", *insert_refund(order, 100))

    assert Refund.objects.count() == 1


@pytest.mark.parametrize("final", [RefundState.COMPLETED, RefundState.FAILED])
def test_refund_that_is_final_stays_so(final):
    made = refund(paid(), 100, state=final)

    refused("payments_refund_final", "UPDATE payments_refund SET state = 'PENDING' WHERE id = %s", made.pk)

    assert row(made)["state"] == final


@pytest.mark.parametrize("change", ["amount = 1", "merchant_refund_id = 'another'", "order_id = %s"])
def test_frozen_column_of_a_refund_never_changes(change):
    made, other = refund(paid(), 100), paid()
    before = row(made)
    parameters = [other.pk] if "%s" in change else []

    refused(
        "payments_refund_frozen", f"UPDATE payments_refund SET {change} WHERE id = %s", *parameters, made.pk
    )

    assert row(made) == before


def test_refund_deleted_by_sql_is_kept():
    made = refund(paid(), 100)

    refused("payments_refund_kept", "DELETE FROM payments_refund WHERE id = %s", made.pk)

    assert row(made)["amount"] == 100


@pytest.mark.parametrize(
    ("constraint", "amount"), [("payments_refund_amount", 0), ("payments_refund_amount", -5)]
)
def test_refund_of_nothing_is_refused(constraint, amount):
    refused(constraint, *insert_refund(paid(), amount))

    assert Refund.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_two_refunds_inserted_at_once_cannot_both_take_the_same_remainder():
    def insert(order: PaymentOrder) -> Callable[[], None]:
        # COMPLETED, so that "one open refund at a time" is not what refuses the second
        return lambda: sql(*insert_refund(order, 149900, "COMPLETED"))

    for _ in range(20):
        order = paid()
        results = at_once(insert(order), insert(order))
        assert sorted(str(type(result).__name__) for result in results) == ["IntegrityError", "NoneType"]
        assert order.refunds.count() == 1
