"""The verdict can fail: each rule names the order that was planted to break it, and nothing else does."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from bookings.models import Booking
from payments.models import PaymentEvent, PaymentOrder, Refund
from payments.states import Attention, Status
from tests import make
from tests.chaos import board, books, verdict
from tests.chaos.verdict import DOUBLE, LOST, UNEXPLAINED

pytestmark = pytest.mark.django_db

UNCONSTRAINED = """
    SET CONSTRAINTS ALL IMMEDIATE;
    SET session_replication_role = replica;
    ALTER TABLE bookings_booking DROP CONSTRAINT bookings_booking_cart_id_key;
    ALTER TABLE bookings_booking DROP CONSTRAINT bookings_booking_merchant_order_id_key;
"""


@pytest.fixture
def _unguarded():
    """PostgreSQL without our triggers and unique bookings, until the test's transaction is rolled back."""
    with connection.cursor() as cursor:
        cursor.execute(UNCONSTRAINED)
    yield
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = DEFAULT")


def say(order: PaymentOrder, kind: str, **fields: Any) -> None:
    PaymentEvent.objects.create(order=order, kind=kind, **fields)


def moved(order: PaymentOrder, *path: str) -> None:
    for came, went in pairwise(path):
        say(order, "moved", from_status=came, to_status=went)


def open_order(**fields: Any) -> PaymentOrder:
    order = make.order(**fields)
    moved(order, "PENDING", "INITIATED")
    return order


def paid(fulfilment: str = "BOOKED", **fields: Any) -> PaymentOrder:
    """A SUCCESS order with all its events, and its booking when it is BOOKED."""
    values = {"completed_at": timezone.now(), "fulfilment": fulfilment, "asks": 1, "next_check_at": None}
    order = make.order(Status.SUCCESS, **(values | fields))
    say(order, "answered", detail={"state": "COMPLETED"})
    moved(order, "PENDING", "INITIATED", "SUCCESS")
    say(order, "fulfilled" if fulfilment == "BOOKED" else "unfulfillable")
    if fulfilment == "BOOKED":
        booking(order)
    return order


def booking(order: PaymentOrder, **fields: Any) -> Booking:
    content = {name: make.SNAPSHOT[name] for name in ("puja", "package", "date", "time", "name", "email")}
    values = {"cart_id": order.cart_id, "merchant_order_id": order.merchant_order_id, "amount": order.amount}
    return Booking.objects.create(**(content | values | fields))


def refund(order: PaymentOrder, state: str = "COMPLETED") -> Refund:
    made = Refund.objects.create(
        order=order, amount=order.amount, state=state, reason="r", requested_by="policy"
    )
    say(order, "refund", detail={"refund": made.merchant_refund_id, "state": state})
    return made


def gateway(order: PaymentOrder, state: str = "COMPLETED", **fields: Any) -> dict[str, Any]:
    """What the emulator's control API would show; of `refunds` the ids of those it made."""
    refunds = [
        {"merchantRefundId": name, "amount": order.amount, "state": "COMPLETED"}
        for name in fields.pop("refunds", [])
    ]
    shown = {
        "merchantOrderId": order.merchant_order_id,
        "orderId": order.gateway_order_id,
        "state": state,
        "amount": order.amount,
        "reportedAmount": order.amount,
        "refunds": refunds,
    }
    return shown | fields


def found(*book: dict[str, Any]) -> set[tuple[str, str, str]]:
    books.lay_open(book)
    return {(b.kind, b.rule, b.merchant_order_id) for b in verdict.breaches()}


def test_verdict_on_what_may_be_finds_nothing():
    booked, back, other_sum, other_id = paid(), paid("UNFULFILLABLE"), open_order(), open_order()
    other_sum.attention, other_id.attention = Attention.AMOUNT_MISMATCH, Attention.ORDER_ID_MISMATCH
    PaymentOrder.objects.bulk_update([other_sum, other_id], ["attention"])
    given = refund(back)
    failed = make.order(Status.FAILED, next_check_at=None)
    moved(failed, "PENDING", "INITIATED", "FAILED")
    unheard = make.order(Status.PENDING)
    waiting = open_order()

    breaches = found(
        gateway(booked),
        gateway(back, refunds=[given.merchant_refund_id]),
        gateway(other_sum, reportedAmount=1),
        gateway(other_id, orderId="OMO-other"),
        gateway(failed, "FAILED"),
        gateway(waiting, "PENDING"),
    )

    assert breaches == set()
    assert {what: count for what, count, _ in verdict.sums()} == {
        "booked": 1, "refunded": 1, "amount_mismatch": 1, "order_id_mismatch": 1, "not paid": 2,
    }  # fmt: skip
    assert unheard.merchant_order_id


def test_verdict_names_a_lost_payment():
    order = open_order()

    assert found(gateway(order)) == {
        (LOST, "paid, neither booked nor refunded nor before a person's eyes", order.merchant_order_id)
    }


def test_verdict_names_a_payment_of_an_order_that_vanished():
    vanished = make.order()
    ghost = gateway(vanished) | {"merchantOrderId": "OKP-GHOST"}

    assert (LOST, "paid, and no such order here", "OKP-GHOST") in found(gateway(vanished, "PENDING"), ghost)


def test_verdict_names_a_refund_that_was_recorded_and_never_made():
    order = paid("UNFULFILLABLE")
    refund(order)

    breaches = found(gateway(order))

    assert {(kind, rule) for kind, rule, _ in breaches} == {
        (LOST, "paid, neither booked nor refunded nor before a person's eyes"),
        (LOST, "refunded here, not at the gateway"),
        (UNEXPLAINED, "a refund that stands otherwise at the gateway"),
    }


@pytest.mark.usefixtures("_unguarded")
def test_verdict_names_double_bookings():
    order, other = paid(), paid()
    booking(order, cart_id="another")
    booking(other, merchant_order_id="OKP-ANOTHER")

    breaches = found(gateway(order), gateway(other))

    assert {
        (DOUBLE, "two bookings of one order", order.merchant_order_id),
        (DOUBLE, "two bookings of one cart", other.merchant_order_id),
        (DOUBLE, "two bookings of one cart", "OKP-ANOTHER"),
        (UNEXPLAINED, "booked without payment", "OKP-ANOTHER"),
    } == breaches


def test_verdict_names_a_double_refund():
    order = paid("UNFULFILLABLE")
    given = refund(order)

    breaches = found(gateway(order, refunds=[given.merchant_refund_id, "OKR-SECOND"]))

    assert breaches == {
        (DOUBLE, "refunded more than was paid", order.merchant_order_id),
        (UNEXPLAINED, "refunded at the gateway, and not by us", order.merchant_order_id),
    }


def test_verdict_names_what_was_booked_and_refunded():
    order = paid()
    given = refund(order)

    breaches = found(gateway(order, refunds=[given.merchant_refund_id]))

    assert breaches == {(DOUBLE, "booked and refunded", order.merchant_order_id)}


def test_verdict_names_a_booking_without_payment():
    order = paid()

    assert found(gateway(order, "FAILED")) == {
        (UNEXPLAINED, "booked without payment", order.merchant_order_id),
        (UNEXPLAINED, "SUCCESS without payment", order.merchant_order_id),
    }


def test_verdict_names_an_order_that_the_gateway_never_had():
    order = open_order()

    assert found() == {
        (
            UNEXPLAINED,
            "counts as created at the gateway, which has never heard of it",
            order.merchant_order_id,
        )
    }


def test_verdict_names_attention_without_a_cause():
    order = open_order(attention=Attention.AMOUNT_MISMATCH)

    assert found(gateway(order)) == {
        (
            UNEXPLAINED,
            "before a person's eyes without a cause in the gateway's books",
            order.merchant_order_id,
        )
    }


def test_verdict_names_an_open_order_that_nobody_watches():
    order = open_order(next_check_at=None)

    assert found(gateway(order, "PENDING")) == {
        (UNEXPLAINED, "open, and nobody will ask about it", order.merchant_order_id)
    }


MISSING = {
    "moved": {
        "no event of the move to its status",
    },
    "answered": {
        "asked about more often than answers were recorded",
        "SUCCESS without a recorded COMPLETED before it",
    },
    "fulfilled": {"what became of the money has not exactly one event"},
    "created": {"created without an event"},
}


@pytest.mark.usefixtures("_unguarded")
@pytest.mark.parametrize("kind", MISSING)
def test_verdict_names_a_missing_event(kind):
    order = paid()
    PaymentEvent.objects.filter(order=order, kind=kind).delete()

    assert found(gateway(order)) == {(UNEXPLAINED, rule, order.merchant_order_id) for rule in MISSING[kind]}


@pytest.mark.usefixtures("_unguarded")
def test_verdict_names_a_missing_move_in_the_middle():
    order = paid()
    PaymentEvent.objects.filter(order=order, to_status="INITIATED").delete()

    assert found(gateway(order)) == {
        (UNEXPLAINED, "an event of a move is missing or double", order.merchant_order_id)
    }


@pytest.mark.usefixtures("_unguarded")
def test_verdict_names_a_refund_whose_end_was_not_recorded():
    order = paid("UNFULFILLABLE")
    given = refund(order)
    PaymentEvent.objects.filter(order=order, kind="refund").delete()

    assert found(gateway(order, refunds=[given.merchant_refund_id])) == {
        (UNEXPLAINED, "no event of the refund's last state", order.merchant_order_id)
    }


def test_every_rule_has_been_broken_by_a_test_of_this_file():
    text = Path(__file__).read_text()

    assert [rule.name for rule in verdict.RULES if f'"{rule.name}"' not in text] == []


def test_sentence_counts_each_order_once_and_the_timelines_are_kept(tmp_path):
    order = paid()
    book = [gateway(order, "FAILED")]
    books.lay_open(book)
    breaches = verdict.breaches()

    board.keep_timelines(breaches, book, tmp_path)

    assert board.sentence(breaches) == "0 lost, 0 double, 1 unexplained"
    assert board.sentence([]) == "0 lost, 0 double, 0 unexplained"
    [kept] = tmp_path.iterdir()
    assert kept.name == f"{order.merchant_order_id}.json"
    assert "booked without payment" in kept.read_text()
