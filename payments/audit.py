"""The auditor asks the other way round: each invariant as one SQL question whose answer should be empty."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import connection, transaction
from django.utils.module_loading import import_string

from payments import claims, completion, holds, inbox, refunds, transitions
from payments.models import AuditRun, PaymentEvent, PaymentOrder, Refund
from payments.states import REFUND_OPEN, Attention, Source

log = structlog.get_logger(__name__)

ASK_AGAIN = "ask again"
FULFIL_AGAIN = "fulfil again"
END_HOLD = "end the hold"
PURSUE_REFUND = "pursue the refund"
CATCH_UP = "act on the webhook"
ATTEND = "put it before a person"
KEEP_RUNS = timedelta(days=30)


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
        "A paid order is delivered or given up within ten minutes, or waits for a person.",
        """SELECT merchant_order_id FROM payments_order WHERE status = 'SUCCESS' AND fulfilment = 'DUE'
           AND attention = '' AND completed_at < now() - interval '10 minutes'""",
        FULFIL_AGAIN,
    ),
    Question(
        "undeliverable_without_refund",
        "Money that buys nothing goes back, all of it, or waits for a person.",
        """SELECT o.merchant_order_id FROM payments_order o WHERE o.fulfilment = 'UNFULFILLABLE'
           AND o.attention = '' AND o.handled NOT IN ('unfulfillable', 'refund_failed') AND o.amount > (
               SELECT coalesce(sum(r.amount), 0) FROM payments_refund r
               WHERE r.order_id = o.id AND r.state <> 'FAILED'
           )""",
        ATTEND,
    ),
    Question(
        "two_deliveries_of_one_cart",
        "One cart is delivered for one order only.",
        """SELECT merchant_order_id FROM payments_order WHERE cart_id IN (
               SELECT cart_id FROM payments_order WHERE fulfilment = 'BOOKED' GROUP BY cart_id HAVING count(*) > 1
           ) AND fulfilment = 'BOOKED'""",
        ATTEND,
    ),
    Question(
        "refunded_more_than_paid",
        "No more is given back than was paid.",
        """SELECT o.merchant_order_id FROM payments_order o JOIN payments_refund r ON r.order_id = o.id
           WHERE r.state <> 'FAILED' GROUP BY o.id HAVING sum(r.amount) > o.amount""",
        ATTEND,
    ),
    Question(
        "gateway_says_paid",
        "What PhonePe calls COMPLETED is SUCCESS here, or before a person's eyes.",
        """SELECT merchant_order_id FROM payments_order
           WHERE gateway_state = 'COMPLETED' AND status <> 'SUCCESS' AND attention = ''
               AND handled NOT IN ('amount_mismatch', 'order_id_mismatch')""",
        ASK_AGAIN,
    ),
    Question(
        "paid_without_evidence",
        "An order is SUCCESS because PhonePe said COMPLETED.",
        """SELECT merchant_order_id FROM payments_order WHERE status = 'SUCCESS' AND gateway_state <> 'COMPLETED'""",
        ATTEND,
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
        ATTEND,
    ),
    Question(
        "closed_and_still_held",
        "What was kept for an order is let go when the order has ended.",
        """SELECT merchant_order_id FROM payments_order WHERE holding AND attention = '' AND (
               fulfilment IN ('BOOKED', 'UNFULFILLABLE')
               OR status IN ('FAILED', 'CANCELLED', 'EXPIRED')
                   AND (gateway_state = 'FAILED' OR next_check_at IS NULL)
           )""",
        END_HOLD,
    ),
    Question(
        "refund_failed_unseen",
        "An order whose last refund failed is before a person, or was settled by one.",
        """SELECT o.merchant_order_id FROM payments_refund r JOIN payments_order o ON o.id = r.order_id
           WHERE r.state = 'FAILED' AND o.attention = '' AND o.handled <> 'refund_failed' AND NOT EXISTS (
               SELECT FROM payments_refund later WHERE later.order_id = r.order_id AND later.id > r.id
           )""",
        ATTEND,
    ),
    Question(
        "refund_left_alone",
        "Every refund on its way has a job that pursues it.",
        """SELECT o.merchant_order_id FROM payments_refund r JOIN payments_order o ON o.id = r.order_id
           WHERE r.state IN ('DUE', 'PENDING', 'CONFIRMED') AND NOT EXISTS (
               SELECT FROM procrastinate_jobs j WHERE j.task_name = 'payments.pursue_refund'
               AND j.status IN ('todo', 'doing') AND (j.args ->> 'refund_id')::bigint = r.id
           )""",
        PURSUE_REFUND,
    ),
    Question(
        "webhook_left_behind",
        "Every stored webhook is acted on within ten minutes.",
        """SELECT merchant_order_id FROM payments_webhook
           WHERE state = 'received' AND received_at < now() - interval '10 minutes'""",
        CATCH_UP,
    ),
)


def questions() -> tuple[Question, ...]:
    """The engine's questions and those of the shop (`PAYMENTS["AUDIT"]`: a path to more of them)."""
    path = settings.PAYMENTS.get("AUDIT")
    return QUESTIONS + tuple(import_string(path) if path else ())


def audit(*, repair: bool, now: datetime) -> list[Finding]:
    """Ask every question. With `repair`, do what is safe and put what is left before a person."""
    found: list[Finding] = []
    for question in questions():
        with connection.cursor() as cursor:
            cursor.execute(question.sql)
            broken = [row[0] for row in cursor.fetchall()]
        for merchant_order_id in broken:
            if question.repair == ATTEND and _was_dealt_with(question, merchant_order_id):
                continue
            done = _repair(question, merchant_order_id, now=now) if repair else ""
            found.append(Finding(question.name, question.rule, merchant_order_id, done))
    return found


def run(*, now: datetime) -> AuditRun:
    """Audit, repair what is safe, and note for the metrics and for people what was found."""
    started = time.monotonic()
    counts = Counter(finding.question for finding in audit(repair=True, now=now))
    took_ms = round((time.monotonic() - started) * 1000)
    AuditRun.objects.filter(at__lt=now - KEEP_RUNS).delete()
    made = AuditRun.objects.create(at=now, took_ms=took_ms, findings=dict(counts))
    report = log.error if counts else log.info
    report("audit done", findings=dict(counts), took_ms=took_ms)
    return made


def _repair(question: Question, merchant_order_id: str, *, now: datetime) -> str:
    order = PaymentOrder.objects.filter(merchant_order_id=merchant_order_id).first()
    if question.repair == CATCH_UP:
        return f"acted on {inbox.catch_up(now=now)} webhooks"
    if order is None or not question.repair:
        return ""
    return REPAIRS[question.repair](order, question, now)


def _was_dealt_with(question: Question, merchant_order_id: str) -> bool:
    """Whether a person was shown that this order breaks this rule, and has settled it."""
    order = PaymentOrder.objects.filter(merchant_order_id=merchant_order_id, attention="").first()
    shown = PaymentEvent.objects.filter(order=order, kind=PaymentEvent.Kind.ATTENTION)
    return order is not None and shown.filter(detail__question=question.name).exists()


def _is_still_broken(question: Question, merchant_order_id: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT EXISTS (SELECT FROM ({question.sql}) AS broken (name) WHERE name = %s)",  # noqa: S608
            [merchant_order_id],
        )
        return bool(cursor.fetchone()[0])


def _fulfil_again(order: PaymentOrder, question: Question, now: datetime) -> str:
    return f"fulfilled again: {completion.fulfil_again(order.pk, now=now).fulfilment}"


def _ask_again(order: PaymentOrder, question: Question, now: datetime) -> str:
    claims.nudge(order.merchant_order_id, source=Source.AUDIT, now=now)
    return "will be asked about again now"


def _end_hold(order: PaymentOrder, question: Question, now: datetime) -> str:
    return "no longer held" if holds.end_forgotten(order.pk, now=now) else "still held"


def _pursue_refund(order: PaymentOrder, question: Question, now: datetime) -> str:
    for refund in Refund.objects.filter(order=order, state__in=REFUND_OPEN):
        refunds.pursue_soon(refund, attempt=0)
    return "the refund is pursued again"


@transaction.atomic(durable=True)
def _attend(order: PaymentOrder, question: Question, now: datetime) -> str:
    locked = transitions.lock(order.pk)
    if not _is_still_broken(question, order.merchant_order_id):
        return "put right meanwhile"
    if not locked.attention:
        transitions.set_attention(
            locked,
            Attention.AUDIT,
            source=Source.AUDIT,
            now=now,
            question=question.name,
            reason=question.rule,
        )
    return "put before a person"


REPAIRS: dict[str, Callable[[PaymentOrder, Question, datetime], str]] = {
    FULFIL_AGAIN: _fulfil_again,
    ASK_AGAIN: _ask_again,
    END_HOLD: _end_hold,
    PURSUE_REFUND: _pursue_refund,
    ATTEND: _attend,
}
