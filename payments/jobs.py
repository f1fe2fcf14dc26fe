"""Procrastinate tasks: each calls one domain function. They are deferred in the transaction that causes them."""

from __future__ import annotations

from typing import Any

from procrastinate.contrib.django import app

from payments import refunds


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
