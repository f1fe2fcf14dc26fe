"""The auditor asks the other way round: each invariant as one SQL question whose answer should be empty."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import connection
from django.utils.module_loading import import_string

from payments import claims, completion
from payments.models import PaymentOrder
from payments.states import Source

ASK_AGAIN = "ask again"
FULFIL_AGAIN = "fulfil again"


@dataclass(frozen=True, slots=True)
class Question:
    """`sql` yields the merchant_order_id of every order that breaks the rule; `repair` is what is safe to do."""

    name: str
    rule: str
    sql: str
    repair: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One order that breaks one rule; `repaired` says what was done about it."""

    question: str
    rule: str
    merchant_order_id: str
    repaired: str = ""


QUESTIONS = (
    Question(
        "paid_without_delivery",
        "A paid order is delivered or given up within ten minutes.",
        """SELECT merchant_order_id FROM payments_order WHERE status = 'SUCCESS' AND fulfilment = 'DUE'
           AND completed_at < now() - interval '10 minutes'""",
        FULFIL_AGAIN,
    ),
    Question(
        "undeliverable_without_refund",
        "Money that buys nothing goes back or waits for a person.",
        """SELECT o.merchant_order_id FROM payments_order o WHERE o.fulfilment = 'UNFULFILLABLE'
           AND o.attention = '' AND NOT EXISTS (SELECT FROM payments_refund r WHERE r.order_id = o.id)""",
    ),
    Question(
        "two_deliveries_of_one_cart",
        "One cart is delivered for one order only.",
        """SELECT merchant_order_id FROM payments_order WHERE cart_id IN (
               SELECT cart_id FROM payments_order WHERE fulfilment = 'BOOKED' GROUP BY cart_id HAVING count(*) > 1
           ) AND fulfilment = 'BOOKED'""",
    ),
    Question(
        "refunded_more_than_paid",
        "No more is given back than was paid.",
        """SELECT o.merchant_order_id FROM payments_order o JOIN payments_refund r ON r.order_id = o.id
           WHERE r.state <> 'FAILED' GROUP BY o.id HAVING sum(r.amount) > o.amount""",
    ),
    Question(
        "gateway_says_paid",
        "What PhonePe calls COMPLETED is SUCCESS here, or before a person's eyes.",
        """SELECT merchant_order_id FROM payments_order
           WHERE gateway_state = 'COMPLETED' AND status <> 'SUCCESS' AND attention = ''""",
        ASK_AGAIN,
    ),
    Question(
        "paid_without_evidence",
        "An order is SUCCESS because PhonePe said COMPLETED.",
        """SELECT merchant_order_id FROM payments_order WHERE status = 'SUCCESS' AND gateway_state <> 'COMPLETED'""",
    ),
    Question(
        "open_and_unwatched",
        "Every open order has a time at which it is asked about again.",
        """SELECT merchant_order_id FROM payments_order
           WHERE status IN ('PENDING', 'INITIATED') AND next_check_at IS NULL AND attention = ''""",
        ASK_AGAIN,
    ),
    Question(
        "overdue",
        "No order waits more than ten minutes after it fell due.",
        """SELECT merchant_order_id FROM payments_order WHERE next_check_at < now() - interval '10 minutes'""",
    ),
    Question(
        "moved_without_event",
        "The last move in the audit trail led to the order's status.",
        """SELECT o.merchant_order_id FROM payments_order o WHERE o.status <> 'PENDING' AND o.status IS DISTINCT FROM (
               SELECT e.to_status FROM payments_event e WHERE e.order_id = o.id AND e.kind = 'moved'
               ORDER BY e.id DESC LIMIT 1
           ) AND EXISTS (SELECT FROM payments_event e WHERE e.order_id = o.id AND e.kind = 'created')""",
    ),
)


def questions() -> tuple[Question, ...]:
    """The engine's questions and those of the shop (`PAYMENTS["AUDIT"]`: a path to more of them)."""
    path = settings.PAYMENTS.get("AUDIT")
    return QUESTIONS + tuple(import_string(path) if path else ())


def audit(*, repair: bool, now: datetime) -> list[Finding]:
    """Ask every question. With `repair`, do what is safe: ask PhonePe again, or fulfil again."""
    found: list[Finding] = []
    for question in questions():
        with connection.cursor() as cursor:
            cursor.execute(question.sql)
            broken = [row[0] for row in cursor.fetchall()]
        for merchant_order_id in broken:
            done = _repair(question, merchant_order_id, now=now) if repair else ""
            found.append(Finding(question.name, question.rule, merchant_order_id, done))
    return found


def _repair(question: Question, merchant_order_id: str, *, now: datetime) -> str:
    order = PaymentOrder.objects.filter(merchant_order_id=merchant_order_id).first()
    if order is None or not question.repair:
        return ""
    if question.repair == FULFIL_AGAIN:
        return f"fulfilled again: {completion.fulfil_again(order.pk, now=now).fulfilment}"
    claims.nudge(merchant_order_id, source=Source.MANUAL, now=now)
    return "will be asked about again now"
