"""The cart page and the way to PhonePe, against the emulator."""

import uuid
from datetime import time

import pytest
from django.utils import timezone

from cart import payable, slots
from payments.models import PaymentOrder
from payments.states import Attention, Fulfilment, Status
from tests import make
from tests.cart import rows


def orders():
    return list(PaymentOrder.objects.values_list("cart_id", "status", "amount"))


@pytest.mark.django_db
def test_the_cart_page_sums_up_and_offers_to_pay(client):
    cart = rows.cart()

    page = client.get(f"/cart/{cart.cart_id}/")

    text = page.content.decode()
    assert page.status_code == 200
    assert "Pay ₹1,499.00" in text
    assert "9:30 AM" in text
    assert cart.date.strftime("%b %Y") in text
    assert page["Cache-Control"] == "max-age=0, no-cache, no-store, must-revalidate, private"


@pytest.mark.django_db
def test_unknown_and_foreign_carts_are_friendly_404s(client):
    foreign = rows.cart(owner=rows.customer())

    for cart_id in (uuid.uuid4(), foreign.cart_id):
        for path in (f"/cart/{cart_id}/", f"/payment-pending/{cart_id}", f"/payment-failed/{cart_id}"):
            page = client.get(path)
            assert (page.status_code, "We cannot find that page" in page.content.decode()) == (404, True)
        assert client.post(f"/cart/{cart_id}/pay/").status_code == 404
    assert orders() == []


@pytest.mark.django_db(transaction=True)
def test_paying_sends_the_customer_to_phonepe_and_twice_to_the_same_order(client, sandbox):
    cart = rows.cart()

    first = client.post(f"/cart/{cart.cart_id}/pay/", {"total": "149900"})
    second = client.post(f"/cart/{cart.cart_id}/pay/", {"total": "149900"})

    order = PaymentOrder.objects.get()
    assert (order.cart_id, order.status, order.amount) == (str(cart.cart_id), "INITIATED", 149900)
    assert order.snapshot["name"] == "Asha Rao"
    assert [first.status_code, second.status_code] == [303, 303]
    assert first["Location"] == second["Location"] == order.pay_page_url
    assert sandbox.order(order.merchant_order_id)["amount"] == 149900
    assert "Continue paying ₹1,499.00" in client.get(f"/cart/{cart.cart_id}/").content.decode()


@pytest.mark.django_db(transaction=True)
def test_a_gateway_that_is_down_is_told_calmly_and_the_order_is_watched(client, sandbox):
    sandbox.fault("pay", "server_error", status=503, body="html")
    cart = rows.cart()

    page = client.post(f"/cart/{cart.cart_id}/pay/")

    text = page.content.decode()
    assert page.status_code == 502
    assert "Your booking details are saved: please try again in a minute." in text
    assert "₹1,499.00" in text
    assert [order.next_check_at is not None for order in PaymentOrder.objects.all()] == [True]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("fulfilment", "reference", "leads_to"),
    [
        (Fulfilment.BOOKED, "BK-0000000A", "/booking-success/BK-0000000A"),
        (Fulfilment.DUE, "", "/payment-pending/{}"),
    ],
)
def test_a_paid_cart_leads_to_where_it_stands(client, fulfilment, reference, leads_to):
    cart = rows.cart()
    make.order(
        Status.SUCCESS,
        cart_id=str(cart.cart_id),
        completed_at=timezone.now(),
        fulfilment=fulfilment,
        fulfilment_reference=reference,
    )

    page = client.get(f"/cart/{cart.cart_id}/")
    paying = client.post(f"/cart/{cart.cart_id}/pay/")

    assert (page.status_code, page["Location"]) == (302, leads_to.format(cart.cart_id))
    assert (paying.status_code, paying["Location"]) == (303, leads_to.format(cart.cart_id))
    assert PaymentOrder.objects.count() == 1


@pytest.mark.django_db
def test_a_changed_price_is_shown_before_anything_is_paid(client):
    cart = rows.cart()
    cart.package.price_paise = 159900
    cart.package.save()

    page = client.post(f"/cart/{cart.cart_id}/pay/", {"total": "149900"})

    assert page.status_code == 409
    assert "The price is now ₹1,599.00." in page.content.decode()
    assert orders() == []


@pytest.mark.django_db
@pytest.mark.parametrize("reason", ["over", "not offered"])
def test_what_cannot_be_delivered_is_not_sold(client, reason):
    cart = rows.cart(date=rows.coming_day(-1 if reason == "over" else 5))
    if reason == "not offered":
        cart.package.is_active = False
        cart.package.save()

    page = client.post(f"/cart/{cart.cart_id}/pay/", {"total": "149900"})

    text = page.content.decode()
    assert page.status_code == 409
    assert ("Choose again" in text, "Pay ₹" in text) == (True, False)
    assert orders() == []


@pytest.mark.django_db
def test_who_may_have_paid_already_is_not_asked_to_pay_again(client):
    cart_id = str(rows.cart().cart_id)
    make.order(Status.EXPIRED, cart_id=cart_id, attention=Attention.STILL_PENDING, next_check_at=None)

    summary = client.get(f"/cart/{cart_id}/")
    paying = client.post(f"/cart/{cart_id}/pay/", {"total": "149900"})
    asked = client.post("/api/payments/cart/", {"cart_id": cart_id}, "application/json")
    hindi = client.get(f"/cart/{cart_id}/", headers={"accept-language": "hi"})

    assert [answer.status_code for answer in (summary, paying, asked)] == [200, 409, 409]
    for text in (page.content.decode() for page in (summary, paying)):
        assert "please do not pay again" in text
        assert [way for way in ("Pay ₹", "Choose again", "Change something") if way in text] == []
        assert f'href="/payment-failed/{cart_id}"' in text
    assert asked.json()["code"] == "not_payable"
    assert "please do not pay again" in asked.json()["message"]
    assert "कृपया तब तक दोबारा भुगतान न करें" in hindi.content.decode()
    assert PaymentOrder.objects.count() == 1


@pytest.mark.django_db
def test_paying_needs_a_post_and_a_get_leads_to_the_cart(client):
    cart = rows.cart()

    answer = client.get(f"/cart/{cart.cart_id}/pay/")

    assert (answer.status_code, answer["Location"]) == (302, f"/cart/{cart.cart_id}/")
    assert PaymentOrder.objects.count() == 0


@pytest.mark.django_db
def test_a_cart_whose_time_is_gone_says_so_and_offers_another(client):
    cart = rows.cart(package=rows.package(capacity=1), time=time(9))
    before = client.get(f"/cart/{cart.cart_id}/").content.decode()
    slots.hold(payable.payable(rows.cart(package=cart.package, time=time(9))))

    page = client.get(f"/cart/{cart.cart_id}/")
    paying = client.post(f"/cart/{cart.cart_id}/pay/", {"total": "149900"})
    again = client.get(f"/puja/ganesh-puja/?cart={cart.cart_id}")

    assert (slots.TAKEN_BY_OTHERS in before, "Pay ₹1,499.00" in before) == (False, True)
    assert (page.status_code, paying.status_code) == (200, 409)
    for text in (page.content.decode(), paying.content.decode()):
        assert slots.TAKEN_BY_OTHERS in text
        assert ("Choose again" in text, "Pay ₹" in text) == (True, False)
    assert (again.context["form"]["time"].value(), "9:00 AM (full)" in again.content.decode()) == (
        "06:00",
        True,
    )
    assert orders() == []


@pytest.mark.django_db(transaction=True)
def test_a_cart_that_has_its_place_goes_on_to_pay_though_the_time_is_full(client, sandbox):
    cart = rows.cart(package=rows.package(capacity=1))
    client.post(f"/cart/{cart.cart_id}/pay/", {"total": "149900"})

    text = client.get(f"/cart/{cart.cart_id}/").content.decode()

    assert ("Continue paying ₹1,499.00" in text, slots.TAKEN_BY_OTHERS in text) == (True, False)
