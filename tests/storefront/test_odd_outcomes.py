"""Each odd outcome as its customer sees it: the page of an order that the engine itself has settled."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from cart import payable
from payments import refunds
from payments.models import PaymentOrder, Refund
from payments.states import RefundState, Status
from tests import make
from tests.cart import rows
from tests.payments.settling import settle, unknown_order

pytestmark = pytest.mark.django_db(transaction=True)
STILL_WATCHED = (
    "If you have paid, do not pay again: we keep asking PhonePe. If the payment still reaches us, we book your puja,"
    " or refund you if that time is taken or past by then, and email you."
)
COMES_BACK = (
    "If money was debited anyway, your bank or PhonePe returns it automatically, usually within a few days."
)


def order(status: Status = Status.INITIATED, *, cart_id: str = "", **fields: object) -> PaymentOrder:
    """An order of a new cart, or of the one that is named, as checkout makes it."""
    cart = rows.cart()
    fields = {
        "snapshot": dict(payable.payable(cart).snapshot),
        "cart_id": cart_id or str(cart.cart_id),
    } | fields
    return make.order(status, **fields)


def shown(client, order: PaymentOrder) -> str:
    """The page that the customer is led to from where PhonePe sends them."""
    order.refresh_from_db()
    PaymentOrder.objects.filter(pk=order.pk).update(asked_at=timezone.now())  # nobody asks again
    page = client.get(f"/api/payments/return/{order.merchant_order_id}/", follow=True)
    assert page.status_code == 200
    return page.content.decode()


def attempts_fail(settings) -> None:
    settings.PAYMENTS = settings.PAYMENTS | {"FULFIL": "tests.payments.shop.raises"}


def nothing_is_left(settings, *, policy: str = "refund") -> None:
    changes = {"FULFIL": "tests.payments.shop.refuses", "UNFULFILLABLE": policy}
    settings.PAYMENTS = settings.PAYMENTS | changes


# -- booked in the end --------------------------------------------------------------------


@pytest.mark.parametrize("was", [Status.EXPIRED, Status.FAILED, Status.CANCELLED])
def test_page_of_an_order_that_is_paid_after_its_end_shows_the_booking(client, was):
    late = order(was, age_s=3600)

    settle(late, make.answer("COMPLETED"))
    text = shown(client, late)

    assert "Your puja is booked" in text
    assert late.fulfilment_reference in text
    assert '<div class="note">' not in text


def test_page_of_an_order_that_failed_first_and_was_paid_then_shows_the_booking(client):
    changing = order()

    settle(changing, make.answer("FAILED"))
    before = shown(client, changing)
    settle(changing, make.answer("COMPLETED"))

    assert "The payment did not go through" in before
    assert "Your puja is booked" in shown(client, changing)


def test_pages_of_two_paid_orders_of_a_cart_both_tell_of_the_booking_and_the_refund(client):
    one = order(Status.CANCELLED)
    two = order(cart_id=one.cart_id)

    settle(one, make.answer("COMPLETED"))
    settle(two, make.answer("COMPLETED"))

    for each in (one, two):
        text = shown(client, each)
        assert "Your puja is booked" in text
        assert one.fulfilment_reference in text
        assert "You paid a second time for this booking. ₹1,499.00 is on its way back to you." in text


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (RefundState.COMPLETED, "₹1,499.00 has been sent back to you."),
        (RefundState.FAILED, "Our team is checking this and will return your money."),
    ],
)
def test_page_of_a_second_payment_tells_how_its_refund_ended(client, state, told):
    one = order(Status.CANCELLED)
    two = order(cart_id=one.cart_id)
    settle(one, make.answer("COMPLETED"))
    settle(two, make.answer("COMPLETED"))

    Refund.objects.update(state=state)

    assert f"You paid a second time for this booking. {told}" in shown(client, two)


def test_page_of_a_second_payment_that_is_held_says_that_a_person_looks_at_it(client, settings):
    settings.PAYMENTS = settings.PAYMENTS | {"UNFULFILLABLE": "hold"}
    one = order(Status.CANCELLED)
    two = order(cart_id=one.cart_id)
    settle(one, make.answer("COMPLETED"))
    settle(two, make.answer("COMPLETED"))

    told = "You paid a second time for this booking. Our team is checking this and will return your money."
    assert told in shown(client, one)


def test_page_of_a_booking_beside_which_another_sum_arrived_says_so(client):
    one = order(Status.CANCELLED)
    two = order(cart_id=one.cart_id)
    settle(one, make.answer("COMPLETED"))
    settle(two, make.answer("COMPLETED", amount=100))

    assert "Another payment arrived for this booking. Money has arrived, but" in shown(client, one)


# -- money that is in, and no booking yet -------------------------------------------------


def test_page_while_fulfilment_is_tried_again_says_paid_and_being_booked(client, settings):
    attempts_fail(settings)
    paid = order()

    settle(paid, make.answer("COMPLETED"))
    text = shown(client, paid)

    assert "<h1>Your payment has arrived</h1>" in text
    assert "We are making your booking. This takes a moment." in text
    assert "go back and pay" not in text


def test_page_when_fulfilment_raises_again_and_again_says_that_a_person_looks_at_it(client, settings):
    attempts_fail(settings)
    paid = order(fulfil_attempts=2)

    settle(paid, make.answer("COMPLETED"))
    text = shown(client, paid)

    assert "<h1>Your payment has arrived</h1>" in text
    assert "Your booking is taking longer than usual; our team is looking into it." in text
    assert "We will write to you as soon as it is decided." in text


@pytest.mark.parametrize("status", [Status.INITIATED, Status.FAILED, Status.EXPIRED, Status.CANCELLED])
@pytest.mark.parametrize("differs", [{"amount": 100}, {"gateway_order_id": "OMO2"}])
def test_page_of_money_that_differs_says_that_a_person_looks_and_never_to_pay_again(client, status, differs):
    disputed = order(status)

    settle(disputed, make.answer("COMPLETED", **differs))
    text = shown(client, disputed)

    assert "<h1>We are checking your payment</h1>" in text
    assert "Money has arrived, but what PhonePe reports differs from your order." in text
    for wrong in ("Try again", "go back and pay", "did not go through", "No payment arrived"):
        assert wrong not in text


@pytest.mark.parametrize(
    ("handled", "said"),
    [("amount_mismatch", "COMPLETED"), ("order_id_mismatch", "COMPLETED"), ("still_pending", "PENDING")],
)
def test_page_of_what_a_person_has_settled_says_so_and_offers_a_new_payment(client, handled, said):
    settled = order(Status.CANCELLED, handled=handled, gateway_state=said, next_check_at=None)

    text = shown(client, settled)

    assert "<h1>Our team has finished checking this payment</h1>" in text
    assert "please write to us before you pay again." in text
    assert "do not pay again" not in text
    assert "Try again" in text


# -- no money -----------------------------------------------------------------------------


def test_page_of_an_order_that_phonepe_never_had_says_not_started(client):
    unknown = order(Status.PENDING, age_s=180, gateway_order_id="")

    settle(unknown, unknown_order())
    text = shown(client, unknown)

    assert "<h1>The payment was not started</h1>" in text
    assert "Try again" in text


def test_page_of_an_order_given_up_for_another_says_that_it_is_still_watched(client):
    given_up = order(Status.CANCELLED)

    text = shown(client, given_up)

    assert "<h1>This payment was closed</h1>" in text
    assert STILL_WATCHED in text
    assert COMES_BACK not in text


def test_page_of_an_order_past_its_time_warns_not_to_pay_twice(client):
    expired = order(age_s=1200)

    settle(expired, make.answer("PENDING"))
    text = shown(client, expired)

    assert "<h1>The time to pay is over</h1>" in text
    assert STILL_WATCHED in text
    assert COMES_BACK not in text
    assert "I have not paid: try again</button>" in text


@pytest.mark.parametrize("status", [Status.EXPIRED, Status.CANCELLED])
def test_page_of_an_unpaid_order_whose_watch_is_over_does_not_promise_to_ask(client, status):
    over = order(status, age_s=80 * 3600, next_check_at=None)

    text = shown(client, over)

    assert COMES_BACK in text
    assert ">Try again</button>" in text
    assert "keep asking" not in text
    assert "we book your puja" not in text


def test_page_when_phonepe_says_pending_to_the_end_of_the_watch_has_a_person_look_at_it(client):
    waiting = order(Status.EXPIRED, age_s=80 * 3600)

    settle(waiting, make.answer("PENDING"))
    text = shown(client, waiting)

    assert "<h1>Still no clear answer from PhonePe</h1>" in text
    assert "Our team is checking it and will write to you." in text
    assert "Try again" not in text


# -- whom to ask --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("contact", "link"),
    [
        ("help@shop.example", '<a href="mailto:help@shop.example">help@shop.example</a>'),
        ("+91 80 1234 5678", '<a href="tel:+918012345678">+91 80 1234 5678</a>'),
    ],
)
def test_page_of_a_payment_names_once_whom_to_ask_about_the_money(client, settings, contact, link):
    settings.SUPPORT_CONTACT = contact
    seen = [order(Status.FAILED), order(), order(attention="amount_mismatch", gateway_state="COMPLETED")]
    seen.append(_refund(settle(order(), make.answer("COMPLETED")), None, RefundState.PENDING).order)

    for each in seen:
        text = shown(client, each)
        assert (
            text.count(f"Questions about your money? {link} – please mention your order or booking number.")
            == 1
        )
        is_in_the_footer = text.index(link) > text.index("<footer")
        assert is_in_the_footer == (each is seen[1])


# -- refunds ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "heading", "told"),
    [
        (RefundState.DUE, "Your money is on its way back", "₹1,499.00 is being returned"),
        (RefundState.PENDING, "Your money is on its way back", "we will email you when it is done."),
        (RefundState.CONFIRMED, "Your money is on its way back", "₹1,499.00 is being returned"),
        (RefundState.COMPLETED, "Your money has been returned", "₹1,499.00 has been sent back"),
        (RefundState.FAILED, "We have your payment and will contact you", "Our team is checking it"),
    ],
)
def test_page_of_money_that_buys_nothing_tells_where_the_refund_stands(
    client, settings, state, heading, told
):
    nothing_is_left(settings)
    paid = order()
    settle(paid, make.answer("COMPLETED"))

    Refund.objects.update(state=state)
    text = shown(client, paid)

    assert f"<h1>{heading}</h1>" in text
    assert told in text
    assert "Try again" not in text


def test_page_of_money_that_is_held_says_that_a_person_looks_at_it(client, settings):
    nothing_is_left(settings, policy="hold")
    paid = order()

    settle(paid, make.answer("COMPLETED"))

    assert "<h1>We have your payment and will contact you</h1>" in shown(client, paid)


def test_page_of_a_refund_that_takes_a_week_says_so(client, settings):
    nothing_is_left(settings)
    paid = order()
    settle(paid, make.answer("COMPLETED"))

    PaymentOrder.objects.update(attention="refund_stuck")

    assert "That takes longer than usual; our team is checking it." in shown(client, paid)


@pytest.mark.parametrize(
    ("amount", "state", "told"),
    [
        (50000, RefundState.PENDING, "₹500.00 of this booking is on its way back to you."),
        (50000, RefundState.COMPLETED, "₹500.00 of this booking has been sent back to you."),
        (50000, RefundState.FAILED, "Our team is checking this and will return your money."),
    ],
)
def test_page_of_a_booking_tells_of_a_partial_refund(client, amount, state, told):
    paid = order()
    settle(paid, make.answer("COMPLETED"))
    _refund(paid, amount, state)

    text = shown(client, paid)

    assert "Your puja is booked" in text
    assert told in text
    assert "second time" not in text


def test_page_of_a_booking_whose_whole_amount_goes_back_says_refunded(client):
    paid = order()
    settle(paid, make.answer("COMPLETED"))
    _refund(paid, None, RefundState.COMPLETED)

    text = shown(client, paid)

    assert "<h1>Full refund for this booking</h1>" in text
    assert "₹1,499.00 of this booking has been sent back to you." in text
    assert "Your puja is booked" not in text


def test_page_of_a_partly_refunded_order_that_cannot_be_delivered_names_both_parts(client, settings):
    nothing_is_left(settings, policy="hold")
    paid = order()
    settle(paid, make.answer("COMPLETED"))
    _refund(paid, 50000, RefundState.COMPLETED)

    text = shown(client, paid)

    assert "<h1>We have your payment and will contact you</h1>" in text
    assert "₹500.00 has been sent back to you. Your money is safe." in text


def _refund(order: PaymentOrder, amount: int | None, state: RefundState) -> Refund:
    made = refunds.request(
        order.merchant_order_id,
        amount_paise=amount,
        reason="The priest is ill.",
        requested_by="clerk",
        now=timezone.now() - timedelta(minutes=1),
    )
    Refund.objects.filter(pk=made.pk).update(state=state)
    return made
