"""What the payment engine learns about a cart."""

import json
import uuid

import pytest
from django.contrib.auth.models import AnonymousUser

from cart import carts, payable
from catalog.models import Package
from payments.errors import NotFound
from payments.models import PaymentOrder
from payments.shop import Payable
from tests.cart import rows

pytestmark = pytest.mark.django_db


def test_a_cart_is_payable_with_all_that_a_booking_needs():
    owner = rows.customer()
    cart = rows.cart(owner=owner)

    found = payable.find(str(cart.cart_id), user=owner)

    assert found == Payable(
        reference=str(cart.cart_id),
        amount_paise=149900,
        status="OPEN",
        snapshot={
            "puja": "Ganesh Puja",
            "puja_id": cart.package.puja_id,
            "package": cart.package.name,
            "package_id": cart.package_id,
            "price_paise": 149900,
            "date": cart.date.isoformat(),
            "time": "09:30",
            "name": "Asha Rao",
            "email": "asha@example.com",
            "phone": "+919876543210",
            "address": "12 Temple Road\nBengaluru 560003",
            "owner_id": owner.pk,
            "language": "en-in",
        },
    )
    assert json.loads(json.dumps(found.snapshot)) == found.snapshot


def test_the_amount_follows_the_package_until_the_cart_is_booked():
    cart = rows.cart()
    cart.package.price_paise = 159900
    cart.package.save()
    before = payable.find(str(cart.cart_id), user=AnonymousUser()).amount_paise

    booked = carts.mark_booked(str(cart.cart_id), paid_paise=149900)

    after = payable.find(str(cart.cart_id), user=AnonymousUser())
    assert (before, booked, after.amount_paise, after.status) == (159900, True, 149900, "BOOKED")


def test_marking_booked_twice_keeps_the_first_price():
    cart = rows.cart()
    carts.mark_booked(str(cart.cart_id), paid_paise=149900)

    assert carts.mark_booked(str(cart.cart_id), paid_paise=1) is False

    cart.refresh_from_db()
    assert (cart.status, cart.price_paise) == ("BOOKED", 149900)


@pytest.mark.parametrize("reference", [str(uuid.uuid4()), "nonsense", ""])
def test_an_unknown_reference_is_not_found_and_cannot_be_booked(reference):
    with pytest.raises(NotFound):
        payable.find(reference, user=AnonymousUser())
    assert carts.mark_booked(reference, paid_paise=1) is False


def test_a_foreign_cart_is_not_found():
    cart = rows.cart(owner=rows.customer())

    for stranger in (AnonymousUser(), rows.customer("ravi")):
        with pytest.raises(NotFound):
            payable.find(str(cart.cart_id), user=stranger)


@pytest.mark.parametrize(
    ("fields", "withdrawn", "said"),
    [
        ({"date": rows.coming_day(-1)}, False, payable.NEW_DATE),
        ({}, True, payable.NOT_OFFERED),
        ({}, False, ""),
    ],
)
def test_a_cart_that_is_over_or_withdrawn_hinders_a_new_payment(fields, withdrawn, said):
    cart = rows.cart(**fields)
    if withdrawn:
        Package.objects.filter(pk=cart.package_id).update(is_active=False)

    assert payable.find(str(cart.cart_id), user=AnonymousUser()).hindrance == said


def test_paying_a_cart_that_is_over_is_refused_and_opens_nothing(client):
    cart = rows.cart(date=rows.coming_day(-1))

    answer = client.post(
        "/api/payments/cart/", {"cart_id": str(cart.cart_id)}, content_type="application/json"
    )

    assert (answer.status_code, answer.json()) == (
        409,
        {"success": False, "code": "not_payable", "message": payable.NEW_DATE},
    )
    assert PaymentOrder.objects.count() == 0
