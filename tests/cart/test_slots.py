"""The places of a time: kept for an order, taken by its booking, free again, and never one too many."""

from __future__ import annotations

from datetime import time

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from bookings.models import Booking
from cart import payable, slots
from cart.models import Cart, SlotHold
from catalog.models import Puja
from payments import checkout
from payments.errors import NotPayable
from payments.models import Refund
from payments.states import Status
from tests import make
from tests.cart import rows
from tests.cart.places import findings, kept, order, places, wish
from tests.payments.settling import settle

# -- holding ------------------------------------------------------------------------------


@pytest.mark.django_db
def test_hold_keeps_one_place_however_often_it_is_asked():
    wanted = wish()

    for _ in range(3):
        slots.hold(wanted)

    assert (places(), kept(wanted.reference)) == ([(1, 1)], ["HELD"])


@pytest.mark.django_db
def test_hold_when_the_time_is_full_is_refused_and_changes_nothing():
    slots.hold(wish())

    with pytest.raises(NotPayable) as refusal:
        slots.hold(wish())

    assert refusal.value.message == slots.TAKEN_BY_OTHERS
    assert (places(), SlotHold.objects.count()) == ([(1, 1)], 1)


@pytest.mark.django_db
@pytest.mark.parametrize("change", [{"date": rows.coming_day(20)}, {"time": time(16)}, {"puja": "other"}])
def test_another_date_time_or_puja_is_another_slot(change):
    slots.hold(wish())
    cart = rows.cart()
    if "puja" in change:
        cart.package = rows.package()
        cart.package.puja = rows.puja(slug="other")
        cart.package.save()
        cart.save()
    else:
        Cart.objects.filter(pk=cart.pk).update(**change)

    slots.hold(wish(cart))

    assert places() == [(1, 1), (1, 1 if "puja" not in change else 5)]


@pytest.mark.django_db
def test_hold_of_a_cart_whose_date_was_changed_keeps_the_new_time_too():
    cart = rows.cart(package=rows.package(capacity=1))
    slots.hold(wish(cart))
    Cart.objects.filter(pk=cart.pk).update(date=rows.coming_day(20))

    slots.hold(wish(cart))
    both = places()
    slots.release(str(cart.cart_id))

    assert (both, places()) == ([(1, 1), (1, 1)], [(0, 1), (0, 1)])


@pytest.mark.django_db
def test_a_slot_keeps_its_capacity_when_the_pujas_changes():
    wanted = wish()
    slots.hold(wanted)
    Puja.objects.update(capacity=9)

    slots.release(wanted.reference)
    slots.hold(wanted)

    assert places() == [(1, 1)]


# -- releasing and taking -----------------------------------------------------------------


@pytest.mark.django_db
def test_release_makes_the_place_free_once():
    wanted = wish()
    slots.hold(wanted)

    for _ in range(2):
        slots.release(wanted.reference)

    assert (places(), kept(wanted.reference)) == ([(0, 1)], ["RELEASED"])


@pytest.mark.django_db
def test_a_booking_takes_the_place_and_nothing_gives_it_back():
    wanted = wish()
    paid = order(wanted)

    settled = settle(paid, make.answer("COMPLETED"))
    slots.release(wanted.reference)

    assert (settled.fulfilment, settled.holding) == ("BOOKED", False)
    assert (places(), kept(wanted.reference)) == ([(1, 1)], ["TAKEN"])
    assert findings() == set()


@pytest.mark.django_db
def test_late_money_takes_a_free_place():
    wanted = wish()
    late = order(wanted)
    settle(late, make.answer("FAILED"))
    free = places()

    settled = settle(late, make.answer("COMPLETED"))

    assert (free, places(), settled.fulfilment) == ([(0, 1)], [(1, 1)], "BOOKED")
    assert (kept(wanted.reference), findings()) == (["RELEASED", "TAKEN"], set())


@pytest.mark.django_db
def test_late_money_for_a_time_that_is_gone_is_refunded():
    late = order(wish())
    settle(late, make.answer("FAILED"))
    order(wish())

    settled = settle(late, make.answer("COMPLETED"))

    assert (settled.status, settled.fulfilment) == ("SUCCESS", "UNFULFILLABLE")
    assert settled.events.get(kind="unfulfillable").detail == {"reason": slots.GONE}
    assert list(Refund.objects.values_list("order", "amount", "reason")) == [(late.pk, 149900, slots.GONE)]
    assert (Booking.objects.count(), places(), findings()) == (0, [(1, 1)], set())


@pytest.mark.django_db
def test_a_second_paid_order_of_a_booked_cart_takes_no_place():
    wanted = wish(rows.cart(package=rows.package(capacity=2)))
    one, two = order(wanted), order(wanted, Status.CANCELLED)

    fulfilments = [settle(each, make.answer("COMPLETED")).fulfilment for each in (one, two)]

    assert fulfilments == ["BOOKED", "UNFULFILLABLE"]
    assert (places(), kept(wanted.reference), findings()) == ([(1, 2)], ["TAKEN"], set())


@pytest.mark.django_db
def test_an_order_of_before_there_were_slots_is_booked_without_a_place():
    slots.hold(wish())
    old = make.order(snapshot=make.SNAPSHOT)

    settled = settle(old, make.answer("COMPLETED"))

    assert (settled.fulfilment, places(), SlotHold.objects.count()) == ("BOOKED", [(1, 1)], 1)
    assert ("booking_without_place", old.merchant_order_id) not in findings()


@pytest.mark.django_db
def test_an_order_that_expired_by_the_clock_alone_keeps_its_place():
    paid = order(wish(), age_s=3600)

    settled = settle(paid, make.answer("PENDING"))

    assert (settled.status, settled.holding, places()) == ("EXPIRED", True, [(1, 1)])
    with pytest.raises(NotPayable):
        slots.hold(wish())


# -- what the customer hears before -------------------------------------------------------


@pytest.mark.django_db
def test_a_full_time_hinders_others_and_not_the_cart_that_has_its_place():
    mine, other = rows.cart(package=rows.package(capacity=1)), rows.cart()
    slots.hold(wish(mine))

    hindrances = [payable.find(str(cart.cart_id), user=AnonymousUser()).hindrance for cart in (mine, other)]

    assert hindrances == ["", slots.TAKEN_BY_OTHERS]


@pytest.mark.django_db
@pytest.mark.parametrize("closed", [False, True])
def test_a_cart_for_a_full_time_is_refused_with_the_free_times(client, closed):
    package = rows.package(capacity=1)
    for at in slots.TIMES if closed else (time(9, 0), time(12, 0)):
        slots.hold(wish(rows.cart(package=package, time=at)))
    carts = Cart.objects.count()

    answer = client.post(
        "/api/cart/", rows.body(package_id=package.pk, time="09:00"), content_type="application/json"
    )

    day = f"{rows.coming_day():%a}, {rows.coming_day().day} {rows.coming_day():%b}"
    free = f"Available on {day}: 6:00 AM, 7:30 AM, 10:30 AM, 4:00 PM, 5:30 PM, 7:00 PM."
    advice = f"{day} is full: choose another day." if closed else free
    assert (answer.status_code, answer.json()) == (
        409,
        {"success": False, "code": "slot_full", "message": f"9:00 AM is fully booked. {advice}"},
    )
    assert Cart.objects.count() == carts


@pytest.mark.django_db
def test_times_that_are_over_are_not_called_free():
    package = rows.package()
    noon = timezone.localtime().replace(hour=12, minute=0, second=0, microsecond=0)

    free = slots.free_times(package.puja_id, noon.date(), now=noon)

    assert free == [time(16), time(17, 30), time(19)]


# -- the database and the audit -----------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("UPDATE cart_slot SET taken = 2", "cart_slot_not_overbooked"),
        ("UPDATE cart_slot SET capacity = 0", "cart_slot_not_overbooked"),
        ("UPDATE cart_slot SET taken = -1", "cart_slot"),
        (
            "INSERT INTO cart_slot (puja_id, date, time, capacity) SELECT puja_id, date, time, 1 FROM cart_slot",
            "cart_slot_one_per_time",
        ),
        (
            "INSERT INTO cart_slothold (cart_id, slot_id, state, created_at, changed_at)"
            " SELECT cart_id, slot_id, 'TAKEN', now(), now() FROM cart_slothold",
            "cart_slothold_one_live",
        ),
        ("UPDATE cart_slothold SET state = 'LOST'", "cart_slothold_state"),
        ("UPDATE catalog_puja SET capacity = 0", "catalog_puja_capacity"),
    ],
)
def test_the_database_refuses(sql, why):
    slots.hold(wish())

    with pytest.raises(IntegrityError, match=why), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)

    assert (places(), SlotHold.objects.count()) == ([(1, 1)], 1)


@pytest.mark.django_db
def test_the_columns_may_be_left_out_by_an_older_version_of_the_code():
    with connection.cursor() as cursor:
        cursor.execute(
            'INSERT INTO catalog_puja (slug, name, summary, description, duration_minutes, is_active, "order")'
            " VALUES ('old', 'Old', 's', 'd', 5, true, 0) RETURNING capacity"
        )

        assert cursor.fetchone() == (5,)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("broken", "found"),
    [
        ("UPDATE cart_slot SET taken = 0", {"slot_miscounted"}),
        ("UPDATE payments_order SET holding = false", {"place_held_for_nobody"}),
        ("UPDATE cart_slothold SET state = 'RELEASED'", {"slot_miscounted", "order_without_place"}),
        ("UPDATE cart_slothold SET state = 'TAKEN'", {"place_taken_without_booking"}),
    ],
)
def test_the_audit_finds_a_place_that_does_not_fit_its_order(broken, found):
    order(wish())
    healthy = findings()

    with connection.cursor() as cursor:
        cursor.execute(broken)

    assert (healthy, {name for name, _ in findings()}) == (set(), found)


@pytest.mark.django_db
def test_the_audit_finds_a_booking_whose_place_was_given_away():
    paid = order(wish())
    settle(paid, make.answer("COMPLETED"))

    SlotHold.objects.update(state="RELEASED")

    assert ("booking_without_place", paid.merchant_order_id) in findings()


@pytest.mark.django_db(transaction=True)
def test_a_cart_changed_after_its_order_is_booked_as_it_was_ordered(sandbox):
    cart = rows.cart(package=rows.package(price_paise=149900, capacity=1))
    ordered = checkout.start(wish(cart)).order
    cart.package.price_paise = 999900
    cart.package.save(update_fields=["price_paise"])
    Cart.objects.filter(pk=cart.pk).update(date=rows.coming_day(40), time=time(18), address="Elsewhere")

    paid = make.answer("COMPLETED", amount=149900, gateway_order_id=ordered.gateway_order_id)
    settled = settle(ordered, paid)

    booking = Booking.objects.get()
    assert (settled.fulfilment, booking.amount, booking.date) == ("BOOKED", 149900, cart.date)
    assert (booking.time, booking.address) == (cart.time, cart.address)
    assert (places(), kept(ordered.cart_id)) == ([(1, 1)], ["TAKEN"])


@pytest.mark.django_db
def test_release_of_a_cart_that_older_code_booked_keeps_the_place_for_the_booking():
    cart = rows.cart(package=rows.package(capacity=1))
    wanted = wish(cart)
    order(wanted)
    Cart.objects.filter(pk=cart.pk).update(status="BOOKED", price_paise=149900)

    slots.release(wanted.reference)

    assert (places(), kept(wanted.reference)) == ([(1, 1)], ["TAKEN"])
