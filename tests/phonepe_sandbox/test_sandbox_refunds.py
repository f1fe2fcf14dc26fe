"""Refunds and their status (§5)."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phonepe_sandbox.book import Book, RefundRefused
from phonepe_sandbox.clock import Clock
from phonepe_sandbox.entries import NewOrder, NewRefund
from phonepe_sandbox.identity import Mint
from phonepe_sandbox.settings import Settings

NOW_MS = 1_800_000_000_000
BAD_REQUEST = {"code": "BAD_REQUEST", "message": "Please check the inputs you have provided."}


async def refunds_of(merchant, order_id="ORD-1"):
    order = (await merchant.control("GET", f"/orders/{order_id}")).body
    return [(refund["merchantRefundId"], refund["amount"], refund["state"]) for refund in order["refunds"]]


async def test_refund_when_allowed_then_pending_confirmed_completed_with_time(merchant):
    await merchant.paid()

    taken_in = await merchant.refund("R-1", 1000)
    states = [(await merchant.refund_status()).body["state"]]
    for _ in range(2):
        await merchant.advance(1)
        states.append((await merchant.refund_status()).body["state"])

    assert taken_in.body == {"refundId": taken_in.body["refundId"], "amount": 1000, "state": "PENDING"}
    assert taken_in.body["refundId"][:9] == "OMR270115"
    assert states == ["PENDING", "CONFIRMED", "COMPLETED"]
    assert (await merchant.status()).body["state"] == "COMPLETED"


async def test_refund_status_when_completed_then_the_documented_body(merchant):
    await merchant.paid()
    refund_id = (await merchant.refund("R-1", 1000)).body["refundId"]
    await merchant.advance(2)

    body = (await merchant.refund_status()).body

    rail = {"type": "UPI", "utr": body["paymentDetails"][0]["rail"]["utr"]}
    assert body == {
        "originalMerchantOrderId": "ORD-1",
        "refundId": refund_id,
        "amount": 1000,
        "state": "COMPLETED",
        "timestamp": NOW_MS + 2000,
        "currency": "INR",
        "paymentDetails": [
            {
                "transactionId": refund_id,
                "paymentMode": "UPI_QR",
                "timestamp": NOW_MS + 2000,
                "amount": 1000,
                "state": "COMPLETED",
                "rail": rail,
                "instrument": {"type": "ACCOUNT"},
                "splitInstruments": [{"amount": 1000, "rail": rail, "instrument": {"type": "ACCOUNT"}}],
            }
        ],
    }


async def test_refund_when_the_confirmed_step_is_off_then_it_is_left_out(merchant):
    await merchant.switch(refund_confirmed_step=False)
    await merchant.paid()
    await merchant.refund()

    await merchant.advance(1)
    halfway = (await merchant.refund_status()).body["state"]
    await merchant.advance(1)

    assert [halfway, (await merchant.refund_status()).body["state"]] == ["PENDING", "COMPLETED"]


async def test_refund_when_switched_to_fail_then_failed_and_the_sum_is_free_again(merchant):
    await merchant.switch(refund_outcome="FAILED")
    await merchant.paid(amount=1000)
    await merchant.refund("R-1", 1000)
    await merchant.advance(2)

    failed = (await merchant.refund_status()).body
    again = await merchant.refund("R-2", 1000)

    assert (failed["state"], failed["errorCode"], again.status) == ("FAILED", "REFUND_BREACHED", 200)


async def test_refund_when_another_is_under_way_then_refused_until_it_ends(merchant):
    await merchant.paid()
    await merchant.refund("R-1", 1000)

    early = await merchant.refund("R-2", 1000)
    await merchant.advance(1)
    confirmed = await merchant.refund("R-2", 1000)
    await merchant.advance(1)
    late = await merchant.refund("R-2", 1000)

    assert [early.status, confirmed.status, late.status] == [400, 400, 200]
    assert early.body == BAD_REQUEST


async def test_refund_in_parts_never_gives_back_more_than_was_paid(merchant):
    await merchant.paid(amount=1000)
    await merchant.refund("R-1", 600)
    await merchant.advance(2)

    too_much = await merchant.refund("R-2", 401)
    rest = await merchant.refund("R-3", 400)

    assert [too_much.status, rest.status] == [400, 200]
    assert await refunds_of(merchant) == [("R-1", 600, "COMPLETED"), ("R-3", 400, "PENDING")]


@pytest.mark.parametrize(
    ("refund_id", "amount", "order_id"),
    [
        ("R-2", 99, "ORD-1"),
        ("R-2", "1000", "ORD-1"),
        ("R-2", True, "ORD-1"),
        ("R-2", 1000, "NOBODY"),
        ("R-2", 1000, "UNPAID"),
        ("R-2", 1000, None),
        ("", 1000, "ORD-1"),
        ("R 2", 1000, "ORD-1"),
        ("x" * 64, 1000, "ORD-1"),
        ("R-1", 1000, "ORD-1"),
        ("R-1", 1000, "OTHER"),
    ],
)
async def test_refund_when_it_breaks_a_rule_then_refused_and_nothing_stored(
    merchant, refund_id, amount, order_id
):
    await merchant.paid()
    await merchant.paid("OTHER")
    await merchant.pay("UNPAID")
    await merchant.refund("R-1", 1000)
    await merchant.advance(2)

    reply = await merchant.refund(refund_id, amount, order_id)

    assert (reply.status, reply.body) == (400, BAD_REQUEST)
    assert await refunds_of(merchant) == [("R-1", 1000, "COMPLETED")]
    assert await refunds_of(merchant, "OTHER") == []


async def test_refund_when_the_minimum_is_one_paisa_then_small_sums_pass(merchant):
    await merchant.switch(refund_minimum=1)
    await merchant.paid()

    replies = [await merchant.refund(f"R-{n}", amount) for n, amount in enumerate([0, True, 1])]

    assert [reply.status for reply in replies] == [400, 400, 200]


async def test_refund_when_the_payment_is_too_old_then_refused(merchant):
    await merchant.paid()
    await merchant.advance(90 * 86_400 + 1)
    merchant.authorization = None

    reply = await merchant.refund()

    assert (reply.status, reply.headers["X-Sandbox-Reason"]) == (400, "the payment is older than 90 days")


async def test_refund_status_when_unknown_then_a_code(merchant):
    reply = await merchant.refund_status("NOBODY")

    assert (reply.status, reply.body["code"]) == (400, "INVALID_MERCHANT_REFUND_ID")


@given(st.lists(st.tuples(st.integers(100, 1500), st.sampled_from([0, 1, 2])), max_size=20))
def test_refunds_whatever_is_asked_never_exceed_the_order(asked):
    clock = Clock(lambda: NOW_MS / 1000)
    book = Book(clock=clock, mint=Mint(Random(1)), settings=Settings())
    order = book.open(NewOrder("ORD-1", 3000, None))
    book.act(order, "success")

    for n, (amount, pause) in enumerate(asked):
        clock.advance(pause)
        try:
            book.refund(NewRefund(f"R-{n}", "ORD-1", amount))
        except RefundRefused:
            continue

        assert sum(refund.amount for refund in order.refunds) <= 3000
        assert sum(refund.state in ("PENDING", "CONFIRMED") for refund in order.refunds) == 1
