"""The steps by hand: confirmed first, then done by the engine, with the person's name in the trail."""

from __future__ import annotations

import re
from functools import partial

import pytest
from django.urls import reverse
from django.utils import timezone

from payments.models import PaymentEvent, PaymentOrder, Refund
from payments.states import Attention, Status
from tests import make
from tests.ops import rows

pytestmark = pytest.mark.django_db(transaction=True)


def post(client, step: str, order: PaymentOrder, **data: str):
    return client.post(reverse(f"ops:{step}", args=[order.merchant_order_id]), data, follow=True)


def text_of(answer) -> str:
    assert answer.status_code == 200
    return answer.content.decode()


def test_verify_asks_phonepe_books_and_names_the_person(boss, sandbox):
    order = make.order(gateway_order_id="")
    sandbox.register(
        {"merchantOrderId": order.merchant_order_id, "amount": order.amount, "state": "COMPLETED"}
    )

    text = text_of(post(boss, "verify", order))

    order.refresh_from_db()
    assert (order.status, order.fulfilment) == ("SUCCESS", "BOOKED")
    assert f"Done. The payment is SUCCESS and booked as {order.fulfilment_reference}." in text
    assert "Verified by hand by ravi" in text


def test_verify_again_at_once_is_refused_in_words(boss, sandbox):
    order = make.order(verify_requested_at=timezone.now() + timezone.timedelta(seconds=2))

    text = text_of(post(boss, "verify", order))

    assert "Nothing was done. This order was verified a moment ago." in text
    assert order.events.count() == 1


def test_verify_of_a_paid_order_that_is_not_booked_tries_to_book(boss, settings):
    order = make.order(
        Status.SUCCESS, completed_at=timezone.now(), fulfilment="DUE", attention="fulfilment_failed"
    )

    text = text_of(post(boss, "verify", order))

    order.refresh_from_db()
    assert (order.fulfilment, order.attention) == ("BOOKED", "")
    assert order.fulfilment_reference in text


def test_settle_needs_a_reason(boss):
    order = rows.mismatched()

    text = text_of(post(boss, "settle", order, reason=" "))

    assert "This field is required." in text
    assert PaymentOrder.objects.get().attention == Attention.AMOUNT_MISMATCH


def test_settle_of_a_case_that_has_become_another_meanwhile_is_refused(boss):
    order = make.order(
        Status.SUCCESS, completed_at=timezone.now(), fulfilment="BOOKED", attention="refund_stuck"
    )
    page = text_of(boss.get(reverse("ops:settle", args=[order.merchant_order_id])))
    PaymentOrder.objects.update(attention=Attention.REFUND_FAILED)

    text = text_of(post(boss, "settle", order, reason="PhonePe says tomorrow.", seen="refund_stuck"))

    order.refresh_from_db()
    assert '<input type="hidden" name="seen" value="refund_stuck">' in page
    assert "Nothing was done. This order needs attention for another reason by now" in text
    assert order.attention == "refund_failed"


def test_settle_clears_the_case_and_tells_who_and_how(boss):
    order = rows.mismatched()

    text = text_of(post(boss, "settle", order, reason="Returned by <hand>."))

    assert PaymentOrder.objects.get().attention == ""
    assert "Settled by ravi" in text
    assert "Returned by &lt;hand&gt;." in text
    assert "Nothing needs you" in text_of(boss.get("/ops/attention/"))


@pytest.mark.parametrize("why", ["", Attention.FULFILMENT_FAILED])
def test_settle_of_what_cannot_be_settled_is_refused_in_words(boss, why):
    order = rows.undelivered(attention=why)

    text = text_of(post(boss, "settle", order, reason="Because."))

    assert "Nothing was done." in text
    assert PaymentOrder.objects.get().attention == why


def test_refund_asks_once_more_with_the_sum_before_anything_happens(boss):
    order = rows.undelivered(attention=Attention.UNFULFILLABLE)

    text = text_of(post(boss, "refund", order, amount="", reason="Slot gone."))

    assert "Refund ₹1,499.00?" in text
    assert 'name="amount" value="1499.00"' in text
    assert Refund.objects.count() == 0


def test_refund_whose_button_is_pressed_again_is_made_once(boss):
    order = rows.undelivered(attention=Attention.UNFULFILLABLE)
    page = text_of(post(boss, "refund", order, amount="500", reason="Slot gone."))
    (key,) = re.findall(r'name="key" value="([^"]+)"', page)
    press = partial(post, boss, "refund", order, amount="500", reason="Slot gone.", sure="yes")

    press(key=key)
    Refund.objects.update(state="COMPLETED")
    text = text_of(press(key=key))

    assert "Refund of ₹500.00 recorded." in text
    assert Refund.objects.count() == 1


@pytest.mark.parametrize(
    ("amount", "paise", "left"), [("1499.00", 149900, ""), ("1.00", 100, "unfulfillable")]
)
def test_refund_when_sure_is_recorded_with_the_persons_name(boss, amount, paise, left):
    order = rows.undelivered(attention=Attention.UNFULFILLABLE)

    text = text_of(post(boss, "refund", order, amount=amount, reason="Slot gone.", sure="yes"))

    made = Refund.objects.get()
    assert (made.amount, made.requested_by, made.reason) == (paise, "ravi", "Slot gone.")
    assert order.events.filter(kind=PaymentEvent.Kind.REFUND, detail__requested_by="ravi").count() == 1
    assert PaymentOrder.objects.get().attention == left
    assert "asked for by ravi; Slot gone." in text


@pytest.mark.parametrize("amount", ["0", "-1", "1499.01", "1.001", "NaN", "1e30", "x"])
def test_refund_of_an_impossible_sum_is_refused(boss, amount):
    order = rows.undelivered(attention=Attention.UNFULFILLABLE)

    text_of(post(boss, "refund", order, amount=amount, reason="Slot gone.", sure="yes"))

    assert Refund.objects.count() == 0


def test_refund_while_another_is_under_way_is_refused_in_words(boss):
    order = rows.undelivered()
    rows.refund(order, 100, "PENDING")

    text = text_of(post(boss, "refund", order, amount="1", reason="Slot gone.", sure="yes"))

    assert "Nothing was done. Another refund" in text
    assert Refund.objects.count() == 1


def test_refund_sent_twice_goes_back_once(boss):
    order = rows.undelivered()

    for _ in range(2):
        post(boss, "refund", order, amount="1499.00", reason="Slot gone.", sure="yes")

    assert [r.amount for r in Refund.objects.all()] == [149900]


def test_book_anyway_books_and_tells_who_and_why(boss):
    order = rows.undelivered(attention=Attention.UNFULFILLABLE)

    text = text_of(post(boss, "book", order, reason="A priest was found."))

    order.refresh_from_db()
    assert (order.fulfilment, order.attention) == ("BOOKED", "")
    assert f"Booked as {order.fulfilment_reference}." in text
    assert "Tried to book by hand by ravi" in text
    assert "A priest was found." in text


def test_book_anyway_of_a_cart_that_is_booked_already_is_told(boss, settings):
    settings.PAYMENTS = settings.PAYMENTS | {"UNFULFILLABLE": "hold"}
    first = rows.booked()
    order = rows.undelivered(attention=Attention.UNFULFILLABLE, cart_id=first.cart_id)

    text = text_of(post(boss, "book", order, reason="Please."))

    order.refresh_from_db()
    assert (order.fulfilment, order.attention) == ("UNFULFILLABLE", "unfulfillable")
    assert "The shop has not booked it." in text
    assert "This cart has already been booked by another payment." in text


def test_book_anyway_after_a_refund_is_refused_in_words(boss):
    order = rows.undelivered(attention=Attention.UNFULFILLABLE)
    rows.refund(order, 149900)

    assert "Nothing was done. Only an order that was refused" in text_of(
        post(boss, "book", order, reason="Please.")
    )
    order.refresh_from_db()
    assert order.fulfilment == "UNFULFILLABLE"
