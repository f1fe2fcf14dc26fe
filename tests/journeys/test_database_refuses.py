"""What nobody can do to the tables, not even by hand at psql."""

from __future__ import annotations

import os
import subprocess

import pytest
from django.utils import timezone

from bookings.models import Booking
from okpuja.embedded import server
from payments import completion
from payments.models import PaymentOrder
from payments.states import Source
from tests import make
from tests.journeys import customer
from tests.processes import database_url
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db(transaction=True)


def psql(sql: str) -> subprocess.CompletedProcess[str]:
    """As a hand at psql does it: without the leave to empty tables that the tests give themselves."""
    settings = {name: value for name, value in os.environ.items() if name != "PGOPTIONS"}
    return subprocess.run(
        [server.BIN / "psql", database_url(), "-v", "ON_ERROR_STOP=1", "-c", sql],
        capture_output=True,
        text=True,
        check=False,
        env=settings,
    )


@pytest.fixture
def paid(sandbox: Sandbox) -> PaymentOrder:
    """A booked order."""
    (order,) = customer.orders_known_to(sandbox)
    paid = make.answer("COMPLETED", amount=order.amount, gateway_order_id=order.gateway_order_id)
    completion.settle(order.pk, paid, source=Source.MANUAL, now=timezone.now())
    return PaymentOrder.objects.get(pk=order.pk)


COLUMNS = "puja, package, date, time, name, email, phone, address, amount, created_at"


@pytest.mark.parametrize("merchant_order_id", ["'OTHER'", "merchant_order_id"])
def test_a_second_booking_for_a_cart_or_an_order_is_refused(
    paid: PaymentOrder, merchant_order_id: str
) -> None:
    make.paid_order(merchant_order_id="OTHER", cart_id=paid.cart_id, amount=paid.amount)

    refused = psql(
        f"INSERT INTO bookings_booking (booking_id, cart_id, merchant_order_id, {COLUMNS})"
        f" SELECT 'BK-00000000', cart_id, {merchant_order_id}, {COLUMNS} FROM bookings_booking"
    )

    assert refused.returncode == 1
    assert "duplicate key value violates unique constraint" in refused.stderr
    assert Booking.objects.count() == 1


def test_a_second_open_order_for_a_cart_is_refused(sandbox: Sandbox) -> None:
    customer.orders_known_to(sandbox)
    columns = [
        f.column for f in PaymentOrder._meta.concrete_fields if f.column not in ("id", "merchant_order_id")
    ]

    refused = psql(
        f"INSERT INTO payments_order (merchant_order_id, {', '.join(columns)})"
        f" SELECT 'ANOTHER', {', '.join(columns)} FROM payments_order"
    )

    assert refused.returncode == 1
    assert "payments_order_one_open_per_cart" in refused.stderr
    assert PaymentOrder.objects.count() == 1


def test_an_order_that_is_paid_from_birth_is_refused(paid: PaymentOrder) -> None:
    columns = [
        f.column for f in PaymentOrder._meta.concrete_fields if f.column not in ("id", "merchant_order_id")
    ]

    refused = psql(
        f"INSERT INTO payments_order (merchant_order_id, {', '.join(columns)})"
        f" SELECT 'ANOTHER', {', '.join(columns)} FROM payments_order"
    )

    assert refused.returncode == 1
    assert "cannot begin as SUCCESS" in refused.stderr
    assert PaymentOrder.objects.count() == 1


@pytest.mark.parametrize("table", ["payments_order", "payments_event", "payments_refund"])
def test_the_record_of_money_cannot_be_emptied(paid: PaymentOrder, table: str) -> None:
    refused = psql(f"TRUNCATE {table} CASCADE")

    assert refused.returncode == 1
    assert "never emptied" in refused.stderr
    assert PaymentOrder.objects.get() == paid


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("UPDATE payments_order SET fulfilment = 'UNFULFILLABLE'", "has been fulfilled"),
        ("UPDATE payments_order SET completed_at = NULL", "payments_order_completed_at"),
        ("UPDATE payments_order SET snapshot = '{}'", "never change"),
        ("UPDATE payments_order SET merchant_order_id = 'OTHER'", "never change"),
        (
            "INSERT INTO payments_refund (merchant_refund_id, order_id, amount, state, reason, requested_by,"
            " gateway_refund_id, error_code, created_at)"
            " SELECT 'R-1', id, amount + 1, 'DUE', 'r', 't', '', '', now() FROM payments_order",
            "would exceed what was paid",
        ),
        ("UPDATE payments_order SET status = 'INITIATED'", "cannot go from SUCCESS to INITIATED"),
        ("UPDATE payments_order SET amount = 100", "never change"),
        ("DELETE FROM payments_order", "never deleted"),
        ("UPDATE payments_event SET detail = '{}'", "only appended to"),
        ("DELETE FROM payments_event", "only appended to"),
        ("UPDATE bookings_booking SET booking_id = 'BK-00000000'", "never change"),
        ("UPDATE bookings_booking SET cart_id = 'another'", "never change"),
        ("UPDATE bookings_booking SET merchant_order_id = 'another'", "never change"),
        ("UPDATE bookings_booking SET amount = amount + 1", "never change"),
        ("DELETE FROM bookings_booking", "never deleted"),
        ("TRUNCATE bookings_booking", "never emptied"),
        ("UPDATE cart_slot SET taken = capacity + 1", "cart_slot_not_overbooked"),
        ("UPDATE cart_slot SET capacity = taken - 1", "cart_slot_not_overbooked"),
    ],
)
def test_what_has_happened_cannot_be_undone(paid: PaymentOrder, sql: str, why: str) -> None:
    refused = psql(sql)

    assert refused.returncode == 1
    assert why in refused.stderr
    assert PaymentOrder.objects.get() == paid
    assert PaymentOrder.objects.get().status == "SUCCESS"
    assert Booking.objects.get().merchant_order_id == paid.merchant_order_id


@pytest.mark.parametrize(
    ("order", "amount"), [("'NOBODY'", "amount"), ("merchant_order_id", "amount + 1"), ("'UNPAID'", "amount")]
)
def test_a_booking_without_its_money_is_refused(paid: PaymentOrder, order: str, amount: str) -> None:
    make.order(merchant_order_id="UNPAID", amount=paid.amount)
    columns = COLUMNS.replace("amount", amount)

    refused = psql(
        f"INSERT INTO bookings_booking (booking_id, cart_id, merchant_order_id, {COLUMNS})"
        f" SELECT 'BK-00000000', cart_id, {order}, {columns} FROM bookings_booking"
    )

    assert refused.returncode == 1
    assert "has not been paid for this cart and amount" in refused.stderr
    assert Booking.objects.count() == 1
