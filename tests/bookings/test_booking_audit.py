"""The shop's questions find what they ask for, and nothing in a healthy shop."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from bookings import audit, fulfilment
from bookings.models import Booking
from cart import carts, payable
from payments.models import PaymentOrder
from payments.shop import PaidOrder
from payments.states import Fulfilment
from tests import make
from tests.cart import rows

pytestmark = pytest.mark.django_db


def booked() -> PaymentOrder:
    cart = rows.cart()
    wanted = payable.payable(cart)
    order = make.paid_order(cart_id=wanted.reference, snapshot=dict(wanted.snapshot))
    number = fulfilment.fulfil(PaidOrder.of(order))
    PaymentOrder.objects.filter(pk=order.pk).update(fulfilment=Fulfilment.BOOKED, fulfilment_reference=number)
    return order


def findings() -> set[tuple[str, str]]:
    found = set()
    for question in audit.QUESTIONS:
        with connection.cursor() as cursor:
            cursor.execute(question.sql)
            found |= {(question.name, row[0]) for row in cursor.fetchall()}
    return found


def test_a_healthy_shop_has_no_findings():
    booked()
    rows.cart()

    assert findings() == set()


def test_a_lost_booking_is_found():
    order = booked()
    with make.unguarded():
        Booking.objects.all().delete()

    assert findings() == {
        ("delivered_without_booking", order.merchant_order_id),
        ("booked_cart_left_open", order.cart_id),
        ("place_taken_without_booking", order.cart_id),
    }


def test_a_booking_without_payment_is_found():
    booked()
    with make.unguarded():
        Booking.objects.update(merchant_order_id="OKP-forged")

    assert ("booking_without_payment", "OKP-forged") in findings()


def test_a_closed_cart_without_booking_is_found():
    cart = rows.cart()
    carts.mark_booked(str(cart.cart_id), paid_paise=149900)

    assert findings() == {("booked_cart_left_open", str(cart.cart_id))}


def test_a_confirmation_that_never_went_out_is_found():
    order = booked()
    Booking.objects.update(created_at=timezone.now() - timedelta(hours=2))

    assert findings() == {("booking_without_confirmation", order.merchant_order_id)}
