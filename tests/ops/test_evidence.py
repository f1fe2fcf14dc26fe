"""Evidence of an order: complete, in rupees and Indian time, and masked unless permitted."""

from __future__ import annotations

import pytest
from django.utils import timezone

from bookings import mails
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
        "Before paying: Ganesh Puja, Standard, 2027-01-14, 09:00, to be paid: ₹1499.00.",
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
