"""Every order status against every answer: the table of `transitions.judge`, without a database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from payments.models import PaymentOrder
from payments.states import MOVES, Attention, Status
from payments.transitions import Verdict, judge
from phonepe_pg import Malformed, Misconfigured, RateLimited, Rejected, Unavailable, UnknownOrder
from tests import make

START = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
SOON = START + timedelta(seconds=30)
LATER = START + timedelta(minutes=5)
AT_DEADLINE = START + timedelta(seconds=900)
AFTER_GRACE = START + timedelta(seconds=1020)

PENDING, INITIATED, SUCCESS, FAILED, CANCELLED, EXPIRED = Status

NOTHING = Verdict()
MISMATCH = Verdict((), Attention.AMOUNT_MISMATCH)
OTHER_ID = Verdict((), Attention.ORDER_ID_MISMATCH)


def order(status: Status, **fields: object) -> PaymentOrder:
    values = {
        "amount": 149900,
        "gateway_order_id": "" if status == PENDING else "OMO1",
        "created_at": START,
        "expires_at": AT_DEADLINE,
    }
    return PaymentOrder(status=status, **(values | fields))


def unknown(at=SOON):
    return make.trouble(UnknownOrder("no entry", code="INVALID_MERCHANT_ORDER_ID", http_status=400))


ANSWERS = {
    "pending": lambda: make.answer("PENDING"),
    "completed": lambda: make.answer("COMPLETED"),
    "failed": lambda: make.answer("FAILED", code="TXN_AUTO_FAILED"),
    "expired": lambda: make.answer("FAILED", code="ORDER_EXPIRED"),
    "failed, no order id": lambda: make.answer("FAILED", code="TXN_AUTO_FAILED", gateway_order_id=""),
    "another failed": lambda: make.answer("FAILED", code="ORDER_EXPIRED", gateway_order_id="OMO2"),
    "other amount": lambda: make.answer("COMPLETED", amount=100),
    "no amount": lambda: make.answer("COMPLETED", amount=None),
    "other order id": lambda: make.answer("COMPLETED", gateway_order_id="OMO2"),
    "strange state": lambda: make.answer("ON_HOLD"),
    "empty word": lambda: make.answer("completed"),  # another spelling is another state
    "unknown order": unknown,
    "unavailable": lambda: make.trouble(Unavailable("down")),
    "malformed": lambda: make.trouble(Malformed("nonsense")),
    "rate limited": lambda: make.trouble(RateLimited("slow down")),
    "rejected": lambda: make.trouble(Rejected("no")),
    "misconfigured": lambda: make.trouble(Misconfigured("keys")),
}
SILENT = ("unavailable", "malformed", "rate limited", "rejected", "misconfigured")

# What each answer asks for within the deadline. A status that is not named: nothing.
EARLY = {
    ("pending", PENDING): Verdict((INITIATED,)),
    ("strange state", PENDING): Verdict((INITIATED,)),
    ("empty word", PENDING): Verdict((INITIATED,)),
    ("completed", PENDING): Verdict((INITIATED, SUCCESS)),
    ("completed", INITIATED): Verdict((SUCCESS,)),
    ("completed", FAILED): Verdict((SUCCESS,)),
    ("completed", CANCELLED): Verdict((SUCCESS,)),
    ("completed", EXPIRED): Verdict((SUCCESS,)),
    ("failed", PENDING): Verdict((INITIATED, FAILED)),
    ("failed", INITIATED): Verdict((FAILED,)),
    ("failed, no order id", PENDING): Verdict((INITIATED, FAILED)),
    ("failed, no order id", INITIATED): Verdict((FAILED,)),
    ("another failed", PENDING): Verdict((INITIATED, FAILED)),  # as below
    **{("another failed", status): OTHER_ID for status in (INITIATED, FAILED, CANCELLED, EXPIRED)},
    ("expired", PENDING): Verdict((INITIATED, FAILED)),
    ("expired", INITIATED): Verdict((FAILED,)),
    ("other order id", PENDING): Verdict((INITIATED, SUCCESS)),  # none was known that it could differ from
    **{("other order id", status): OTHER_ID for status in (INITIATED, FAILED, CANCELLED, EXPIRED)},
    **{
        (answer, status): MISMATCH
        for answer in ("other amount", "no amount")
        for status in (INITIATED, FAILED, CANCELLED, EXPIRED)
    },
    ("other amount", PENDING): Verdict((INITIATED,), Attention.AMOUNT_MISMATCH),
    ("no amount", PENDING): Verdict((INITIATED,), Attention.AMOUNT_MISMATCH),
}

# After the deadline and its grace.
LATE = EARLY | {
    ("pending", PENDING): Verdict((INITIATED, EXPIRED)),
    ("pending", INITIATED): Verdict((EXPIRED,)),
    ("strange state", PENDING): Verdict((INITIATED, EXPIRED)),
    ("strange state", INITIATED): Verdict((EXPIRED,)),
    ("empty word", PENDING): Verdict((INITIATED, EXPIRED)),
    ("empty word", INITIATED): Verdict((EXPIRED,)),
    ("expired", PENDING): Verdict((INITIATED, EXPIRED)),
    ("another failed", PENDING): Verdict((INITIATED, EXPIRED)),
    # Our own deadline ends it, whatever another order came to.
    ("another failed", INITIATED): Verdict((EXPIRED,), Attention.ORDER_ID_MISMATCH),
    ("expired", INITIATED): Verdict((EXPIRED,)),
    ("unknown order", PENDING): Verdict((CANCELLED,)),
    ("unknown order", INITIATED): Verdict((EXPIRED,)),
}


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("answer", ANSWERS)
def test_judge_within_the_deadline_follows_the_table(answer, status):
    verdict = judge(order(status), ANSWERS[answer](), now=SOON)

    assert verdict == EARLY.get((answer, status), NOTHING)


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("answer", ANSWERS)
def test_judge_after_the_grace_follows_the_table(answer, status):
    verdict = judge(order(status), ANSWERS[answer](), now=AFTER_GRACE)

    assert verdict == LATE.get((answer, status), NOTHING)


@pytest.mark.parametrize("now", [SOON, LATER, AT_DEADLINE, AFTER_GRACE])
@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("answer", ANSWERS)
def test_judge_at_any_time_asks_only_for_legal_moves(answer, status, now):
    verdict = judge(order(status), ANSWERS[answer](), now=now)

    at = status
    for to in verdict.moves:
        assert to in MOVES[at]
        at = to


@pytest.mark.parametrize("answer", SILENT)
@pytest.mark.parametrize("status", Status)
def test_judge_without_an_answer_never_moves_an_order_however_late(answer, status):
    verdict = judge(order(status), ANSWERS[answer](), now=START + timedelta(days=30))

    assert verdict == NOTHING


@pytest.mark.parametrize(
    ("age", "verdict"),
    [(timedelta(seconds=119), NOTHING), (timedelta(seconds=120), Verdict((CANCELLED,)))],
)
def test_judge_pending_order_unknown_to_phonepe_is_cancelled_after_two_minutes(age, verdict):
    assert judge(order(PENDING), unknown(), now=START + age) == verdict


@pytest.mark.parametrize("answer", ["pending", "unknown order"])
@pytest.mark.parametrize(
    ("now", "verdict"),
    [(AFTER_GRACE - timedelta(seconds=1), NOTHING), (AFTER_GRACE, Verdict((EXPIRED,)))],
)
def test_judge_initiated_order_expires_after_deadline_and_grace(answer, now, verdict):
    assert judge(order(INITIATED), ANSWERS[answer](), now=now) == verdict


@pytest.mark.parametrize(
    ("now", "to"), [(AT_DEADLINE - timedelta(seconds=1), FAILED), (AT_DEADLINE, EXPIRED)]
)
def test_judge_failed_with_order_expired_is_expired_from_our_deadline_on(now, to):
    assert judge(order(INITIATED), ANSWERS["expired"](), now=now) == Verdict((to,))


def test_judge_order_id_longer_than_its_column_is_the_same_when_its_stored_part_is():
    known = order(INITIATED, gateway_order_id="O" * 64)

    verdict = judge(known, make.answer("COMPLETED", gateway_order_id="O" * 70), now=SOON)

    assert verdict == Verdict((SUCCESS,))
