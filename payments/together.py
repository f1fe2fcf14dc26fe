"""Settle many paid orders in one short transaction: the plain case of `completion.settle`, and only that.

Plain is an INITIATED order that PhonePe calls COMPLETED with the right sum, the only one of its cart, with
nothing else going on. Those are nearly all; one after the other they would cost ten times as much, most of
it in statements (see docs/performance.md, "The sweep"). Whatever is not plain, or is in somebody's hands
just now, is left to `settle`. Nothing here but a single delivery waits for a lock.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import structlog
from django.db import InterfaceError, OperationalError, connection, transaction

from payments import contained, fulfilment, holds, shop, transitions, wakeups
from payments.answers import Answer
from payments.claims import as_json
from payments.models import PaymentEvent, PaymentOrder
from payments.states import Fulfilment, Source, Status
from payments.transitions import Verdict

log = structlog.get_logger(__name__)

AT_ONCE = 100  # a transaction of some 50 ms
Kind = PaymentEvent.Kind

# Who is the only order of its cart cannot become the second while `holds.begin` finds the cart locked.
LOCK = f"""
SELECT o.* FROM payments_order o
WHERE o.id = ANY (%(ids)s)
    AND NOT EXISTS (SELECT FROM payments_order other WHERE other.cart_id = o.cart_id AND other.id <> o.id)
    AND CASE WHEN o.id = ANY (%(ids)s) AND o.holding  -- SQL does not say which AND comes first; CASE does
        THEN pg_try_advisory_xact_lock({holds.LOCK_KEY.format("o.cart_id")}) ELSE true END
ORDER BY o.id FOR NO KEY UPDATE OF o SKIP LOCKED
"""  # noqa: S608  our own key
COLUMNS = {
    "asks": "int", "leased_until": "timestamptz", "asked_at": "timestamptz", "answered_at": "timestamptz",
    "gateway_state": "text", "status": "text", "completed_at": "timestamptz", "completed_by": "text",
    "fulfilment": "text", "failure_code": "text", "paid_at": "timestamptz", "payment_mode": "text", "utr": "text",
    "gateway_order_id": "text", "next_check_at": "timestamptz", "nudged_by": "text", "asked_after_ms": "int[]",
    "crash_count": "int",
}  # fmt: skip
PAID = f"""
UPDATE payments_order o SET {", ".join(f"{name} = v.{name}" for name in COLUMNS)}
FROM jsonb_to_recordset(%(rows)s::jsonb) AS v(id bigint, {", ".join(map(" ".join, COLUMNS.items()))})
WHERE o.id = v.id
"""  # noqa: S608  our own columns
BOOKED = """
UPDATE payments_order o SET fulfilment = 'BOOKED', fulfilment_reference = v.reference, holding = false
FROM jsonb_to_recordset(%(rows)s::jsonb) AS v(id bigint, reference text)
WHERE o.id = v.id
"""
RECORD = """
INSERT INTO payments_event (order_id, at, kind, source, from_status, to_status, detail)
SELECT order_id, %(now)s, kind, source, coalesce(from_status, ''), coalesce(to_status, ''), coalesce(detail, '{}')
FROM jsonb_to_recordset(%(rows)s::jsonb) AS v(
    order_id bigint, kind text, source text, from_status text, to_status text, detail jsonb
)
"""


def looks_plain(order: PaymentOrder, answer: Answer) -> bool:
    """Whether it is worth trying, by what was known when the order was claimed.

    One whose last holder was lost may end this process as well: it shall not take the others with it.
    """
    is_paid = answer.status is not None and answer.status.completed
    return order.status == Status.INITIATED and is_paid and not order.crash_count


@transaction.atomic(durable=True)
def settle(answered: Sequence[tuple[PaymentOrder, Answer]], *, now: datetime) -> dict[int, PaymentOrder]:
    """Settle what is plain among these claimed orders, one answer for each; the settled ones by their id.

    Safe to repeat and to race. Each is recorded, moved and delivered as `completion.settle` does it, by the
    same rules. What the shop does not deliver with the others is delivered as a single one would be, before
    the commit: nobody shall see it paid and not yet booked. Raises fulfilment.Spoiled when delivering together
    lost the connection or waited too long for a lock: nothing was written, and each is for `completion.settle`.
    """
    answers = {order.pk: answer for order, answer in answered}
    sources = {order.pk: order.noticed_by for order, _ in answered}
    locked = PaymentOrder.objects.raw(LOCK, {"ids": list(answers)})
    paid = [order for order in locked if _is_plain(order, answers[order.pk], now=now)]
    if not paid:
        return {}
    events = []
    for order in paid:
        answer, source = answers[order.pk], sources[order.pk]
        events.append(_event(order, Kind.ANSWERED, source, detail=answer.evidence()))
        transitions.note_answer(order, answer, now=now)
        events.append(_event(order, Kind.MOVED, source, from_status=order.status, to_status=Status.SUCCESS))
        transitions.set_status(order, Status.SUCCESS, source=source, now=now, status=answer.status)
        order.next_check_at, order.nudged_by = None, ""
    _write(PAID, [{"id": order.pk} | {name: getattr(order, name) for name in COLUMNS} for order in paid])
    _write(RECORD, events, now=now)
    _note_delivered(paid, sources, _deliver(paid), now=now)
    wakeups.notify_many(wakeups.CHANGED, [order.cart_id for order in paid])
    for order in paid:
        transitions.log_move(order, Status.INITIATED, source=sources[order.pk])
    return {order.pk: order for order in paid}


def _is_plain(order: PaymentOrder, answer: Answer, *, now: datetime) -> bool:
    is_newest = order.asked_at is None or answer.asked_at >= order.asked_at
    is_calm = is_newest and not order.attention
    verdict = transitions.judge(order, answer, now=now)
    return is_calm and looks_plain(order, answer) and verdict == Verdict((Status.SUCCESS,))


def _deliver(paid: Sequence[PaymentOrder]) -> dict[str, str]:
    """What the shop delivered of them, by merchant_order_id; nothing when it raised, and then nothing is written."""
    try:
        with transaction.atomic(), contained.limited_waiting():
            references = shop.fulfil_many([shop.PaidOrder.of(order) for order in paid])
            booked = [
                {"id": order.pk, "reference": references[order.merchant_order_id]}
                for order in paid
                if order.merchant_order_id in references
            ]
            _write(BOOKED, booked)
    except (OperationalError, InterfaceError) as error:
        # One that has waited for a lock would be followed by all the others, in this transaction.
        raise fulfilment.Spoiled from error
    except Exception:
        log.warning("paid orders are delivered one by one", orders=len(paid), exc_info=True)
        return {}
    return references


def _note_delivered(
    paid: Sequence[PaymentOrder], sources: dict[int, Source], references: dict[str, str], *, now: datetime
) -> None:
    events = []
    for order in paid:
        reference, source = references.get(order.merchant_order_id), sources[order.pk]
        if reference is None:
            fulfilment.deliver(order, source=source, now=now)
            continue
        order.fulfilment, order.fulfilment_reference = Fulfilment.BOOKED, reference
        events.append(_event(order, Kind.FULFILLED, source, detail={"reference": reference}))
        if order.holding:
            order.holding = False
            events.append(_event(order, Kind.RELEASED, source))
    _write(RECORD, events, now=now)


def _event(order: PaymentOrder, kind: Kind, source: Source, **more: Any) -> dict[str, Any]:
    return {"order_id": order.pk, "kind": kind, "source": source, **more}


def _write(statement: str, rows: Sequence[dict[str, Any]], **parameters: Any) -> None:
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(statement, {"rows": as_json(rows), **parameters})
