"""`prune_records`: let audit trails and webhooks older than N days go, to a file first if wanted."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Console
from rich.progress import Progress

from payments import inbox, retention


class Command(BaseCommand):
    help = (
        "Delete audit events and webhook records older than N days, in small batches that hold nobody up. Trails go "
        "whole, and only those of orders that are closed, no longer watched and undisputed; orders, refunds and "
        "bookings always stay. Safe to break off and to run again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--older-than", type=int, required=True, metavar="DAYS")
        parser.add_argument(
            "--archive", type=Path, metavar="FILE.jsonl.gz", help="add what is deleted to this file first"
        )
        parser.add_argument("--dry-run", action="store_true", help="count only")

    def handle(self, *, older_than: int, archive: Path | None, dry_run: bool, **options: Any) -> None:
        watched = settings.LATE_WATCH_HOURS / 24
        if older_than <= watched:
            raise CommandError(f"--older-than must be more than the late watch of {watched:g} days.")
        if archive and not archive.parent.is_dir():
            raise CommandError(f"There is no folder {archive.parent}.")
        before = timezone.now() - timedelta(days=older_than)
        if dry_run:
            events, webhooks = retention.count_events(before=before), inbox.old(before=before).count()
            self.stdout.write(f"{events} events and {webhooks} webhooks would be deleted.")
            return
        try:
            keep = retention.Archive(archive).keep if archive else retention.forget
            events = self._prune_events(retention.prune_events(before=before, keep=keep))
            webhooks = retention.prune_webhooks(before=before, keep=keep)
        except retention.DamagedArchive as error:
            raise CommandError(f"{error}. Move it away; the next run begins another.") from error
        kept = f", archived in {archive}" if archive else ""
        self.stdout.write(f"{events} events and {webhooks} webhooks deleted{kept}.")

    def _prune_events(self, batches: Any) -> int:
        deleted = 0
        with Progress(console=Console(stderr=True), disable=not self.stderr.isatty()) as progress:
            task = progress.add_task("audit trails", total=1.0)
            for count, share in batches:
                deleted += count
                progress.update(task, completed=share, description=f"audit trails: {deleted} events")
        return deleted
