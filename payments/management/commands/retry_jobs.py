"""`retry_jobs`: let jobs that gave up for good run again."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from payments import jobs


class Command(BaseCommand):
    help = "Let mails, refunds and other jobs that gave up for good run again, once their cause is mended."

    def handle(self, **options: Any) -> None:
        count = jobs.retry_failed(now=timezone.now())
        self.stdout.write(f"{count} job{'' if count == 1 else 's'} will run again.")
