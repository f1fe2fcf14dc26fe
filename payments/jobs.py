"""Procrastinate tasks: each calls one domain function. They are deferred in the transaction that causes them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Max, Q
from django.utils import timezone
from procrastinate import RetryStrategy
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob
from procrastinate.exceptions import UniqueViolation
from procrastinate.jobs import Status

from payments import audit, inbox, refunds, retention

# Whatever stopped a job, a database that went away say: a refund is pursued until it is final.
AGAIN = RetryStrategy(wait=5, linear_wait=10)
HEARTBEAT = timedelta(seconds=30)  # three of a living worker's
LONGEST = timedelta(minutes=5)  # a mail or a refund takes no minute
# What goes over all that is kept may: a whole audit 25 s per million orders (measured). Not without end: one whose
# end could not be written down would hold up every later one.
LONGEST_OVER_ALL = timedelta(hours=2)
OVER_ALL = ("payments.audit", "payments.prune_webhooks")


@app.task(name=refunds.PURSUE, retry=AGAIN)
def pursue_refund(*, refund_id: int, attempt: int) -> None:
    """Send a refund or ask what became of it; it defers its own next look."""
    refunds.pursue(refund_id, attempt=attempt)


@app.periodic(cron="*/2 * * * *")
@app.task(
    name="payments.revive_stalled_jobs", queueing_lock="payments.revive_stalled_jobs", pass_context=True
)
async def revive_stalled_jobs(context: Any, timestamp: int) -> None:
    """Put jobs that were cut off back into the queue; every job of ours is safe to repeat."""
    manager, now = context.app.job_manager, timezone.now()
    async for job_id in _cut_off(now):
        try:
            await manager.retry_job_by_id_async(job_id, retry_at=now)
        except UniqueViolation:
            # It had deferred its successor. Left as it is, it would hold the lock that the successor waits for.
            await manager.finish_job_by_id_async(job_id, Status.FAILED, delete_job=True)


def _cut_off(now: datetime) -> Any:
    """Ids of jobs whose worker died, or lives on and could not write down their end."""
    begun = ProcrastinateJob.objects.filter(status="doing")
    begun = begun.annotate(
        begun_at=Max("procrastinateevent__at", filter=Q(procrastinateevent__type="started"))
    )
    is_dead = Q(worker=None) | Q(worker__last_heartbeat__lt=now - HEARTBEAT)
    is_stuck = Q(begun_at__lt=now - LONGEST) & ~Q(task_name__in=OVER_ALL)
    is_stuck |= Q(begun_at__lt=now - LONGEST_OVER_ALL)
    return begun.filter(is_dead | is_stuck).order_by("pk").values_list("pk", flat=True)


def retry_failed(*, now: datetime) -> int:
    """Let every job that gave up for good run again; how many. Each of ours is safe to repeat."""
    failed = ProcrastinateJob.objects.filter(status="failed").order_by("pk").values_list("pk", flat=True)
    for job_id in (ids := list(failed)):
        app.job_manager.retry_job_by_id(job_id, retry_at=now)
    return len(ids)


@app.periodic(cron="*/5 * * * *")
@app.task(name="payments.audit", queueing_lock="payments.audit", lock="payments.audit")
def audit_regularly(timestamp: int) -> None:
    """Ask the auditor's questions, once a day about everything; repair what is safe, note what was found."""
    audit.run(now=timezone.now())


@app.periodic(cron="47 21 * * *")  # UTC: at night in India
@app.task(name="payments.prune_webhooks", queueing_lock="payments.prune_webhooks")
def prune_webhooks(timestamp: int) -> None:
    """Delete webhook records older than `PAYMENTS["KEEP_WEBHOOK_DAYS"]`; ignore those whose order never came."""
    now = timezone.now()
    retention.ignore_parked(now=now)
    inbox.prune(before=now - timedelta(days=retention.webhook_days()))
