"""Who may ask about an order now. A claim is a later date, not a state: a dead holder's claim ends by itself.

The statements that work on many orders are SQL: one UPDATE of 200 rows is 15 times cheaper than 200
commits (measured), and a claim must be one statement, or two checkers could take the same order.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from django.db import connection, transaction
from django.db.models import Case, F, Q, When
from django.db.models.base import ModelState
from django.db.models.functions import Greatest

from payments import asked, durable, schedule, wakeups
from payments.answers import Answer
from payments.models import PaymentEvent, PaymentOrder
from payments.states import Source, Status

# Longer than a question can take (gateway.ASK_LIMIT_S) and its answer needs to be written down.
LEASE = timedelta(seconds=20)

# What is needed to ask, to judge and to report; the rest (a snapshot, a pay page, ten instants) comes when asked
# for. Building whole rows of 200 orders costs as much as all other writing about them.
CLAIMED = (
    "id", "merchant_order_id", "cart_id", "amount", "status", "created_at", "expires_at", "gateway_order_id",
    "fulfilment", "fulfilment_reference", "holding", "attention", "handled", "nudged_by", "leased_until",
    "crash_count",
)  # fmt: skip
# Who ends a claim empties `leased_until`: where it is found full, its holder was lost, or slow, or could not settle.
CRASH_COUNT = Greatest(F("crash_count"), Case(When(leased_until__isnull=False, then=1), default=0))
DUE = """
        SELECT id FROM payments_order
        WHERE next_check_at <= %(due_by)s AND (leased_until IS NULL OR leased_until <= %(now)s)
        ORDER BY next_check_at {end} LIMIT {limit}
        FOR NO KEY UPDATE SKIP LOCKED
"""
# An array is made once; a plan may run the subquery of an IN, and its LIMIT, per row. Both halves read one
# partial index, from its two ends; what both find, when little is due, is taken once.
CLAIM = f"""
    UPDATE payments_order SET
        leased_until = %(until)s,
        next_check_at = %(until)s,
        crash_count = greatest(crash_count, (leased_until IS NOT NULL)::int)
    WHERE id = ANY (
        ARRAY({DUE.format(end="ASC", limit="%(longest)s")}) || ARRAY({DUE.format(end="DESC", limit="%(latest)s")})
    )
    RETURNING {", ".join(CLAIMED)}
"""  # noqa: S608  our own columns

# One JSON text instead of an array per column: psycopg would build each array element by element.
PUT_BACK = """
    WITH told AS (
        SELECT * FROM jsonb_to_recordset(%(waiting)s::jsonb) AS t(
            id bigint, lease timestamptz, source text, asked_at timestamptz, answered_at timestamptz,
            after_ms int, state text, next_check_at timestamptz, detail jsonb
        )
    ), recorded AS (
        INSERT INTO payments_event (order_id, at, kind, source, from_status, to_status, detail)
        SELECT id, %(now)s, 'answered', source, '', '', detail FROM told
    )
    UPDATE payments_order o SET
        leased_until = NULL,
        crash_count = 0,
        asks = o.asks + 1,
        asked_after_ms = (o.asked_after_ms || v.after_ms)[greatest(1, cardinality(o.asked_after_ms) + 2 - %(keep)s):],
        asked_at = v.asked_at,
        answered_at = coalesce(v.answered_at, o.answered_at),
        gateway_state = coalesce(v.state, o.gateway_state),
        nudged_at = CASE WHEN o.nudged_at >= v.asked_at THEN NULL ELSE o.nudged_at END,
        next_check_at = CASE WHEN o.nudged_at >= v.asked_at THEN %(now)s ELSE v.next_check_at END,
        nudged_by = CASE WHEN o.nudged_at >= v.asked_at OR v.answered_at IS NULL THEN o.nudged_by ELSE '' END
    FROM told v
    WHERE o.id = v.id AND o.leased_until = v.lease
"""


RELEASE = """
    UPDATE payments_order o SET leased_until = NULL, next_check_at = %(until)s
    FROM jsonb_to_recordset(%(claims)s::jsonb) AS c(id bigint, lease timestamptz)
    WHERE o.id = c.id AND o.leased_until = c.lease
"""


NEXT_DUE = """
    SELECT next_check_at FROM payments_order WHERE next_check_at IS NOT NULL ORDER BY next_check_at LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A claimed order whose answer changes nothing, and when to ask again (None: never)."""

    order: PaymentOrder
    answer: Answer
    source: Source
    next_check_at: datetime | None


def claim_due(
    *, now: datetime, limit: int, due_by: datetime | None = None, lease: timedelta = LEASE
) -> list[PaymentOrder]:
    """Take up to `limit` orders due now (or at `due_by`, if given); nobody else gets them until the lease
    ends or they are put back.

    When more are due than may be asked about, half of those taken are the longest due and half the latest:
    a tail that has piled up does not keep a new or a hurried order waiting, nor the other way round.
    """
    latest = (limit + random.getrandbits(1)) // 2
    claim = {"now": now, "due_by": due_by or now, "until": now + lease}
    with durable.one_statement(), connection.cursor() as cursor:
        cursor.execute(CLAIM, claim | {"longest": limit - latest, "latest": latest})
        return [_claimed(row) for row in cursor.fetchall()]


def _claimed(row: Sequence[Any]) -> PaymentOrder:
    """What `PaymentOrder.from_db` makes, at an eighth of its cost: that one visits all fields for a dozen."""
    order = PaymentOrder.__new__(PaymentOrder)
    order._state = ModelState()
    order._state.adding, order._state.db = False, connection.alias
    order.__dict__.update(zip(CLAIMED, row, strict=True))
    return order


def claim_one(
    order_id: int, *, now: datetime, not_asked_since: datetime | None = None, lease: timedelta = LEASE
) -> PaymentOrder | None:
    """Take this order whether due or not; None when somebody else is asking about it.

    With `not_asked_since` also None when somebody asked at that moment or later: the check belongs into
    the claim, or whoever read the row before that answer came would ask once more.
    """
    free = PaymentOrder.objects.filter(pk=order_id).unclaimed(now)
    if not_asked_since is not None:
        lately = Q(asked_at__gte=not_asked_since, asked_at__lte=now + schedule.CLOCK)
        free = free.filter(Q(asked_at__isnull=True) | ~lately)
    until = now + lease
    with transaction.atomic(durable=True):
        taken = free.update(leased_until=until, next_check_at=until, crash_count=CRASH_COUNT)
        return PaymentOrder.objects.get(pk=order_id) if taken else None


def put_back(waiting: Sequence[Waiting], *, now: datetime) -> int:
    """Record answers that change nothing and set the next check of each order, all in one statement; how many.

    An order that was hurried while it was being asked about is due again at once, once: the answer may be
    older than the reason to hurry. One whose lease ran out is somebody else's by now and left alone.
    """
    rows = [
        {
            "id": one.order.pk,
            "lease": one.order.leased_until,
            "source": one.source,
            "asked_at": one.answer.asked_at,
            "after_ms": asked.after_ms(one.order, one.answer),
            "answered_at": now if one.answer.is_answer else None,
            "state": one.answer.status.state[:32] if one.answer.status else None,
            "next_check_at": one.next_check_at,
            "detail": one.answer.evidence(),
        }
        for one in waiting
    ]
    with durable.one_statement(), connection.cursor() as cursor:
        cursor.execute(PUT_BACK, {"now": now, "waiting": as_json(rows), "keep": asked.KEEP})
    return len(rows)


def as_json(rows: Sequence[dict[str, Any]]) -> str:
    """Rows for a statement's `jsonb_to_recordset`; instants are written to the microsecond."""
    return orjson.dumps(rows).decode()


def release(orders: Sequence[PaymentOrder], *, until: datetime) -> None:
    """Give claims up without an answer; the orders are due at `until` and anybody may claim them then."""
    rows = [{"id": order.pk, "lease": order.leased_until} for order in orders]
    with connection.cursor() as cursor:
        cursor.execute(RELEASE, {"until": until, "claims": as_json(rows)})


def nudge(merchant_order_id: str, *, source: Source, now: datetime) -> bool:
    """Make an order due now and wake the checkers; False when there is no such order.

    An order that is paid has nothing to hurry; one that is closed is asked about all the same, since
    money may come late.
    """
    with transaction.atomic():
        order = (
            PaymentOrder.objects.select_for_update(of=("self",), no_key=True)
            .filter(merchant_order_id=merchant_order_id)
            .first()
        )
        if order is None:
            return False
        if order.status == Status.SUCCESS:
            return True
        order.nudged_at, order.nudged_by = now, source
        if not order.is_claimed(now):
            order.next_check_at = min(order.next_check_at or now, now)
        # else whoever asks just now puts it back as due, seeing that it was hurried meanwhile
        order.save(update_fields=["nudged_at", "nudged_by", "next_check_at"])
        PaymentEvent.objects.create(order=order, at=now, kind=PaymentEvent.Kind.NUDGED, source=source)
        wakeups.notify(wakeups.DUE)
        return True


def next_due() -> datetime | None:
    """When the next order falls due (maybe in the past); None when nothing is waiting."""
    with connection.cursor() as cursor:
        cursor.execute(NEXT_DUE)
        found = cursor.fetchone()
    return found[0] if found else None
