"""`payments.contrib.celery` with RabbitMQ and two real workers."""

from __future__ import annotations

import os
import signal
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from celery import Celery
from django.utils import timezone

from bookings.models import Booking
from payments import checkers
from payments.contrib import celery as contrib
from payments.models import PaymentOrder
from tests.at_once import at_once
from tests.journeys import customer
from tests.missing import missing
from tests.processes import started
from tests.sandbox import Sandbox, wait_until

pytestmark = pytest.mark.django_db(transaction=True)

BROKER = os.environ.get("CELERY_BROKER", "amqp://guest:guest@127.0.0.1:5672//")


@pytest.fixture(scope="module")
def _broker() -> None:
    """Skip where no RabbitMQ listens; fail there in CI, which starts one."""
    parts = urlsplit(BROKER)
    try:
        socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 5672), timeout=3).close()
    except OSError as error:
        missing(f"no RabbitMQ at {parts.hostname}:{parts.port}: {error}")


@pytest.fixture
def queue(_broker: None) -> str:
    return f"okpuja-test-{uuid.uuid4().hex[:12]}"


class Workers:
    """Two worker processes, and a beat if wanted, on a queue of their own."""

    def __init__(self, queue: str, sandbox: Sandbox, folder: Path) -> None:
        self.queue, self.beat_log = queue, folder / "beat.log"
        self.logs = [folder / f"worker-{number}.log" for number in range(2)]
        self._settings = {
            "CELERY_QUEUE": queue,
            "CELERY_BROKER": BROKER,
            "CELERY_BEAT_FILE": str(folder / "beat"),
            "PHONEPE_BASE_URL": sandbox.base_url,
        }
        self._running = ExitStack()
        self.processes = []

    def start(self, *, beat: bool) -> None:
        for number, log in enumerate(self.logs):
            command = ["-m", "celery", "-A", "tests.celery_app", "worker", "-n", f"w{number}@{self.queue}"]
            options = ["--concurrency=2", "--without-gossip", "--without-mingle", "--loglevel=INFO"]
            process = started(*command, *options, log=log, **self._settings)
            self.processes.append(self._running.enter_context(process))
        if beat:
            command = ["-m", "celery", "-A", "tests.celery_app", "beat"]
            self._running.enter_context(started(*command, log=self.beat_log, **self._settings))
        wait_until(lambda: all(" ready." in log.read_text() for log in self.logs), within_s=25)

    def tick(self, times: int = 1, *, expires_s: float | None = None) -> None:
        with Celery("shop", broker=BROKER) as app:
            app.conf.update(
                task_default_queue=self.queue,
                task_default_exchange=self.queue,
                task_default_routing_key=self.queue,
                task_queue_expires=60,
            )
            for _ in range(times):
                app.send_task("payments.sweep", kwargs={"every_s": 5}, expires=expires_s)

    def said(self, sentence: str) -> int:
        return sum(log.read_text().count(sentence) for log in self.logs)

    def close(self) -> None:
        self._running.close()


@pytest.fixture
def workers(queue: str, sandbox: Sandbox, tmp_path: Path) -> Iterator[Workers]:
    workers = Workers(queue, sandbox, tmp_path)
    yield workers
    workers.close()


def test_two_workers_with_many_ticks_book_each_order_once_and_ask_once(
    workers: Workers, sandbox: Sandbox
) -> None:
    orders = customer.orders_known_to(sandbox, 60)
    sandbox.settings(latency=0.2)
    workers.start(beat=False)

    workers.tick(12)

    wait_until(lambda: customer.booked(*orders) == 60, within_s=30)
    wait_until(lambda: workers.said("succeeded in") == 12, within_s=30)
    assert sandbox.calls()["status"] == 60
    assert Booking.objects.count() == 60
    assert PaymentOrder.objects.filter(next_check_at__isnull=False).count() == 0
    assert len(checkers.alive(timezone.now())) >= 1  # `readyz` counts them as it counts checkers


def test_ticks_that_no_worker_took_in_time_are_dropped(workers: Workers, sandbox: Sandbox) -> None:
    workers.tick(6, expires_s=0.5)
    time.sleep(1)
    orders = customer.orders_known_to(sandbox, 2)
    workers.start(beat=False)

    workers.tick()

    wait_until(lambda: customer.booked(*orders) == 2 and workers.said("succeeded in") == 1, within_s=30)
    assert workers.said("received") == 1  # the others were dropped by the broker


def test_beat_ticks_by_itself_and_a_killed_workers_place_is_free_at_once(
    workers: Workers, sandbox: Sandbox
) -> None:
    fault = sandbox.fault("status", "latency", seconds=14)
    held = customer.orders_known_to(sandbox, 3)
    workers.start(beat=True)
    wait_until(lambda: customer.held() == 3, within_s=20)

    (holder,) = checkers.alive(timezone.now())
    kill_family(int(holder.name.split(":")[1]))
    sandbox.call("DELETE", f"faults/{fault['id']}")
    new = customer.orders_known_to(sandbox, 5)

    wait_until(lambda: customer.booked(*new) == 5, within_s=15)
    assert customer.booked(*held) == 0  # until their lease ends


def kill_family(child: int) -> None:
    """A worker as `kill -9` leaves it: the process that swept, its parent and its brothers."""
    parent = int(Path(f"/proc/{child}/stat").read_text().rsplit(")", 1)[1].split()[1])
    brothers = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    for one in (parent, *map(int, brothers)):
        with suppress(ProcessLookupError):  # whose parent has gone may go by itself
            os.kill(one, signal.SIGKILL)


def test_sweep_while_another_is_at_work_ends_at_once(sandbox: Sandbox) -> None:
    customer.orders_known_to(sandbox, 2)
    sandbox.settings(latency=2)

    results = at_once(*[contrib.sweep] * 4)

    assert sorted(results, key=str) == [2, None, None, None]
    assert sandbox.calls()["status"] == 2


def test_sweep_goes_on_until_nothing_is_due_but_no_longer_than_its_time(
    sandbox: Sandbox, monkeypatch
) -> None:
    orders = customer.orders_known_to(sandbox, 2)
    monkeypatch.setattr(contrib, "WORK_S", -1.0)
    nothing = contrib.sweep()
    monkeypatch.setattr(contrib, "WORK_S", 20.0)

    assert (nothing, contrib.sweep(), contrib.sweep()) == (0, 2, 0)
    assert customer.booked(*orders) == 2


def test_sweep_counts_as_alive_for_as_long_as_it_may_work(sandbox: Sandbox) -> None:
    contrib.sweep(every_s=5)

    assert checkers.alive(timezone.now() + timedelta(seconds=contrib.WORK_S))


def test_beat_schedule_drops_a_tick_that_is_not_taken_before_the_next() -> None:
    (entry,) = contrib.beat_schedule(every_s=7).values()

    assert entry == {
        "task": contrib.sweep.name,
        "schedule": 7,
        "kwargs": {"every_s": 7},
        "options": {"expires": 7},
    }
