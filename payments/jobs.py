"""Procrastinate tasks: each calls one domain function. They are deferred in the transaction that causes them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone
from procrastinate.contrib.django import app

from payments import audit, inbox, refunds

KEEP_WEBHOOK_DAYS = 90


@app.task(name=refunds.PURSUE)
def pursue_refund(*, refund_id: int, attempt: int) -> None:
    """Send a refund or ask what became of it; it defers its own next look."""
    refunds.pursue(refund_id, attempt=attempt)


@app.periodic(cron="*/2 * * * *")
@app.task(
    name="payments.revive_stalled_jobs", queueing_lock="payments.revive_stalled_jobs", pass_context=True
)
async def revive_stalled_jobs(context: Any, timestamp: int) -> None:
    """Put jobs whose worker died back into the queue; every job of ours is safe to repeat."""
    for job in await context.app.job_manager.get_stalled_jobs():
        await context.app.job_manager.retry_job(job)


@app.periodic(cron="*/5 * * * *")
@app.task(name="payments.audit", queueing_lock="payments.audit", lock="payments.audit")
def audit_regularly(timestamp: int) -> None:
    """Ask the auditor's questions, repair what is safe, and note what was found."""
    audit.run(now=timezone.now())


@app.periodic(cron="17 3 * * *")
@app.task(name="payments.prune_webhooks", queueing_lock="payments.prune_webhooks")
def prune_webhooks(timestamp: int) -> None:
    """Delete webhook records that are older than `PAYMENTS["KEEP_WEBHOOK_DAYS"]`."""
    days = int(settings.PAYMENTS.get("KEEP_WEBHOOK_DAYS", KEEP_WEBHOOK_DAYS))
    inbox.prune(before=timezone.now() - timedelta(days=days))
