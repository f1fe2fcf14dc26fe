"""`replay_webhooks`: act on stored callbacks again."""

from __future__ import annotations

import json
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import QuerySet
from django.utils import timezone

from payments import inbox
from payments.models import WebhookDelivery

State = WebhookDelivery.State

EPILOG = """
A replay hurries the orders and refunds that the callbacks name, so that PhonePe is asked about them now. It
never decides anything, and may be repeated.

examples:
  manage.py replay_webhooks                      what was stored or parked and not acted on
  manage.py replay_webhooks --order OKP-...      everything received for this order
  manage.py replay_webhooks --all --hours 6      everything of the last six hours, after an outage
  manage.py replay_webhooks --all --dry-run      how many that would be
"""


class Command(BaseCommand):
    help = "Act on stored PhonePe webhooks again: by default on those that are not processed yet."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.formatter_class, parser.epilog = RawDescriptionHelpFormatter, EPILOG
        parser.add_argument("--all", action="store_true", help="also those that were acted on before")
        parser.add_argument("--order", metavar="MERCHANT_ORDER_ID", help="only of this order; implies --all")
        parser.add_argument("--hours", type=float, metavar="H", help="only what came in the last H hours")
        parser.add_argument("--dry-run", action="store_true", help="list them, change nothing")
        parser.add_argument("--json", action="store_true", help="one JSON line per webhook, then a summary")

    def handle(self, *, dry_run: bool, json: bool, **options: Any) -> None:
        found = self._chosen(**options)
        if dry_run:
            deliveries = iter(found)
        else:
            deliveries = inbox.replay(list(found.values_list("pk", flat=True)), now=timezone.now())
        counts: dict[str, int] = {}
        for delivery in deliveries:
            counts[delivery.state] = counts.get(delivery.state, 0) + 1
            self._tell(delivery, as_json=json)
        self._sum_up(counts, dry_run=dry_run, as_json=json)

    def _chosen(
        self, *, all: bool, order: str | None, hours: float | None, **_: Any
    ) -> QuerySet[WebhookDelivery]:
        if hours is not None and not 0 < hours < 24 * 3650:
            raise CommandError("--hours must be more than 0.")
        found = WebhookDelivery.objects.order_by("received_at", "pk")
        if order:
            found = found.filter(merchant_order_id=order)
            if not found.exists():
                raise CommandError(f"No webhook was received for {order}.")
        elif not all:
            found = found.filter(state__in=[State.RECEIVED, State.PARKED])
        if hours is not None:
            found = found.filter(received_at__gte=timezone.now() - timedelta(hours=hours))
        return found

    def _tell(self, delivery: WebhookDelivery, *, as_json: bool) -> None:
        names = delivery.merchant_order_id or delivery.merchant_refund_id or delivery.gateway_refund_id or "-"
        if as_json:
            line = {"at": delivery.received_at.isoformat(), "event": delivery.event, "names": names}
            self.stdout.write(json.dumps(line | {"state": delivery.state}))
        else:
            at = timezone.localtime(delivery.received_at)
            self.stdout.write(f"{at:%d %b %Y %H:%M:%S}  {delivery.event or '-'}  {names}  {delivery.state}")

    def _sum_up(self, counts: dict[str, int], *, dry_run: bool, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps({"summary": counts, "replayed": not dry_run}))
            return
        what = ", ".join(f"{count} {state}" for state, count in sorted(counts.items())) or "none"
        self.stdout.write(f"{'Found' if dry_run else 'Replayed'}: {what}.")
