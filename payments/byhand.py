"""What a person does about an order. Each call leaves an event that names who did it."""

from __future__ import annotations

from datetime import datetime
from functools import partial

import structlog
from django.db import transaction
from django.utils import timezone

from payments import completion, fulfilment, holds, refunds, transitions
from payments.errors import Refusal
from payments.models import PaymentEvent, PaymentOrder
from payments.states import COMPLETED, MISMATCHES, OPEN, Attention, Fulfilment, Source, Status

log = structlog.get_logger(__name__)

ENDS_THE_HOLD = (*MISMATCHES, Attention.STILL_PENDING)


class NotSettleable(Refusal):
    """The order needs nobody, or what it needs is still to be done."""

    code = "not_settleable"
    status = 409


class NotDeliverable(Refusal):
    """The order was not refused by the shop, or its money is not here any more."""

    code = "not_deliverable"
    status = 409


def verify(merchant_order_id: str, *, by: str, within_s: float) -> PaymentOrder:
    """Ask PhonePe now and settle by the answer, as `completion.verify_by_hand`, for the person `by`.

    Raises NotFound, or TooManyRequests when this order was verified by hand a moment ago: nothing is asked
    and nothing recorded then.
    """
    started_at = timezone.now()
    order = completion.verify_by_hand(merchant_order_id, within_s=within_s, at_once=True)
    transitions.record(order, PaymentEvent.Kind.NUDGED, source=Source.MANUAL, now=started_at, by=by)
    return order


def settling_ends_the_hold(order: PaymentOrder) -> bool:
    """Whether a person who settles its attention also closes the order, should it be open, and lets its place go."""
    # What PhonePe says failed was another order: that says nothing of ours.
    is_of_another = order.attention == Attention.ORDER_ID_MISMATCH and order.gateway_state != COMPLETED
    return order.attention in ENDS_THE_HOLD and not is_of_another


@transaction.atomic(durable=True)
def settle_attention(
    merchant_order_id: str, *, by: str, reason: str, now: datetime, seen: str | None = None
) -> PaymentOrder:
    """Take the order from before people's eyes: `by` has seen to it, `reason` says how. No money moves.

    The same reason is not raised again while nothing new is heard, and what was still held for the order is let
    go. Raises NotFound, or NotSettleable when nothing needs a person, when it is something else than the attention
    that `by` has `seen`, or when the booking of a paid order is still being tried.
    """
    order = transitions.lock_named(merchant_order_id)
    why = order.attention
    if not why:
        raise NotSettleable("This order no longer needs attention.")
    if seen is not None and seen != why:
        raise NotSettleable("This order needs attention for another reason by now. Please review it again.")
    if why == Attention.FULFILMENT_FAILED:
        raise NotSettleable("The money is in and nothing is booked: try to book again, or refund it.")
    ends_the_hold = settling_ends_the_hold(order)
    transitions.set_attention(
        order, Attention.NONE, source=Source.MANUAL, now=now, settled=why, by=by, reason=reason
    )
    order.handled = why
    order.save(update_fields=["handled"])
    if ends_the_hold:
        if order.status in OPEN:  # nobody pays it again, and the cart goes on
            transitions.move(order, Status.CANCELLED, source=Source.MANUAL, now=now)
        holds.end(order, source=Source.MANUAL, now=now)
    log.info("attention settled", order=order.merchant_order_id, settled=why)
    return order


def book_anyway(merchant_order_id: str, *, by: str, reason: str, now: datetime) -> PaymentOrder:
    """Let the shop try once more to deliver an order that it refused and whose money is all still here.

    The shop may refuse again: then the policy decides about the money as it did before. Raises NotFound, or
    NotDeliverable when the order was not refused or some of its money went back.
    """
    return fulfilment.anew(partial(_book_anyway, merchant_order_id, by=by, reason=reason, now=now))


@transaction.atomic(durable=True)
def _book_anyway(
    merchant_order_id: str, *, by: str, reason: str, now: datetime, undelivered: Exception | None
) -> PaymentOrder:
    order = transitions.lock_named(merchant_order_id)
    if order.fulfilment != Fulfilment.UNFULFILLABLE or refunds.left_to_refund(order) != order.amount:
        raise NotDeliverable(
            "Only an order that was refused and of which nothing was given back can be booked."
        )
    order.fulfilment = Fulfilment.DUE
    order.save(update_fields=["fulfilment"])
    transitions.record(order, PaymentEvent.Kind.NUDGED, source=Source.MANUAL, now=now, by=by, reason=reason)
    transitions.set_attention(order, Attention.NONE, source=Source.MANUAL, now=now)
    completion.deliver_if_due(order, undelivered, source=Source.MANUAL, now=now)
    return order
