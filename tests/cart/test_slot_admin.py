"""What staff may change of a time: its capacity, and never below what is taken."""

from datetime import time

import pytest

from cart import payable, slots
from cart.models import Slot
from tests.cart import rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(client):
    client.force_login(rows.customer("clerk", is_staff=True, is_superuser=True))
    return client


@pytest.fixture
def slot():
    """A time of capacity 3 with two places kept."""
    package = rows.package(capacity=3)
    for _ in range(2):
        slots.hold(payable.payable(rows.cart(package=package)))
    return Slot.objects.get()


def change(staff, slot, capacity):
    sent = {"capacity": capacity, "taken": 0, "holds-TOTAL_FORMS": 0, "holds-INITIAL_FORMS": 0}
    return staff.post(f"/admin/cart/slot/{slot.pk}/change/", sent)


@pytest.mark.parametrize("capacity", [2, 9])
def test_the_capacity_of_one_time_can_be_changed_and_nothing_else_is(staff, slot, capacity):
    answer = change(staff, slot, capacity)

    assert answer.status_code == 302
    assert list(Slot.objects.values_list("taken", "capacity")) == [(2, capacity)]


def test_a_capacity_below_what_is_taken_is_refused_with_a_reason(staff, slot):
    page = change(staff, slot, 1)

    assert page.status_code == 200
    assert "2 are booked or being paid for already: the capacity cannot be less." in page.content.decode()
    assert list(Slot.objects.values_list("taken", "capacity")) == [(2, 3)]


def test_the_page_shows_for_whom_places_are_kept_and_offers_no_deletion(staff, slot):
    text = staff.get(f"/admin/cart/slot/{slot.pk}/change/").content.decode()

    for hold in slot.holds.all():
        assert hold.cart_id in text
    assert "deletelink" not in text


def test_a_time_can_be_closed_before_anybody_chooses_it(staff, client):
    package = rows.package()
    sent = {
        "puja": package.puja_id,
        "date": rows.coming_day().isoformat(),
        "time": "09:30",
        "capacity": 0,
        "holds-TOTAL_FORMS": 0,
        "holds-INITIAL_FORMS": 0,
    }

    added = staff.post("/admin/cart/slot/add/", sent)
    refused = client.post("/api/cart/", rows.body(package_id=package.pk), content_type="application/json")

    assert (added.status_code, Slot.objects.get().time) == (302, time(9, 30))
    assert (refused.status_code, refused.json()["code"]) == (409, "slot_full")


def test_a_pujas_capacity_is_at_least_one(staff):
    puja = rows.puja()
    form = staff.get(f"/admin/catalog/puja/{puja.pk}/change/").context["adminform"].form
    sent = {name: value for name, value in form.initial.items() if value is not None}
    sent |= {"capacity": 0, "packages-TOTAL_FORMS": 0, "packages-INITIAL_FORMS": 0}

    page = staff.post(f"/admin/catalog/puja/{puja.pk}/change/", sent)

    assert page.context["adminform"].form.errors == {
        "capacity": ["Ensure this value is greater than or equal to 1."]
    }
