"""What the shop keeps for an order while it may still be paid: a seat, a slot, the last piece.

A hold begins with the order and ends when PhonePe has spoken, never by the clock alone. Several orders of
one reference share the hold; the last of them to end lets it go.
"""

from __future__ import annotations

from datetime import datetime

import structlog
from django.db import connection, transaction

from payments import shop, transitions
from payments.answers import Answer
from payments.models import PaymentEvent, PaymentOrder
from payments.states import CLOSED_UNPAID, FAILED, MISMATCHES, Fulfilment, Source

log = structlog.get_logger(__name__)

# Of the lock that puts the orders of one reference in line; `together` tries the same one.
LOCK_KEY = "hashtextextended('payments_hold ' || {}, 0)"


def begin(payable: shop.Payable) -> bool:
    """Let the shop keep what is about to be ordered; whether this shop keeps anything at all.

    The caller holds the transaction that opens the order. Raises NotPayable when nothing is left.
    """
    if not shop.keeps():
        return False
    _in_line(payable.reference)
    shop.hold(payable)
    return True


def ends(order: PaymentOrder, answer: Answer) -> bool:
    """Whether this answer ends the hold of a closed, unpaid order: PhonePe calls it dead. Pure."""
    is_closed = order.status in CLOSED_UNPAID and order.attention not in MISMATCHES
    return answer.is_dead and order.holding and is_closed


def end_if_spoken(order: PaymentOrder, answer: Answer, *, source: Source, now: datetime) -> None:
    """End the hold of an unpaid order that PhonePe has called dead, or that nobody asks about any more.

    The caller holds the transaction and the order's lock. After the whole watch `PAYMENTS["AFTER_WATCH"]`
    says whether the hold ends ("release") or a person ends it ("hold").
    """
    watch_is_over = (
        order.status in CLOSED_UNPAID and order.next_check_at is None and order.attention not in MISMATCHES
    )
    if ends(order, answer) or (watch_is_over and shop.releases_after_watch()):
        end(order, source=source, now=now)


def end(order: PaymentOrder, *, source: Source | str, now: datetime) -> bool:
    """End this order's hold and, when no other order of its reference has one, let the shop let go.

    The caller holds the transaction and the order's lock. The shop's function runs in a savepoint: when it
    raises, the hold stays and the audit finds it. Whether the hold ended.
    """
    if not order.holding:
        return True
    try:
        with transaction.atomic():
            PaymentOrder.objects.filter(pk=order.pk).update(holding=False)
            _in_line(order.cart_id)
            if not PaymentOrder.objects.filter(cart_id=order.cart_id, holding=True).exists():
                shop.release(order.cart_id)
    except Exception as bug:
        log.error("a hold could not be ended", order=order.merchant_order_id, exc_info=bug)
        return False
    order.holding = False
    transitions.record(order, PaymentEvent.Kind.RELEASED, source=source, now=now)
    return True


@transaction.atomic(durable=True)
def end_forgotten(order_id: int, *, now: datetime) -> bool:
    """End the hold of an order that needs none any more, as the audit finds them; whether it ended."""
    order = transitions.lock(order_id)
    is_dead = order.gateway_state == FAILED or order.next_check_at is None
    is_over = order.fulfilment in (Fulfilment.BOOKED, Fulfilment.UNFULFILLABLE) or (
        order.status in CLOSED_UNPAID and is_dead
    )
    return is_over and not order.attention and end(order, source="", now=now)


def _in_line(reference: str) -> None:
    """Put the orders of one reference in line until the transaction ends: who comes second sees the first."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT pg_advisory_xact_lock({LOCK_KEY.format('%s')})",
            [reference],
        )
