"""`prune_webhooks`: delete old webhook records in small batches."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from payments import inbox, retention


class Command(BaseCommand):
    help = (
        "Delete stored webhooks older than N days, in batches that lock nothing for long. The checker does the "
        "same once a day. What was never acted on stays."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--days", type=int, metavar="N", help='default: PAYMENTS["KEEP_WEBHOOK_DAYS"], 90 unless set'
        )

    def handle(self, *, days: int | None, **options: Any) -> None:
        days = retention.webhook_days() if days is None else days
        if days < 1:
            raise CommandError("--days must be at least 1.")
        pruned = inbox.prune(before=timezone.now() - timedelta(days=days))
        self.stdout.write(f"{pruned} webhooks deleted.")
