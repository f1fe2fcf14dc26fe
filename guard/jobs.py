"""Procrastinate tasks of the guard."""

from __future__ import annotations

from django.utils import timezone
from procrastinate.contrib.django import app

from guard import buckets


@app.periodic(cron="*/10 * * * *")
@app.task(name="guard.prune", queueing_lock="guard.prune")
def prune(timestamp: int) -> None:
    """Forget callers who have not come for a while."""
    buckets.prune(now=timezone.now())
