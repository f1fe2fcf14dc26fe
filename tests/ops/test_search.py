"""Search by whatever somebody has in hand."""

from __future__ import annotations

import pytest

from bookings.models import Booking
from ops import search
from payments.models import PaymentOrder
from tests import make
from tests.cart import rows as shop
from tests.ops import rows

pytestmark = pytest.mark.django_db

OTHER = make.SNAPSHOT | {"phone": "+919000000001", "email": "other@example.com", "name": "Bina Das"}


@pytest.fixture
def order() -> PaymentOrder:
    rows_of_others = {"snapshot": OTHER, "gateway_order_id": "OMO2"}
    make.order(**rows_of_others)
    found = rows.booked(gateway_order_id="OMO-ONE")
    rows.refund(found, 100)
    return found


@pytest.mark.parametrize(
    "query",
    [
        lambda o: o.merchant_order_id,
        lambda o: f"  {o.merchant_order_id.lower()} ",
        lambda o: o.cart_id,
        lambda o: o.cart_id.upper(),
        lambda o: o.fulfilment_reference,
        lambda o: o.fulfilment_reference.lower(),
        lambda o: o.refunds.get().merchant_refund_id,
        lambda o: o.gateway_order_id,
        lambda o: "123456789012",
        lambda o: "98765 43210",
        lambda o: "+91 98765-43210",
        lambda o: "ASHA@example.com",
    ],
)
def test_search_by_what_names_one_order_goes_straight_to_it(boss, order, query):
    answer = boss.get("/ops/search/", {"q": query(order)})

    assert (answer.status_code, answer["Location"]) == (302, f"/ops/orders/{order.merchant_order_id}/")


@pytest.mark.parametrize(
    "query", ["", " ", "nobody", "a\0b", "%", "_", "@", "9" * 300, "BK-00000000", "' OR 1=1"]
)
def test_search_that_finds_nothing_says_what_can_be_searched(boss, order, query):
    answer = boss.get("/ops/search/", {"q": query})

    assert (answer.status_code, "is compared as a whole" in answer.content.decode().replace("each ", "")) == (
        200,
        True,
    )


def test_search_lists_several_orders_masked(signed_in, order):
    make.order()  # the same customer, not booked

    text = signed_in(rows.SEE).get("/ops/search/", {"q": "asha@example.com"}).content.decode()

    assert (text.count("A••• R•••"), "asha@" in text.split("<main")[1], "9876543210" in text) == (
        2,
        False,
        False,
    )


def test_search_lists_several_orders_plain_when_permitted(boss, order):
    make.order()

    text = boss.get("/ops/search/", {"q": "9876543210"}).content.decode()

    assert (text.count("Asha Rao"), "+919876543210" in text) == (2, True)


def test_search_by_a_phone_that_was_mended_in_the_booking_finds_it(boss, order):
    Booking.objects.filter(merchant_order_id=order.merchant_order_id).update(phone="+918888888888")

    answer = boss.get("/ops/search/", {"q": "8888888888"})

    assert answer["Location"] == f"/ops/orders/{order.merchant_order_id}/"


def test_search_by_mail_or_phone_finds_an_order_that_was_never_booked_by_its_cart(boss, order, monkeypatch):
    monkeypatch.setattr(search, "LATELY", 0)
    cart = shop.cart(email="bina@example.com", phone="+919000000002")
    wished = make.order(cart_id=str(cart.cart_id))

    found = [boss.get("/ops/search/", {"q": text})["Location"] for text in ("Bina@Example.com", "9000000002")]

    assert found == [f"/ops/orders/{wished.merchant_order_id}/"] * 2
