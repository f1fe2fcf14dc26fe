"""`verify_payment`: verify and complete one order now."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from payments import completion, gateway
from payments.models import PaymentEvent, PaymentOrder
from payments.states import CLOSED_UNPAID, Fulfilment, Source, Status

WAIT_S = 20.0
PAID, PENDING, CLOSED, UNKNOWN = 0, 2, 3, 4


class Command(BaseCommand):
    help = (
        "Ask PhonePe about one order now and complete it. "
        "Exit code: 0 SUCCESS, 2 still pending, 3 failed, cancelled or expired, 4 no such order."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("merchant_order_id", metavar="MERCHANT_ORDER_ID", nargs="?", default="")

    def handle(self, *, merchant_order_id: str, **options: Any) -> None:
        if not merchant_order_id:  # argparse would exit with 2, which says "still pending"
            raise CommandError("Which order? Give its id: verify_payment MERCHANT_ORDER_ID.")
        before = completion.find(merchant_order_id)
        if before is None:
            self.stderr.write(f"There is no order {merchant_order_id}.")
            sys.exit(UNKNOWN)
        order = completion.verify(before, source=Source.MANUAL, within_s=WAIT_S)
        gateway.close()
        hindered = _hindered(before, order)
        if hindered:
            self.stderr.write(hindered)
        why = f" ({order.failure_code})" if order.failure_code else ""
        attention = f"; needs a person: {order.get_attention_display()}" if order.attention else ""
        self.stdout.write(f"{order.merchant_order_id}: {order.status}{why}{_delivery(order)}{attention}")
        if order.status == Status.SUCCESS:
            sys.exit(PAID)
        sys.exit(CLOSED if order.status in CLOSED_UNPAID else PENDING)


def _hindered(before: PaymentOrder, order: PaymentOrder) -> str:
    """Why nothing new is known; "" when PhonePe has spoken, or the money is in and nothing is left to do."""
    is_waiting = order.status != Status.SUCCESS and order.answered_at == before.answered_at
    if not is_waiting and order.fulfilment != Fulfilment.DUE:
        return ""
    if before.is_claimed(timezone.now()) and order.is_claimed(timezone.now()):
        return "Another process is asking about this order or delivering it just now; look again in a moment."
    return f"PhonePe did not answer{_trouble(before, order)}; the order stays watched." if is_waiting else ""


def _trouble(before: PaymentOrder, order: PaymentOrder) -> str:
    """What came in place of an answer, in brackets; "" when nothing came."""
    if order.asks == before.asks:
        return ""
    last = order.events.filter(kind=PaymentEvent.Kind.ANSWERED).order_by("pk").last()
    message = last.detail.get("message") if last else None
    return f" ({message})" if message else ""


def _delivery(order: PaymentOrder) -> str:
    """What was given for the money; "" when none has come."""
    if order.fulfilment == Fulfilment.BOOKED:
        return f", booking {order.fulfilment_reference}"
    if order.fulfilment == Fulfilment.UNFULFILLABLE:
        return ", paid and refused by the shop"
    if order.fulfilment != Fulfilment.DUE:
        return ""
    tries = f": the shop's function raised {order.fulfil_attempts} times" if order.fulfil_attempts else ""
    again = None if order.is_claimed(timezone.now()) else order.next_check_at
    at = f"; tried again at {timezone.localtime(again):%d %b %Y %H:%M:%S}" if again else ""
    return f", paid and NOT delivered{tries}{at}"
