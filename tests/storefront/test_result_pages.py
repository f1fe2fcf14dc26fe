"""Booked, pending, failed: each page tells the truth, or leads to the page that does."""

from datetime import timedelta

import pytest
from django.utils import timezone

from bookings import fulfilment, links
from bookings.models import Booking
from cart import payable
from payments.models import PaymentOrder, Refund
from payments.shop import PaidOrder
from payments.states import Fulfilment, RefundState, Status
from tests import make
from tests.cart import rows

pytestmark = pytest.mark.django_db

PERSONAL = ("Asha", "asha@example.com", "98765", "Temple Road")


def order(cart, status=Status.INITIATED, **fields):
    """An order of the cart as checkout makes it; a paid one has its `completed_at`."""
    if status == Status.SUCCESS:
        fields = {"completed_at": timezone.now(), "next_check_at": None} | fields
    wanted = payable.payable(cart)
    return make.order(status, cart_id=wanted.reference, snapshot=dict(wanted.snapshot), **fields)


def booked(cart) -> Booking:
    paid = order(cart, Status.SUCCESS, fulfilment=Fulfilment.DUE)
    number = fulfilment.fulfil(PaidOrder.of(paid))
    PaymentOrder.objects.filter(pk=paid.pk).update(fulfilment=Fulfilment.BOOKED, fulfilment_reference=number)
    return Booking.objects.get(booking_id=number)


def text_of(page) -> str:
    assert page.status_code == 200, page
    return page.content.decode()


@pytest.mark.parametrize("slash", ["", "/"])
def test_the_booking_is_shown_without_personal_data(client, slash):
    booking = booked(rows.cart(owner=rows.customer()))

    text = text_of(client.get(f"/booking-success/{booking.booking_id}{slash}"))

    for fact in (booking.booking_id, "Ganesh Puja", booking.package, "9:30 AM", "₹1,499.00"):
        assert fact in text
    assert [word for word in PERSONAL if word in text] == []
    assert (booking.cart_id in text, booking.merchant_order_id in text) == (False, False)


def test_its_owner_and_staff_see_all_of_a_booking(client):
    asha = rows.customer()
    booking = booked(rows.cart(owner=asha))

    seen = {}
    for user in (asha, rows.customer("ravi"), rows.customer("clerk", is_staff=True)):
        client.force_login(user)
        seen[user.username] = "Temple Road" in text_of(client.get(f"/booking-success/{booking.booking_id}"))

    assert seen == {"asha": True, "ravi": False, "clerk": True}


def test_a_guests_booking_is_not_open_to_every_signed_in_customer(client):
    booking = booked(rows.cart())
    client.force_login(rows.customer("ravi"))

    assert "Temple Road" not in text_of(client.get(f"/booking-success/{booking.booking_id}"))


def test_the_link_of_the_mail_shows_a_guest_all_of_their_booking_and_no_other(client):
    mine, other = booked(rows.cart()), booked(rows.cart())

    opened = text_of(client.get(f"/booking-success/{mine.booking_id}?key={links.key(mine)}"))
    wrong = text_of(client.get(f"/booking-success/{other.booking_id}?key={links.key(mine)}"))

    for fact in ("Asha Rao", "Temple Road", mine.merchant_order_id, "Add to my calendar"):
        assert (fact in opened, fact in wrong) == (True, False)


def test_the_link_of_a_mail_signed_by_a_key_that_was_replaced_opens_until_the_key_is_forgotten(
    client, settings
):
    mine = booked(rows.cart())
    link = links.own_page(mine).removeprefix(settings.PUBLIC_URL)
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another-" * 8

    kept = text_of(client.get(link))
    settings.SECRET_KEY_FALLBACKS = []
    forgotten = text_of(client.get(link))

    assert ("Asha Rao" in kept, "Asha Rao" in forgotten) == (True, False)


def test_the_calendar_file_needs_the_link_of_the_mail(client):
    booking = booked(rows.cart())
    path = f"/booking-success/{booking.booking_id}/calendar.ics"

    file = client.get(f"{path}?key={links.key(booking)}")

    assert client.get(path).status_code == 404
    assert (file.status_code, file["Content-Type"]) == (200, "text/calendar; charset=utf-8")
    assert f"UID:{booking.booking_id}@okpuja".encode() in file.content


@pytest.mark.parametrize("number", ["BK-00000000", "BK-0000000g", "bk-163a5751", "x", "BK-00000000000"])
def test_an_unknown_booking_is_a_friendly_404(client, number):
    page = client.get(f"/booking-success/{number}")

    assert (page.status_code, "We cannot find that page" in page.content.decode()) == (404, True)


def test_a_second_payment_that_goes_back_is_told_on_the_booking(client):
    cart = rows.cart()
    booking = booked(cart)
    second = order(cart, Status.SUCCESS, fulfilment=Fulfilment.UNFULFILLABLE)
    Refund.objects.create(order=second, amount=149900, reason="twice", requested_by="policy")

    text = text_of(client.get(f"/booking-success/{booking.booking_id}"))

    assert "You paid a second time for this booking. ₹1,499.00 is on its way back to you." in text
    assert client.get(f"/payment-failed/{cart.cart_id}")["Location"] == (
        f"/booking-success/{booking.booking_id}"
    )


@pytest.mark.parametrize("status", [Status.PENDING, Status.INITIATED])
@pytest.mark.parametrize("slash", ["", "/"])
def test_an_open_order_is_waited_for(client, status, slash):
    cart = rows.cart(owner=rows.customer())
    waiting = order(cart, status)

    text = text_of(client.get(f"/payment-pending/{cart.cart_id}{slash}"))

    for part in (
        "We are waiting for PhonePe",
        "You may close this page.",
        '<noscript><meta http-equiv="refresh" content="5"></noscript>',
        'role="status" aria-live="polite"',
        f'data-cart-id="{cart.cart_id}"',
        "/static/storefront/payment-status.js",
        waiting.merchant_order_id,
    ):
        assert part in text
    assert [word for word in PERSONAL if word in text] == []
    assert client.get(f"/payment-failed/{cart.cart_id}")["Location"] == f"/payment-pending/{cart.cart_id}"


def test_money_that_is_in_but_not_booked_yet_is_waited_for(client):
    cart = rows.cart()
    order(cart, Status.SUCCESS, fulfilment=Fulfilment.DUE)

    text = text_of(client.get(f"/payment-pending/{cart.cart_id}"))

    assert "Your payment has arrived" in text
    assert "go back and pay" not in text


def test_a_booked_order_leads_from_every_page_to_the_booking(client):
    cart = rows.cart()
    booking = booked(cart)

    for path in ("payment-pending", "payment-failed", "cart"):
        slash = "/" if path == "cart" else ""
        answer = client.get(f"/{path}/{cart.cart_id}{slash}")
        assert (answer.status_code, answer["Location"]) == (302, f"/booking-success/{booking.booking_id}")


@pytest.mark.parametrize(
    ("status", "fields", "heading"),
    [
        (Status.FAILED, {}, "The payment did not go through"),
        (Status.FAILED, {"failure_code": "ORDER_CANCELLED_BY_USER"}, "The payment was cancelled"),
        (Status.FAILED, {"failure_code": "ZA"}, "The payment was cancelled"),
        (Status.CANCELLED, {"gateway_order_id": ""}, "The payment was not started"),
        (Status.CANCELLED, {}, "This payment was closed"),
        (Status.EXPIRED, {}, "The time to pay is over"),
    ],
)
def test_each_unpaid_end_has_its_own_words_and_a_way_to_try_again(client, status, fields, heading):
    cart = rows.cart()
    order(cart, status, **fields)

    text = text_of(client.get(f"/payment-failed/{cart.cart_id}"))

    assert f"<h1>{heading}</h1>" in text
    assert f'action="/cart/{cart.cart_id}/pay/"' in text
    assert [word for word in PERSONAL if word in text] == []
    assert client.get(f"/payment-pending/{cart.cart_id}")["Location"] == f"/payment-failed/{cart.cart_id}"


@pytest.mark.parametrize(
    ("state", "heading"),
    [
        (RefundState.DUE, "Your money is on its way back"),
        (RefundState.CONFIRMED, "Your money is on its way back"),
        (RefundState.COMPLETED, "Your money has been returned"),
        (RefundState.FAILED, "We have your payment and will contact you"),
        (None, "We have your payment and will contact you"),
    ],
)
def test_money_that_bought_nothing_is_accounted_for_and_not_asked_for_again(client, state, heading):
    cart = rows.cart()
    paid = order(cart, Status.SUCCESS, fulfilment=Fulfilment.UNFULFILLABLE)
    if state:
        Refund.objects.create(order=paid, amount=149900, state=state, reason="r", requested_by="policy")

    text = text_of(client.get(f"/payment-failed/{cart.cart_id}"))

    assert f"<h1>{heading}</h1>" in text
    assert "Try again" not in text


def test_a_failed_order_beside_an_open_one_cannot_be_tried_again(client):
    cart = rows.cart()
    order(cart, Status.INITIATED)
    order(cart, Status.FAILED)

    answer = client.get(f"/payment-failed/{cart.cart_id}")

    assert (answer.status_code, answer["Location"]) == (302, f"/payment-pending/{cart.cart_id}")


def test_another_browser_is_asked_to_sign_in_before_trying_again(client):
    cart = rows.cart(owner=rows.customer())
    order(cart, Status.FAILED)

    text = text_of(client.get(f"/payment-failed/{cart.cart_id}"))

    assert "Sign in to try again" in text
    assert f"/accounts/login/?next=/cart/{cart.cart_id}/" in text


def test_a_cart_without_any_order_leads_to_the_cart(client):
    cart = rows.cart()

    for path in ("payment-pending", "payment-failed"):
        answer = client.get(f"/{path}/{cart.cart_id}")
        assert (answer.status_code, answer["Location"]) == (302, f"/cart/{cart.cart_id}/")


def test_my_bookings_are_mine_and_need_a_sign_in(client):
    asha = rows.customer()
    mine, other = booked(rows.cart(owner=asha)), booked(rows.cart())
    assert client.get("/my-bookings/")["Location"] == "/accounts/login/?next=/my-bookings/"

    client.post("/accounts/login/", {"username": "asha", "password": "secret-123"})

    text = text_of(client.get("/my-bookings/"))
    assert (mine.booking_id in text, other.booking_id in text) == (True, False)
    assert client.post("/accounts/logout/")["Location"] == "/"


def test_my_bookings_say_which_were_refunded_in_full(client):
    asha = rows.customer()
    whole, part, _ = (booked(rows.cart(owner=asha)) for _ in range(3))
    for booking, amount in ((whole, 149900), (part, 50000)):
        paid = PaymentOrder.objects.get(merchant_order_id=booking.merchant_order_id)
        Refund.objects.create(order=paid, amount=amount, reason="r", requested_by="clerk")
    client.force_login(asha)

    page = client.get("/my-bookings/")

    assert page.context["returned"] == {whole.booking_id}
    assert text_of(page).count("Full refund for this booking") == 1


def test_an_old_failed_order_does_not_hide_a_newer_open_one(client):
    cart = rows.cart()
    order(cart, Status.FAILED, age_s=600)
    order(cart, Status.INITIATED, age_s=10, expires_at=timezone.now() + timedelta(minutes=10))

    assert "We are waiting for PhonePe" in text_of(client.get(f"/payment-pending/{cart.cart_id}"))
