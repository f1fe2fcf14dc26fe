"""Procrastinate tasks: each calls one domain function. They are deferred in the transaction that causes them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import structlog
from django.conf import settings
from django.utils import timezone
from procrastinate.contrib.django import app
from procrastinate.exceptions import UniqueViolation
from procrastinate.jobs import Status as JobStatus
from procrastinate.manager import JobManager

from payments import audit, inbox, refunds

log = structlog.get_logger(__name__)

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
    await revive(context.app.job_manager)


async def revive(manager: JobManager) -> None:
    """As `revive_stalled_jobs`. One that had queued its own next look before it died is done with."""
    for job in await manager.get_stalled_jobs():
        assert job.id is not None
        try:
            await manager.retry_job(job)
        except UniqueViolation:
            await manager.finish_job_by_id_async(job.id, JobStatus.SUCCEEDED, delete_job=True)
            log.info("stalled job had a successor in the queue", task=job.task_name)


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
