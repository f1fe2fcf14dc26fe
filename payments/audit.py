"""The auditor asks the other way round: each invariant as one SQL question whose answer should be empty.

Once a day it asks about everything. In between a run looks at what may have broken since the last one: at the
orders that an event names, and at what was found broken and may still be. A run is noted when it is complete, so
that one which failed leaves no gap: the next begins where the last complete one began.
"""

from __future__ import annotations

import time as clock
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from functools import partial
from typing import Any

import structlog
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone
from django.utils.module_loading import import_string

from payments import claims, completion, contained, holds, inbox, refunds, transitions
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
WHOLE_AT = "03:30"  # local time
OVERLAP = timedelta(minutes=5)  # events get their time before they are committed; and clocks differ
AT_ONCE = 200  # keys in one statement: few enough that an index is the cheaper way to them

# What a question is asked about between whole audits: the keys of the orders that were touched.
ORDERS = "SELECT merchant_order_id FROM payments_order WHERE id = ANY (%(touched)s)"
CARTS = "SELECT cart_id FROM payments_order WHERE id = ANY (%(touched)s)"
ALWAYS_ALL = ""  # all that it reads is a small index of rows that wait

TOUCHED = (
    """SELECT order_id, bool_or(kind <> 'answered') FROM payments_event WHERE at >= %(since)s GROUP BY 1"""
)
# Most answers leave an order waiting as it was, and waiting for another: nothing can have broken by them.
TOLD_SOMETHING = """SELECT id FROM payments_order WHERE id = ANY (%(keys)s) AND (
    next_check_at IS NULL OR status = 'SUCCESS' OR gateway_state NOT IN ('', 'PENDING')
)"""


@dataclass(frozen=True, slots=True)
class Question:
    """`sql` yields the merchant_order_id of every order that breaks the rule; `repair` is what is safe to do.

    Between whole audits only rows are wanted whose `key`, a column of an index, is among those that `lately`
    yields: "name" is the first column, any other has to be the last one. `patience` is how long after its last
    event an order may begin to break the rule.
    """

    name: str
    rule: str
    sql: str
    repair: str = ""
    lately: str = ORDERS
    key: str = "name"
    patience: timedelta = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Finding:
    """One order that breaks one rule; `repaired` says what was done about it, `key` where to look again."""

    question: str
    rule: str
    merchant_order_id: str
    repaired: str = ""
    key: str | int = ""


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
        """SELECT o.merchant_order_id FROM payments_order o WHERE o.fulfilment = 'BOOKED' AND EXISTS (
               SELECT FROM payments_order other
               WHERE other.cart_id = o.cart_id AND other.fulfilment = 'BOOKED' AND other.id <> o.id
           )""",
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
        lately=ALWAYS_ALL,
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
        ALWAYS_ALL,
    ),
    Question(
        "webhook_left_behind",
        "Every stored webhook is acted on within ten minutes.",
        """SELECT merchant_order_id FROM payments_webhook
           WHERE state = 'received' AND received_at < now() - interval '10 minutes'""",
        CATCH_UP,
        ALWAYS_ALL,
    ),
)


def questions() -> tuple[Question, ...]:
    """The engine's questions and those of the shop (`PAYMENTS["AUDIT"]`: a path to more of them)."""
    path = settings.PAYMENTS.get("AUDIT")
    return QUESTIONS + tuple(import_string(path) if path else ())


def audit(*, repair: bool, now: datetime, last: AuditRun | None = None) -> list[Finding]:
    """Ask every question. With `repair`, do what is safe and put what is left before a person.

    With `last`, a run that is complete, only about what was touched since and what was broken then.
    """
    found: list[Finding] = []
    lately = _Lately(last) if last else None
    for question in questions():
        for merchant_order_id, key in _broken(question, lately):
            if question.repair == ATTEND and _was_dealt_with(question, merchant_order_id):
                continue
            done = _repaired(question, merchant_order_id, now=now) if repair else ""
            found.append(Finding(question.name, question.rule, merchant_order_id, done, key))
    return found


def run(*, now: datetime) -> AuditRun:
    """Audit, repair what is safe, and note for the metrics, for people and for the next run what was found."""
    started = clock.monotonic()
    last = None if _is_whole_due(now) else AuditRun.objects.filter(broken__isnull=False).latest("at")
    found = audit(repair=True, now=now, last=last)
    took_ms = round((clock.monotonic() - started) * 1000)
    made = _note(found, at=now, took_ms=took_ms, is_whole=last is None)
    report = log.error if found else log.info
    report("audit done", findings=made.findings, took_ms=took_ms, whole=made.is_whole)
    return made


def _is_whole_due(now: datetime) -> bool:
    """Whether no audit has been whole since the last time of day at which one is due, here or by an older release."""
    at = time.fromisoformat(settings.PAYMENTS.get("WHOLE_AUDIT_AT", WHOLE_AT))
    local = timezone.localtime(now)
    day = local.date() if local.time() >= at else local.date() - timedelta(days=1)
    due = timezone.make_aware(datetime.combine(day, at))
    runs = AuditRun.objects
    return not (
        runs.filter(is_whole=True, at__gte=due).exists() and runs.filter(broken__isnull=False).exists()
    )


@transaction.atomic(durable=True)
def _note(found: Sequence[Finding], *, at: datetime, took_ms: int, is_whole: bool) -> AuditRun:
    broken: dict[str, list[str | int]] = defaultdict(list)
    for finding in found:
        broken[finding.question].append(finding.key)
    AuditRun.objects.filter(at__lt=at - KEEP_RUNS).delete()
    AuditRun.objects.filter(broken__isnull=False).update(broken=None)
    counts = dict(Counter(finding.question for finding in found))
    return AuditRun.objects.create(
        at=at, took_ms=took_ms, findings=counts, is_whole=is_whole, broken=dict(broken)
    )


class _Lately:
    """The keys that each question is asked about when everything was asked about before."""

    def __init__(self, last: AuditRun) -> None:
        self._last = last
        self._touched: dict[timedelta, list[int]] = {}
        self._keys: dict[tuple[str, timedelta], set[Any]] = {}

    def keys(self, question: Question) -> list[Any]:
        which = (question.lately, question.patience)
        if which not in self._keys:
            touched = self._touched_within(question.patience)
            self._keys[which] = {key for (key,) in _ask(question.lately, touched=touched)}
        return sorted(self._keys[which] | set((self._last.broken or {}).get(question.name, ())))

    def _touched_within(self, patience: timedelta) -> list[int]:
        if patience not in self._touched:
            since = self._last.at - OVERLAP - patience
            events = dict(_rows(TOUCHED, {"since": since}))
            answered = [order_id for order_id, is_changed in events.items() if not is_changed]
            told = [order_id for (order_id,) in _ask(TOLD_SOMETHING, keys=answered)]
            self._touched[patience] = told + [
                order_id for order_id, is_changed in events.items() if is_changed
            ]
        return self._touched[patience]


def _broken(question: Question, lately: _Lately | None) -> list[tuple[str, str | int]]:
    """The name and the key of all that breaks this rule, among what was touched `lately` or among all."""
    if lately is None or not question.lately:
        rows = _rows(question.sql)
    else:
        rows = list(_ask(_among(question, f"{question.key} = ANY (%(keys)s)"), keys=lately.keys(question)))
    return [(row[0], row[-1] if isinstance(row[-1], int) else str(row[-1])) for row in rows]


def _among(question: Question, condition: str) -> str:
    # PostgreSQL looks the condition up in the index of the column that `name` or the key stands for. A "%" of
    # the question's own is no parameter.
    sql = question.sql.replace("%", "%%")
    return f"SELECT * FROM ({sql}) AS broken (name) WHERE {condition}"  # noqa: S608


def _ask(sql: str, **keys: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
    """What `sql` yields for its one list of keys, some of them at a time."""
    ((name, values),) = keys.items()
    for first in range(0, len(values), AT_ONCE):
        yield from _rows(sql, {name: list(values[first : first + AT_ONCE])})


def _rows(sql: str, parameters: dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())


def _repaired(question: Question, merchant_order_id: str, *, now: datetime) -> str:
    """What was done about it, or that this failed: one order's trouble stops no audit."""
    repair = partial(_repair, question, merchant_order_id, now=now)
    facts = {"order": merchant_order_id, "question": question.name}
    done = contained.attempt("what the audit found could not be repaired", repair, **facts)
    return "could not be repaired: the log says why" if done is None else done


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
    return bool(_rows(_among(question, "name = %(name)s"), {"name": merchant_order_id}))


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
