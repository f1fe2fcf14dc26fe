"""Many paid orders booked together: as `fulfilment.fulfil` books each, or left to it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from bookings import fulfilment, many
from bookings.models import Booking
from cart import payable, slots
from cart.models import Cart, Slot, SlotHold
from payments.shop import PaidOrder
from tests import make
from tests.cart import rows

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_jobs(db):
    """Procrastinate's tables are not Django's: they keep what an earlier transactional test committed."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")


def paid(cart: Cart, *, kept: bool = True) -> PaidOrder:
    """The cart's order with the money in, and its place kept since checkout."""
    wanted = payable.payable(cart)
    with transaction.atomic():
        if kept:
            slots.hold(wanted)
        made = make.paid_order(
            cart_id=wanted.reference, amount=wanted.amount_paise, snapshot=dict(wanted.snapshot)
        )
    return PaidOrder.of(made)


def book(*orders: PaidOrder) -> dict[str, str]:
    with transaction.atomic():
        return many.fulfil(orders)


def what_became(order: PaidOrder) -> dict[str, Any]:
    """All that booking writes, but numbers and moments."""
    booking = Booking.objects.filter(merchant_order_id=order.merchant_order_id).values().get()
    job = ProcrastinateJob.objects.get(args={"booking_id": booking["booking_id"]})
    cart = Cart.objects.filter(cart_id=order.reference).values("status", "price_paise").get()
    holds = SlotHold.objects.filter(cart_id=order.reference).values_list("state", flat=True)
    alike = ("id", "booking_id", "cart_id", "merchant_order_id", "created_at")
    content = {name: value for name, value in booking.items() if name not in alike}
    return {**content, "job": (job.task_name, job.status), "cart": cart, "holds": list(holds)}


def test_orders_booked_together_are_booked_as_one_by_one():
    package, owner = rows.package(), rows.customer()
    one, two, three = (paid(rows.cart(package=package, owner=owner)) for _ in range(3))
    with transaction.atomic():
        fulfilment.fulfil(one)

    numbers = book(two, three)

    assert what_became(one) == what_became(two) == what_became(three)
    assert what_became(two)["holds"] == ["TAKEN"]
    assert numbers == dict(
        Booking.objects.exclude(cart_id=one.reference).values_list("merchant_order_id", "booking_id")
    )
    assert Slot.objects.get().taken == 3


def test_orders_without_a_place_kept_are_left_out():
    with_place, without = paid(rows.cart()), paid(rows.cart(), kept=False)
    given_up = paid(rows.cart())
    slots.release(given_up.reference)

    numbers = book(with_place, without, given_up)

    assert set(numbers) == {with_place.merchant_order_id}
    assert Booking.objects.count() == ProcrastinateJob.objects.count() == 1


def test_an_order_paid_after_its_time_is_left_out_with_its_place():
    then = timezone.localtime() - timedelta(hours=3)
    late = paid(rows.cart(date=then.date(), time=then.time().replace(second=0, microsecond=0)))
    other = paid(rows.cart())

    booked = book(late, other)

    assert list(booked) == [other.merchant_order_id]
    assert SlotHold.objects.get(cart_id=late.reference).state == SlotHold.State.HELD


def test_a_cart_that_keeps_two_places_is_left_out_so_that_the_other_is_let_go():
    cart = rows.cart()
    paid(cart)
    cart.date = rows.coming_day(30)
    order = paid(cart)

    assert book(order) == {}
    assert set(SlotHold.objects.values_list("state", flat=True)) == {"HELD"}


def test_an_order_of_before_there_were_slots_is_left_out():
    order = PaidOrder.of(make.paid_order())

    assert book(order) == {}


def test_orders_one_of_which_is_booked_already_are_refused_together():
    booked, fresh = paid(rows.cart()), paid(rows.cart())
    fulfilment.fulfil(booked)
    SlotHold.objects.update(state="HELD")

    with pytest.raises(IntegrityError), transaction.atomic():
        book(booked, fresh)

    assert Booking.objects.count() == 1


def test_orders_whose_customer_is_gone_are_refused_together_before_commit():
    owner = rows.customer()
    orphan = paid(rows.cart(owner=owner))
    Cart.objects.update(owner=None)
    owner.delete()

    with pytest.raises(IntegrityError), transaction.atomic():
        many.fulfil([orphan])

    assert Booking.objects.count() == 0
