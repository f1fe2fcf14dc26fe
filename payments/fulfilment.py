"""A paid order → the shop's delivery. A failure here never takes back that the money came."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import TypeVar

import structlog
from django.db import DatabaseError, InterfaceError, transaction
from django.db.models import F

from payments import contained, holds, refunds, schedule, shop, transitions, wakeups
from payments.errors import NotRefundable, Unfulfillable
from payments.models import PaymentEvent, PaymentOrder
from payments.states import Attention, Fulfilment, Source

T = TypeVar("T")
log = structlog.get_logger(__name__)

MAX_CRASHES = 3  # in a row; the first may have been another order's
ATTENTION_AFTER = 3  # raised this often, a person should look while we go on trying
SLOW_S = 2.0


class ProcessEnded(Exception):
    """Delivering has ended the process that it ran in, time and again."""


class Spoiled(Exception):
    """Delivering has spoiled the transaction that it ran in, by a lost connection say; it has to be given up."""


def anew(work: Callable[..., T], *, claimed: int | None = None) -> T:
    """Do `work(undelivered=None)`, a transaction that may deliver; should that spoil it, once more without the shop.

    The second time, and when the order of the id `claimed` has ended too many processes, `undelivered` is what is
    to be noted in place of delivering.
    """
    crashes = _count_crash(claimed) if claimed else 0
    try:
        return work(undelivered=ProcessEnded() if crashes > MAX_CRASHES else None)
    except Spoiled as bug:
        return work(undelivered=bug)
    except Exception:
        if claimed and crashes:
            _take_back_crash(claimed)
        raise


def _count_crash(order_id: int) -> int:
    """Count this try, should its order have lost a process before: whatever ends this one takes back all the rest."""
    crashed = PaymentOrder.objects.filter(pk=order_id, crash_count__gt=0)
    counted = crashed.update(crash_count=F("crash_count") + 1)
    # None when another has settled it in this moment.
    return (crashed.values_list("crash_count", flat=True).first() or 0) if counted else 0


def _take_back_crash(order_id: int) -> None:
    """This process lives, whatever else went wrong; should the database be away, the next try will say so."""
    with suppress(DatabaseError, InterfaceError):
        PaymentOrder.objects.filter(pk=order_id, crash_count__gt=1).update(crash_count=F("crash_count") - 1)


def deliver(order: PaymentOrder, *, source: Source, now: datetime) -> None:
    """Let the shop deliver a SUCCESS order whose fulfilment is DUE, and note what came of it.

    The caller holds the transaction and the order's lock. The shop's function runs in a savepoint, and so
    does the writing of its reference: what was written before it raised is undone, the record of the
    money is not. Raises Spoiled: then the caller does its work `anew`, with `try_again_later` in place of this.
    """
    try:
        _deliver(order, source=source, now=now)
    except Exception as bug:
        if contained.connection_is_gone():
            raise Spoiled from bug
        raise


def _deliver(order: PaymentOrder, *, source: Source, now: datetime) -> None:
    if refunds.left_to_refund(order) == 0:
        _give_up(order, "All the money was given back before it was delivered.", source=source, now=now)
        return
    try:
        with transaction.atomic(), contained.limited_waiting():
            reference = _ask_shop(order)
            booked = {"fulfilment": Fulfilment.BOOKED, "fulfilment_reference": reference}
            PaymentOrder.objects.filter(pk=order.pk).update(**booked)
    except Unfulfillable as refusal:
        _give_up(order, refusal.reason, source=source, now=now)
    except Exception as bug:  # any shop's code runs here, and the money must stay recorded
        if contained.connection_is_gone():
            raise
        try_again_later(order, bug, source=source, now=now)
    else:
        order.fulfilment, order.fulfilment_reference = Fulfilment.BOOKED, reference
        transitions.record(order, PaymentEvent.Kind.FULFILLED, source=source, now=now, reference=reference)
        if order.attention == Attention.FULFILMENT_FAILED:
            transitions.set_attention(order, Attention.NONE, source=source, now=now)
        holds.end(order, source=source, now=now)
        wakeups.notify(wakeups.CHANGED, order.cart_id)


def _ask_shop(order: PaymentOrder) -> str:
    began = time.monotonic()
    reference = shop.fulfil(shop.PaidOrder.of(order))
    took_s = time.monotonic() - began
    if took_s > SLOW_S:
        log.warning(
            "fulfilment is slow, and other payments wait for it",
            order=order.merchant_order_id,
            took_ms=round(took_s * 1000),
        )
    return reference


def _give_up(order: PaymentOrder, reason: str, *, source: Source, now: datetime) -> None:
    order.fulfilment = Fulfilment.UNFULFILLABLE
    order.save(update_fields=["fulfilment"])
    transitions.record(order, PaymentEvent.Kind.UNFULFILLABLE, source=source, now=now, reason=reason)
    holds.end(order, source=source, now=now)
    wakeups.notify(wakeups.CHANGED, order.cart_id)
    log.warning("paid order cannot be fulfilled", order=order.merchant_order_id, reason=reason)
    is_settled = refunds.left_to_refund(order) == 0 or _refund(order, reason, now=now)
    if not is_settled:
        transitions.set_attention(order, Attention.UNFULFILLABLE, source=source, now=now, reason=reason)
    elif order.attention == Attention.FULFILMENT_FAILED:
        transitions.set_attention(order, Attention.NONE, source=source, now=now)


def _refund(order: PaymentOrder, reason: str, *, now: datetime) -> bool:
    """Open the refund that the policy asks for; False when a person has to see to the money."""
    if not shop.refunds_unfulfillable():
        return False
    try:
        with transaction.atomic():  # should it fail, that the money came stays recorded
            refunds.open_refund(order, amount_paise=None, reason=reason, requested_by="policy", now=now)
    except NotRefundable:
        return False  # a part of it is on its way back already, and what is left must wait for that
    except Exception:
        log.exception("the refund could not be started", order=order.merchant_order_id)
        return False
    return True


def try_again_later(order: PaymentOrder, bug: Exception, *, source: Source, now: datetime) -> None:
    """Note that delivering raised `bug`, and when it is tried again; the caller holds the order's lock."""
    order.fulfil_attempts += 1
    if isinstance(bug, ProcessEnded):
        order.fulfil_attempts = max(order.fulfil_attempts, ATTENTION_AFTER)
        order.crash_count = MAX_CRASHES - 1  # the next try costs one process
    order.next_check_at = schedule.next_fulfilment(now=now, attempts=order.fulfil_attempts)
    order.leased_until = None
    order.save(update_fields=["fulfil_attempts", "next_check_at", "leased_until", "crash_count"])
    transitions.record(
        order, PaymentEvent.Kind.FULFILMENT_RAISED, source=source, now=now, error=type(bug).__name__
    )
    log.error("fulfilment raised; it will be tried again", order=order.merchant_order_id, exc_info=bug)
    # A refund's trouble is not covered by this one.
    if order.fulfil_attempts >= ATTENTION_AFTER and not order.attention:
        transitions.set_attention(order, Attention.FULFILMENT_FAILED, source=source, now=now)
