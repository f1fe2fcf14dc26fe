"""Jobs that were cut off: whose worker died, whose end could not be written down, or whose database went away."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from asgiref.sync import async_to_sync
from django.core.management import call_command
from django.db import connection
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob

from payments import jobs, refunds, wakeups
from payments.models import Refund
from tests.payments.refunding import paid_order, request
from tests.processes import checker
from tests.sandbox import Sandbox, wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def shop(plug):
    plug("delivers")


START = """
    UPDATE procrastinate_jobs SET status = 'doing', queueing_lock = %(lock)s, worker_id = %(worker)s WHERE id = %(job)s;
    UPDATE procrastinate_events SET at = now() - %(ago)s * interval '1 second' WHERE job_id = %(job)s;
"""


def begun(refund: Refund, *, ago_s: float = 0, worker: int | None = None, lock: str | None = None) -> int:
    """The refund's job as a worker took it `ago_s` ago and never ended it; its id."""
    job = ProcrastinateJob.objects.get(args__refund_id=refund.pk)
    return taken(job.pk, ago_s=ago_s, worker=worker, lock=lock)


def taken(job: int, *, ago_s: float, worker: int | None, lock: str | None = None) -> int:
    """The job as a worker took it `ago_s` ago; its id."""
    with connection.cursor() as cursor:
        cursor.execute(START, {"job": job, "lock": lock, "worker": worker, "ago": ago_s})
    return job


def worker() -> int:
    """A worker that is alive."""
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO procrastinate_workers DEFAULT VALUES RETURNING id")
        return int(cursor.fetchone()[0])


def revive() -> None:
    async_to_sync(jobs.revive_stalled_jobs.func)(SimpleNamespace(app=app), 0)


def statuses() -> dict[int, str]:
    return dict(ProcrastinateJob.objects.order_by("pk").values_list("pk", "status"))


def test_a_job_whose_worker_is_gone_is_revived():
    job = begun(request(paid_order()))

    revive()

    assert statuses() == {job: "todo"}


def test_a_job_that_a_living_worker_began_just_now_is_left_alone():
    job = begun(request(paid_order()), worker=worker())

    revive()

    assert statuses() == {job: "doing"}


def test_a_job_whose_end_its_living_worker_could_not_write_down_is_revived():
    job = begun(request(paid_order()), worker=worker(), ago_s=600)

    revive()

    assert statuses() == {job: "todo"}


@pytest.mark.parametrize("task", jobs.OVER_ALL)
@pytest.mark.parametrize(("ago_s", "status"), [(3600, "doing"), (3 * 3600, "todo")])
def test_a_job_that_goes_over_all_records_is_given_hours_while_its_worker_lives(task, ago_s, status):
    job = app.tasks[task].defer(timestamp=0)
    taken(job, ago_s=ago_s, worker=worker())

    revive()

    assert statuses() == {job: status}


def test_a_stalled_job_whose_successor_is_queued_gives_way_and_keeps_no_other_from_reviving():
    first, second = request(paid_order()), request(paid_order())
    stalled, other = begun(first, lock=f"refund-{first.pk}"), begun(second)
    jobs.pursue_refund.configure(
        lock=f"refund-{first.pk}", queueing_lock=f"refund-{first.pk}", schedule_in={"seconds": 60}
    ).defer(refund_id=first.pk, attempt=2)
    [successor] = set(statuses()) - {stalled, other}

    revive()

    assert statuses() == {other: "todo", successor: "todo"}


@pytest.mark.okpuja  # starts OkPuja's checker
def test_a_refund_whose_job_lost_the_database_is_pursued_again(sandbox: Sandbox, tmp_path: Any):
    refund = request(paid_order(sandbox))
    parameters = wakeups.connect_parameters()
    with psycopg.connect(**parameters) as holder, psycopg.connect(**parameters, autocommit=True) as killer:
        holder.execute("LOCK TABLE payments_throttle IN ACCESS EXCLUSIVE MODE")
        with checker(log=tmp_path / "checker.log", PHONEPE_BASE_URL=sandbox.base_url):
            wait_until(lambda: killer.execute(CUT_OFF).fetchall())
            holder.rollback()

            wait_until(lambda: Refund.objects.get(pk=refund.pk).state == "COMPLETED", within_s=30)

    assert sandbox.calls()["refund"] == 1


@pytest.mark.okpuja  # starts OkPuja's checker
def test_a_hurried_look_at_a_refund_does_not_wait_for_the_one_that_was_planned(
    sandbox: Sandbox, tmp_path: Any
):
    refund = request(paid_order(sandbox))
    empty_queue()
    refunds.pursue_soon(refund, attempt=7)
    refunds.pursue_soon(refund, attempt=0)

    with checker(log=tmp_path / "checker.log", PHONEPE_BASE_URL=sandbox.base_url):
        wait_until(lambda: Refund.objects.get(pk=refund.pk).state == "PENDING", within_s=20)

    left = ProcrastinateJob.objects.filter(
        status="todo", task_name=refunds.PURSUE
    )  # not the clock's own jobs
    assert [job.args["attempt"] for job in left] == [7]


@pytest.mark.timeout(300)
@pytest.mark.okpuja  # starts OkPuja's checker
def test_periodic_jobs_go_on_after_every_connection_was_lost(sandbox: Sandbox, tmp_path: Any):
    log = tmp_path / "checker.log"
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_periodic_defers")  # of an earlier test's checker
    with checker(log=log, PHONEPE_BASE_URL=sandbox.base_url):
        wait_until(lambda: periodic_defers() and worker_listens())  # it notices the loss by its ear
        with connection.cursor() as cursor:
            cursor.execute(LOSE_ALL)
            cursor.execute("DELETE FROM procrastinate_jobs")  # one that waits is not deferred a second time
            cursor.execute("DELETE FROM procrastinate_periodic_defers")

        wait_until(periodic_defers, within_s=150)  # at once by a worker begun anew, else at the next tick

    assert log.read_text().count("deferrer error") <= 2


def periodic_defers() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM procrastinate_periodic_defers")
        return int(cursor.fetchone()[0])


def worker_listens() -> bool:
    """Whether a worker's connection waits for notices of jobs."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND query LIKE '%LISTEN%procrastinate%' AND pid <> pg_backend_pid()"
        )
        return bool(cursor.fetchone()[0])


def empty_queue() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")


LOSE_ALL = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
CUT_OFF = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%payments_throttle%'
        AND pid <> pg_backend_pid()
"""


def test_retry_jobs_lets_those_that_gave_up_run_again(capsys):
    ids = [app.configure_task("payments.pursue_refund").defer(refund_id=n, attempt=0) for n in range(3)]
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET status = 'failed' WHERE id = ANY(%s)", [ids[:2]])

    call_command("retry_jobs")
    call_command("retry_jobs")

    assert capsys.readouterr().out == "2 jobs will run again.\n0 jobs will run again.\n"
    assert set(ProcrastinateJob.objects.filter(pk__in=ids).values_list("status", flat=True)) == {"todo"}
