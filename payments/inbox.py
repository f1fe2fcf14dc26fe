"""Keep each webhook once, then hurry the order it names. A webhook decides nothing (wire reference §6.2).

A callback is committed before anything is made of it: what fails after that is done again by the checker
(`catch_up`) or by a person (`replay_webhooks`), and nothing that PhonePe sent is lost.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog
from django.conf import settings
from django.db import OperationalError, connection, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from psycopg.errors import LockNotAvailable

from payments import claims, contained, refunds
from payments.answers import masked
from payments.models import PaymentOrder, Refund, WebhookDelivery
from payments.states import REFUND_OPEN, Source
from phonepe_pg import read_webhook

log = structlog.get_logger(__name__)

State = WebhookDelivery.State
LOCK_WAIT_MS = 400  # PhonePe is to hear 200 within a second, whoever holds the order's row just now
LEFT_BEHIND_AFTER = timedelta(seconds=5)
CATCH_UP_LIMIT = 200
PRUNE_BATCH = 1000


def receive(body: bytes, *, now: datetime) -> WebhookDelivery:
    """Store a callback whose header was found genuine, and hurry what it names. Safe to repeat.

    The same content again is only counted. Raises phonepe_pg.Malformed when `body` is no JSON object.
    """
    delivery, is_new = _store(body, now=now)
    if is_new:
        delivery = _act_soon(delivery, now=now)
        log.info(
            "webhook received",
            webhook_event=delivery.event,
            order=delivery.merchant_order_id,
            refund=delivery.merchant_refund_id,
            state=delivery.state,
        )
    return delivery


@transaction.atomic(durable=True)
def _store(body: bytes, *, now: datetime) -> tuple[WebhookDelivery, bool]:
    webhook = read_webhook(body)
    delivery, is_new = WebhookDelivery.objects.get_or_create(
        body_sha256=hashlib.sha256(body).hexdigest(),
        defaults={
            "received_at": now,
            "event": webhook.event[:64],
            "merchant_order_id": webhook.merchant_order_id[:63],
            "merchant_refund_id": webhook.merchant_refund_id[:63],
            "gateway_refund_id": webhook.refund_id[:64],
            "state": State.RECEIVED,
            "body": masked(dict(webhook.raw)),
        },
    )
    if not is_new:
        WebhookDelivery.objects.filter(pk=delivery.pk).update(deliveries=F("deliveries") + 1)
    return delivery, is_new


def _act_soon(delivery: WebhookDelivery, *, now: datetime) -> WebhookDelivery:
    """Act if that can be done at once; what cannot is left to `catch_up`."""
    try:
        return act(delivery.pk, now=now, lock_wait_ms=LOCK_WAIT_MS)
    except OperationalError as error:
        if not isinstance(error.__cause__, LockNotAvailable):
            raise
        log.warning(
            "webhook stored; it will be acted on later",
            order=delivery.merchant_order_id,
            why=str(error).strip(),
        )
        return delivery


@transaction.atomic(durable=True)
def act(delivery_id: int, *, now: datetime, lock_wait_ms: int = 0) -> WebhookDelivery:
    """Hurry what a stored callback names, and note what became of it. Safe to repeat.

    Raises OperationalError when the order's row stays locked for `lock_wait_ms` (0: wait as long as it takes).
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [f"{lock_wait_ms}ms"])
    delivery = WebhookDelivery.objects.get(pk=delivery_id)
    delivery.state = _hurry(delivery, now=now)  # locks the order; checkout locks it before the webhook, too
    delivery.save(update_fields=["state"])
    return delivery


def catch_up(*, now: datetime) -> int:
    """Act on what was stored and left behind, and on parked callbacks whose order is here by now; how many."""
    here = Exists(PaymentOrder.objects.filter(merchant_order_id=OuterRef("merchant_order_id")))
    recent = now - timedelta(hours=settings.LATE_WATCH_HOURS)
    left_behind = WebhookDelivery.objects.filter(
        Q(state=State.RECEIVED, received_at__lt=now - LEFT_BEHIND_AFTER)
        | Q(Q(state=State.PARKED, received_at__gt=recent), here)
    )
    caught_up = 0
    for delivery in left_behind.order_by("pk")[:CATCH_UP_LIMIT]:
        act_soon = partial(_act_soon, delivery, now=now)
        acted = contained.attempt("a webhook could not be acted on", act_soon, webhook=delivery.pk)
        if acted is not None:
            caught_up += acted.state != delivery.state
            log.info("webhook caught up with", order=delivery.merchant_order_id, state=acted.state)
    return caught_up


def replay(ids: Iterable[int], *, now: datetime) -> Iterator[WebhookDelivery]:
    """Act on stored callbacks (again), each in a transaction of its own."""
    for pk in ids:
        yield act(pk, now=now)


def old(*, before: datetime) -> QuerySet[WebhookDelivery]:
    """Callbacks received before that instant. What was stored and never acted on stays: it is not done with."""
    return WebhookDelivery.objects.filter(received_at__lt=before).exclude(state=State.RECEIVED)


def prune(
    *,
    before: datetime,
    batch: int = PRUNE_BATCH,
    keep: Callable[[Sequence[dict[str, Any]]], None] = lambda rows: None,
) -> int:
    """Delete `old` callbacks in small batches, handing each to `keep` first; how many."""
    pruned = 0
    while rows := [dict(row) for row in old(before=before).order_by("received_at").values()[:batch]]:
        keep(rows)
        pruned += WebhookDelivery.objects.filter(pk__in=[row["id"] for row in rows]).delete()[0]
    return pruned


def _hurry(delivery: WebhookDelivery, *, now: datetime) -> WebhookDelivery.State:
    if delivery.merchant_refund_id or delivery.gateway_refund_id:
        return _hurry_refund(delivery)
    if not delivery.merchant_order_id:
        return State.IGNORED
    known = claims.nudge(delivery.merchant_order_id, source=Source.WEBHOOK, now=now)
    return State.NUDGED if known else State.PARKED


def _hurry_refund(delivery: WebhookDelivery) -> WebhookDelivery.State:
    open_refunds = Refund.objects.filter(state__in=REFUND_OPEN)
    if delivery.merchant_refund_id:
        found = open_refunds.filter(merchant_refund_id=delivery.merchant_refund_id).first()
    else:  # some failed refund callbacks lack our id (wire reference §6.4), and theirs is unknown without an answer
        theirs = Q(gateway_refund_id=delivery.gateway_refund_id)
        unanswered = Q(gateway_refund_id="", order__merchant_order_id=delivery.merchant_order_id)
        found = open_refunds.filter(theirs | unanswered).first()
    if found is None:
        return State.IGNORED
    refunds.pursue_soon(found, attempt=0)
    return State.NUDGED
