"""Stuck orders of another system: what PhonePe says of each, what would become of it, and doing just that.

An order is taken in by `checkout.adopt` and settled by `completion.settle`, as any other: the money is
booked or refunded by the same rules, and everything is in the audit trail. Doing it again changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum

from django.conf import settings
from django.utils import timezone

from payments import checkout, completion, shop
from payments.answers import Answer
from payments.errors import NotFound
from payments.models import PaymentOrder
from payments.records import Row
from payments.shop import Payable
from payments.states import CLOSED_UNPAID, OPEN, Fulfilment, Source, Status

PAID_TWICE = "its cart was paid by another order"
CART_IS_BUSY = "another payment of its cart is open; run this again later"


class Outcome(StrEnum):
    """What becomes of an order; the value is said to people."""

    BOOKED = "booked"
    REFUNDED = "given back"
    PERSON = "put before a person"
    WATCHED = "still open at PhonePe, watched from now on"
    UNPAID = "not paid, nothing to do"
    UNKNOWN = "unknown to PhonePe, nothing to do"
    SETTLED = "settled here before"
    LEFT = "left as it is"


MOVES_MONEY = (Outcome.BOOKED, Outcome.REFUNDED, Outcome.PERSON)
TO_BE_TAKEN_IN = (*MOVES_MONEY, Outcome.WATCHED)


@dataclass(frozen=True, slots=True)
class Case:
    """An order of the other system, and what becomes of it. `paise` is what PhonePe took, else the row's amount."""

    row: Row
    outcome: Outcome
    why: str = ""
    paise: int = 0
    answer: Answer | None = None


class Rescue:
    """Looks at row after row; remembers which carts it has seen paid, so that the second is to be refunded."""

    def __init__(self) -> None:
        self._paid_by: dict[str, str] = {}
        self._seen: set[str] = set()

    def judge(self, row: Row) -> Case:
        """Ask PhonePe and say what would become of the order. Changes nothing."""
        if row.merchant_order_id in self._seen:
            return _case(row, Outcome.LEFT, "named before in this file")
        self._seen.add(row.merchant_order_id)
        known = completion.find(row.merchant_order_id)
        if known is not None and (known.attention or known.fulfilment not in ("", Fulfilment.DUE)):
            return _case(row, Outcome.SETTLED, known.fulfilment_reference)
        answer = completion.ask_in_turn(row.merchant_order_id)
        if not answer.is_answer:
            return _case(row, Outcome.LEFT, f"PhonePe gave no answer ({answer.state}); run this again")
        case = self._by_answer(row, answer)
        if case.outcome == Outcome.BOOKED:
            self._paid_by[row.cart_id] = row.merchant_order_id
        return replace(case, answer=answer)

    def _by_answer(self, row: Row, answer: Answer) -> Case:
        if answer.status is None:
            return _case(row, Outcome.UNKNOWN)
        if answer.status.failed:
            return _case(row, Outcome.UNPAID, answer.status.detailed_error_code)
        others = PaymentOrder.objects.filter(cart_id=row.cart_id).exclude(
            merchant_order_id=row.merchant_order_id
        )
        if others.open().exists():
            return _case(row, Outcome.LEFT, CART_IS_BUSY)
        if not answer.status.completed:
            return _case(row, Outcome.WATCHED, answer.status.state)
        taken = answer.status.amount_paise or 0
        if taken != row.amount_paise:
            return _case(row, Outcome.PERSON, "PhonePe took another sum than the row says", taken)
        if row.gateway_order_id and answer.status.order_id[:64] != row.gateway_order_id:
            return _case(row, Outcome.PERSON, "PhonePe's order id is not the row's", taken)
        why = self._hindrance(row)
        if not why:
            return _case(row, Outcome.BOOKED, paise=taken)
        return _case(row, Outcome.REFUNDED if shop.refunds_unfulfillable() else Outcome.PERSON, why, taken)

    def _hindrance(self, row: Row) -> str:
        """Why the money buys nothing; "" when it does."""
        others = PaymentOrder.objects.paid().filter(cart_id=row.cart_id)
        paid_here = others.exclude(merchant_order_id=row.merchant_order_id).exists()
        if paid_here or self._paid_by.get(row.cart_id, row.merchant_order_id) != row.merchant_order_id:
            return PAID_TWICE
        return payable(row).hindrance


def payable(row: Row) -> Payable:
    """What the row's money is for; with a hindrance when the shop cannot say, or has it no more."""
    try:
        found = shop.rescued(row.cart_id, row.columns, amount_paise=row.amount_paise)
    except NotFound as unknown:
        found = Payable(row.cart_id, row.amount_paise, hindrance=str(unknown))
    return replace(found, reference=row.cart_id, amount_paise=row.amount_paise)


def carry_out(case: Case) -> Case:
    """Take the order in and settle it by the answer that it was judged by; what really became of it."""
    if case.outcome not in TO_BE_TAKEN_IN or case.answer is None:
        return case
    now = timezone.now()
    order = completion.find(case.row.merchant_order_id) or _adopt(case.row)
    if order is None:
        return replace(case, outcome=Outcome.LEFT, why=CART_IS_BUSY)
    return _became(case, completion.settle(order.pk, case.answer, source=Source.MANUAL, now=now))


def _adopt(row: Row) -> PaymentOrder | None:
    now = timezone.now()
    unsaid = now - timedelta(seconds=settings.PAYMENT_EXPIRE_AFTER)
    return checkout.adopt(
        payable(row),
        merchant_order_id=row.merchant_order_id,
        gateway_order_id=row.gateway_order_id,
        created_at=min(row.created_at or unsaid, now),
        now=now,
    )


def _became(case: Case, order: PaymentOrder) -> Case:
    if order.fulfilment == Fulfilment.BOOKED:
        return replace(case, outcome=Outcome.BOOKED, why=order.fulfilment_reference)
    if order.attention:
        return replace(case, outcome=Outcome.PERSON, why=case.why or order.get_attention_display())
    if order.fulfilment == Fulfilment.UNFULFILLABLE:
        return replace(case, outcome=Outcome.REFUNDED)
    if order.status == Status.SUCCESS:
        return replace(case, outcome=Outcome.LEFT, why="the shop's function raised; the checker tries again")
    watched = order.next_check_at is not None and order.status in (*OPEN, *CLOSED_UNPAID)
    return replace(case, outcome=Outcome.WATCHED if watched else Outcome.UNPAID)


def rescue(rows: Iterator[Row], *, apply: bool) -> Iterator[Case]:
    """Row after row: what would become of it, or with `apply` what did."""
    look = Rescue()
    for row in rows:
        case = look.judge(row)
        yield carry_out(case) if apply else case


def _case(row: Row, outcome: Outcome, why: str = "", paise: int | None = None) -> Case:
    return Case(row, outcome, why, row.amount_paise if paise is None else paise)
