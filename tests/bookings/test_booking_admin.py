"""What staff may change of a booking: where, for whom and when, if a place is left at the new time."""

from datetime import time

import pytest

from bookings.models import Booking
from cart import slots
from cart.models import Slot
from tests.bookings.test_booking_audit import booked, findings
from tests.cart import rows
from tests.cart.places import kept

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(client):
    client.force_login(rows.customer("clerk", is_staff=True, is_superuser=True))
    return client


@pytest.fixture
def booking():
    return Booking.objects.get(merchant_order_id=booked().merchant_order_id)


def change(staff, booking, **changed):
    names = ("date", "time", "name", "email", "phone", "address")
    sent = {name: getattr(booking, name) for name in names} | changed
    return staff.post(f"/admin/bookings/booking/{booking.pk}/change/", sent)


def taken() -> dict[time, int]:
    return dict(Slot.objects.values_list("time", "taken"))


def test_a_booking_that_is_moved_takes_its_place_with_it(staff, booking):
    answer = change(staff, booking, time="10:30")

    booking.refresh_from_db()
    assert (answer.status_code, booking.time) == (302, time(10, 30))
    assert taken() == {time(9, 30): 0, time(10, 30): 1}
    assert kept(booking.cart_id) == ["RELEASED", "TAKEN"]
    assert findings() == set()


def test_a_booking_that_is_moved_there_and_back_has_one_place(staff, booking):
    change(staff, booking, time="10:30")
    booking.refresh_from_db()
    change(staff, booking, time="09:30")

    assert taken() == {time(9, 30): 1, time(10, 30): 0}
    assert findings() == set()


def test_a_booking_is_not_moved_to_a_time_that_is_full(staff, booking):
    was = Slot.objects.get()
    Slot.objects.create(puja=was.puja, date=was.date, time=time(10, 30), capacity=0)

    page = change(staff, booking, time="10:30")

    booking.refresh_from_db()
    errors = page.context["adminform"].form.errors
    assert (page.status_code, booking.time, taken()[was.time]) == (200, was.time, 1)
    assert "10:30 AM is fully booked. Available on" in errors["time"][0]


def test_a_booking_whose_name_is_mended_keeps_its_place(staff, booking):
    answer = change(staff, booking, name="Asha Rao")

    booking.refresh_from_db()
    assert (answer.status_code, booking.name, kept(booking.cart_id)) == (302, "Asha Rao", ["TAKEN"])


def test_a_booking_of_before_there_were_slots_is_moved_without_a_place(staff, booking):
    slots.SlotHold.objects.all().delete()
    Slot.objects.all().delete()

    answer = change(staff, booking, time="10:30")

    booking.refresh_from_db()
    assert (answer.status_code, booking.time, Slot.objects.count()) == (302, time(10, 30), 0)


def test_a_booking_moved_past_its_place_is_found(booking):
    Booking.objects.update(time=time(10, 30))

    assert findings() == {("booking_without_place", booking.merchant_order_id)}
