"""Jobs whose worker died are done all the same."""

from __future__ import annotations

import asyncio

import pytest
from django.db import connection
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob

from payments import jobs, refunds

pytestmark = pytest.mark.django_db(transaction=True)


def stalled(refund_id: int, *, queueing_lock: str | None) -> None:
    """A job that a worker took and died over."""
    with connection.cursor() as cursor:
        cursor.execute(
            """WITH dead AS (
                   INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '1 hour') RETURNING id
               )
               INSERT INTO procrastinate_jobs (queue_name, task_name, lock, queueing_lock, args, status, worker_id)
               SELECT 'default', %s, %s, %s, jsonb_build_object('refund_id', %s::int, 'attempt', 1), 'doing', id
               FROM dead""",
            [refunds.PURSUE, f"refund-{refund_id}", queueing_lock, refund_id],
        )


def queued(refund_id: int) -> None:
    lock = f"refund-{refund_id}"
    app.configure_task(refunds.PURSUE, lock=lock, queueing_lock=lock, schedule_in={"seconds": 60}).defer(
        refund_id=refund_id, attempt=2
    )


def revive() -> None:
    async def run() -> None:
        async with app.with_connector(app.connector.get_worker_connector()).open_async() as worker_app:
            await jobs.revive(worker_app.job_manager)

    asyncio.run(run())


def found() -> list[tuple[int, str]]:
    rows = ProcrastinateJob.objects.order_by("id").values_list("args", "status")
    return [(arguments["refund_id"], status) for arguments, status in rows]


def test_stalled_jobs_are_put_back_into_the_queue():
    stalled(1, queueing_lock=None)
    stalled(2, queueing_lock="refund-2")

    revive()

    assert found() == [(1, "todo"), (2, "todo")]


def test_stalled_job_that_had_queued_its_next_look_is_done_with_and_stops_no_other():
    stalled(1, queueing_lock="refund-1")
    queued(1)
    stalled(2, queueing_lock="refund-2")

    revive()

    assert sorted(found()) == [(1, "todo"), (2, "todo")]
