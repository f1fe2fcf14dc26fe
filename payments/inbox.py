"""Keep each webhook once, then hurry the order it names. A webhook decides nothing (wire reference §6.2)."""

from __future__ import annotations

import hashlib
from datetime import datetime

import structlog
from django.db import transaction
from django.db.models import F

from payments import claims, refunds
from payments.answers import masked
from payments.models import Refund, WebhookDelivery
from payments.states import REFUND_OPEN, Source
from phonepe_pg import Webhook, read_webhook

log = structlog.get_logger(__name__)

State = WebhookDelivery.State


@transaction.atomic(durable=True)
def receive(body: bytes, *, now: datetime) -> WebhookDelivery:
    """Store a callback whose header was found genuine, and hurry what it names. Safe to repeat.

    The same content again is only counted. Raises phonepe_pg.Malformed when `body` is no JSON object.
    """
    webhook = read_webhook(body)
    delivery, is_new = WebhookDelivery.objects.get_or_create(
        body_sha256=hashlib.sha256(body).hexdigest(),
        defaults={
            "received_at": now,
            "event": webhook.event[:64],
            "merchant_order_id": webhook.merchant_order_id[:63],
            "merchant_refund_id": webhook.merchant_refund_id[:63],
            "state": State.IGNORED,
            "body": masked(dict(webhook.raw)),
        },
    )
    if not is_new:
        WebhookDelivery.objects.filter(pk=delivery.pk).update(deliveries=F("deliveries") + 1)
        return delivery
    delivery.state = _act(webhook, now=now)
    delivery.save(update_fields=["state"])
    log.info(
        "webhook received",
        webhook_event=delivery.event,
        order=delivery.merchant_order_id,
        refund=delivery.merchant_refund_id,
        state=delivery.state,
    )
    return delivery


def _act(webhook: Webhook, *, now: datetime) -> WebhookDelivery.State:
    if webhook.merchant_refund_id or webhook.refund_id:
        return _hurry_refund(webhook)
    if not webhook.merchant_order_id:
        return State.IGNORED
    known = claims.nudge(webhook.merchant_order_id, source=Source.WEBHOOK, now=now)
    return State.NUDGED if known else State.PARKED


def _hurry_refund(webhook: Webhook) -> WebhookDelivery.State:
    open_refunds = Refund.objects.filter(state__in=REFUND_OPEN)
    if webhook.merchant_refund_id:
        found = open_refunds.filter(merchant_refund_id=webhook.merchant_refund_id).first()
    else:  # some failed refund callbacks lack our id (wire reference §6.4)
        found = open_refunds.filter(gateway_refund_id=webhook.refund_id).first()
    if found is None:
        return State.IGNORED
    refunds.pursue_soon(found, attempt=0)
    return State.NUDGED
