"""An order's page: its story in words, raw answers, a text for PhonePe, and no more of the customer than allowed."""

from __future__ import annotations

import pytest
from django.test import Client
from django.utils import timezone

from payments import inbox, transitions
from payments.models import PaymentEvent
from payments.states import Source
from phonepe_pg import Unavailable
from tests import make
from tests.ops import rows

pytestmark = pytest.mark.django_db(transaction=True)

PERSONAL = ("Asha", "asha@example.com", "98765", "MG Road")


def page(client, order) -> str:
    answer = client.get(f"/ops/orders/{order.merchant_order_id}/")
    assert answer.status_code == 200
    return answer.content.decode()


def shown(text: str) -> list[str]:
    return [word for word in PERSONAL if word in text]


def test_order_page_tells_the_story_of_a_booked_order(signed_in):
    order = rows.booked()
    body = {"event": "checkout.order.completed", "payload": {"merchantOrderId": order.merchant_order_id}}
    inbox.receive(str(body).replace("'", '"').encode(), now=timezone.now())

    text = page(signed_in(rows.SEE), order)

    for fact in (
        "₹1,499.00 · SUCCESS",
        "Order made, the customer starts to pay",
        "PhonePe answers COMPLETED after 5 ms",
        "INITIATED → SUCCESS",
        order.fulfilment_reference,
        "123456789012",
        "Webhook received: checkout.order.completed",
    ):
        assert fact in text


def test_order_page_masks_the_customer_unless_permitted(signed_in, boss):
    order = rows.booked()

    unpermitted = page(boss, order)

    assert shown(unpermitted) == list(PERSONAL)


def test_order_page_without_the_right_shows_too_little_to_reach_anybody(signed_in):
    text = page(signed_in(rows.SEE), rows.booked())

    assert shown(text) == []
    for masked in ("A••• R•••", "a•••@example.com", "••• 3210"):
        assert masked in text


@pytest.mark.parametrize("made", [rows.booked, rows.undelivered])
@pytest.mark.parametrize("path", ["", "evidence/", "evidence.json"])
def test_pages_without_the_right_show_the_beginning_of_the_cart_which_opens_nothing(boss, path, made):
    order = made()
    clerk = Client()
    clerk.force_login(rows.staff(rows.SEE, name="clerk"))

    masked, plain = (c.get(f"/ops/orders/{order.merchant_order_id}/{path}") for c in (clerk, boss))

    assert order.cart_id not in masked.content.decode()
    assert f"{order.cart_id[:8]}…" in masked.content.decode()
    assert order.cart_id in plain.content.decode()


def test_order_page_masks_an_order_that_was_never_booked(signed_in):
    text = page(signed_in(rows.SEE), make.order())

    assert shown(text) == []


def test_order_page_escapes_whatever_phonepe_says(boss):
    order = make.order()
    evil = make.answer("<script>alert(1)</script>")
    transitions.record_answer(order, evil, source=Source.CHECKER, now=timezone.now())

    text = page(boss, order)

    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text


def test_order_page_shows_trouble_with_its_status(boss):
    order = make.order()
    answer = make.trouble(Unavailable("down", http_status=503, body="<html>"))
    transitions.record_answer(order, answer, source=Source.CHECKER, now=timezone.now())

    assert "No status from Order Status: Unavailable, HTTP 503 after 5 ms" in page(boss, order)


def test_order_page_text_for_support_has_answers_and_no_customer(boss):
    order = rows.booked()
    rows.refund(order, 5000, "PENDING")

    text = page(boss, order)
    support = text[text.index("<textarea") : text.index("</textarea>")]

    for fact in (
        order.merchant_order_id,
        "OMO1",
        "123456789012",
        "&quot;state&quot;: &quot;COMPLETED&quot;",
        "₹50.00",
    ):
        assert fact in support
    assert shown(support) == []


def test_order_page_has_a_line_for_every_kind_of_event(boss):
    order = make.order()
    for kind in PaymentEvent.Kind.values:
        PaymentEvent.objects.create(order=order, kind=kind)

    text = page(boss, order)

    assert text.count('<p class="small">') >= len(PaymentEvent.Kind.values)


@pytest.mark.parametrize(
    ("order", "steps"),
    [
        (make.order, ["Ask PhonePe now"]),
        (rows.booked, ["Refund …"]),
        (
            lambda: rows.undelivered(attention="unfulfillable"),
            ["Refund …", "Book anyway …", "Mark as settled …"],
        ),
        (rows.mismatched, ["Ask PhonePe now", "Mark as settled …"]),
    ],
)
def test_order_page_offers_the_steps_that_make_sense(boss, signed_in, order, steps):
    text = page(boss, order())

    offered = ["Ask PhonePe now", "Try to book again", "Refund …", "Book anyway …", "Mark as settled …"]
    assert [step for step in offered if f">{step}</a>" in text] == steps


def test_order_page_offers_no_step_without_the_right(signed_in):
    text = page(signed_in(rows.SEE), rows.mismatched())

    assert "/verify/" not in text
    assert "/settle/" not in text


@pytest.mark.parametrize("snapshot", [{}, {"what": "a course"}, {"puja": None, "name": 7, "email": "nobody"}])
@pytest.mark.parametrize("path", ["", "evidence/", "evidence.json", "verify/", "settle/", "refund/", "book/"])
def test_pages_of_an_order_that_says_little_are_shown(boss, path, snapshot):
    order = make.order(snapshot=snapshot)

    assert boss.get(f"/ops/orders/{order.merchant_order_id}/{path}").status_code == 200


def test_order_page_of_an_id_that_no_database_takes_is_not_found(boss):
    assert boss.get("/ops/orders/a%00b/").status_code == 404
