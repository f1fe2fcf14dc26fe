"""`verify_payment`: verify and complete one order now."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from payments import completion, gateway
from payments.states import CLOSED_UNPAID, Source, Status

WAIT_S = 20.0
PAID, PENDING, CLOSED, UNKNOWN = 0, 2, 3, 4


class Command(BaseCommand):
    help = (
        "Ask PhonePe about one order now and complete it. "
        "Exit code: 0 SUCCESS, 2 still pending, 3 failed, cancelled or expired, 4 no such order."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("merchant_order_id", metavar="MERCHANT_ORDER_ID")

    def handle(self, *, merchant_order_id: str, **options: Any) -> None:
        order = completion.find(merchant_order_id)
        if order is None:
            self.stderr.write(f"There is no order {merchant_order_id}.")
            sys.exit(UNKNOWN)
        asked_before = order.asks
        order = completion.verify(order, source=Source.MANUAL, within_s=WAIT_S)
        gateway.close()
        if order.status != Status.SUCCESS and order.asks == asked_before:
            self.stderr.write("PhonePe gave no answer just now; the order stays watched.")
        booking = f", booking {order.fulfilment_reference}" if order.fulfilment_reference else ""
        why = f" ({order.failure_code})" if order.failure_code else ""
        self.stdout.write(f"{order.merchant_order_id}: {order.status}{why}{booking}")
        if order.status == Status.SUCCESS:
            sys.exit(PAID)
        sys.exit(CLOSED if order.status in CLOSED_UNPAID else PENDING)
