"""Evidence of an order: complete, in rupees and Indian time, and masked unless permitted."""

from __future__ import annotations

import pytest
from django.core import mail as django_mail
from django.utils import timezone

from bookings import mails
from bookings.models import Notice
from payments.states import News
from tests import make
from tests.ops import rows

pytestmark = pytest.mark.django_db(transaction=True)

PERSONAL = ("Asha", "asha@example.com", "98765", "MG Road")


def story():
    order = rows.booked()
    mails.send_confirmation(order.fulfilment_reference)
    rows.refund(order, 5000)
    return order


def read(client, order) -> dict:
    answer = client.get(f"/ops/orders/{order.merchant_order_id}/evidence.json")
    assert answer.status_code == 200
    return answer.json()


def test_evidence_tells_what_was_paid_shown_mailed_and_given_back(boss):
    order = story()

    told = read(boss, order)

    assert (told["order"]["amount"], told["order"]["utr"]) == ("1499.00", "123456789012")
    assert told["order"]["completed_at"].endswith("+05:30")
    assert told["booking"]["booking_id"] == order.fulfilment_reference
    assert told["shown"] == [
        "Before paying: Ganesh Puja, Standard, 2094-01-14, 09:00, to be paid: ₹1499.00.",
        "PhonePe's payment page of order OMO1.",
        "Since the payment was decided, whoever comes back is led to"
        f" http://localhost:8000/booking-success/{order.fulfilment_reference}",
    ]
    (mail,) = told["mailed"]
    assert (mail["to"], "Ganesh Puja" in mail["subject"], "Asha Rao" in mail["text"]) == (
        "asha@example.com",
        True,
        True,
    )
    assert [refund["amount"] for refund in told["refunds"]] == ["50.00"]
    assert [line["kind"] for line in told["timeline"]] == ["created", "answered", "moved", "mail"]
    assert told["timeline"][1]["raw"]["body"]["state"] == "COMPLETED"


@pytest.mark.parametrize("path", ["evidence/", "evidence.json"])
def test_evidence_is_masked_for_who_may_not_see_people(signed_in, path):
    order = story()

    text = signed_in(rows.SEE).get(f"/ops/orders/{order.merchant_order_id}/{path}").content.decode()

    assert [word for word in PERSONAL if word in text] == []
    assert "masked" in text


def test_evidence_of_an_open_order_has_no_booking_and_no_mail(boss):
    told = read(boss, make.order())

    assert (told["booking"], told["mailed"], told["refunds"], len(told["shown"])) == (None, [], [], 2)


def mailed(order, news, **fields) -> Notice:
    """A notice whose mail went out, or was dropped, as the job leaves it."""
    notice = Notice.objects.create(
        news=news, merchant_order_id=order.merchant_order_id, amount=order.amount, **fields
    )
    mails.send_notice(notice.pk)
    notice.refresh_from_db()
    return notice


def test_evidence_has_every_mail_and_says_which_were_never_sent(boss):
    order = rows.undelivered()
    refund = rows.refund(order, 149900)
    begun, done = (
        mailed(order, news, merchant_refund_id=refund.merchant_refund_id)
        for news in (News.REFUND_STARTED, News.REFUND_COMPLETED)
    )
    make.order(cart_id=order.cart_id, age_s=0)  # the customer tries again
    dropped = mailed(order, News.PAYMENT_EXPIRED)
    outbox = django_mail.outbox

    told = read(boss, order)
    page = boss.get(f"/ops/orders/{order.merchant_order_id}/evidence/").content.decode()

    assert (bool(begun.sent_at), bool(done.sent_at), bool(dropped.dropped_at)) == (True, True, True)
    assert [mail["to"] for mail in told["mailed"]] == ["asha@example.com"] * 2
    assert [mail["subject"] for mail in told["mailed"]] == [sent.subject for sent in outbox]
    assert all("Asha Rao" in mail["text"] and "1,499" in mail["text"] for mail in told["mailed"])
    assert [line["what"] for line in told["timeline"] if line["kind"] == "mail"] == [
        "Mailed to the customer: money is on its way back",
        "Mailed to the customer: money was sent back",
        "No mail any more: the time to pay is over",
    ]
    assert "No mail was sent" not in page
    assert outbox[1].subject in page


def test_evidence_of_an_expired_order_has_its_mail_masked_for_who_may_not_see_people(signed_in):
    order = make.order("EXPIRED", next_check_at=None)
    mailed(order, News.PAYMENT_EXPIRED)

    told = read(signed_in(rows.SEE), order)

    (mail,) = told["mailed"]
    assert (mail["to"], mail["text"]) == ("a•••@example.com", "masked: it names the customer")


def test_evidence_of_a_notice_that_waits_says_nothing_of_it(boss):
    order = make.order("FAILED", next_check_at=None)
    Notice.objects.create(news="payment_failed", merchant_order_id=order.merchant_order_id, amount=1)

    told = read(boss, order)

    assert (told["mailed"], [line for line in told["timeline"] if line["kind"] == "mail"]) == ([], [])


def test_evidence_says_when_and_by_whom_it_was_made(boss):
    before = timezone.now()

    told = read(boss, make.order())

    assert (told["made_by"], told["personal_data"]) == ("ravi", "as it is")
    assert timezone.datetime.fromisoformat(told["made_at"]) >= before - timezone.timedelta(seconds=1)


def test_evidence_page_shows_the_same(boss):
    order = story()

    text = boss.get(f"/ops/orders/{order.merchant_order_id}/evidence/").content.decode()

    for fact in (
        "Evidence: payment of ₹1,499.00",
        "123456789012",
        "Asha Rao",
        order.fulfilment_reference,
        "50.00",
    ):
        assert fact in text
