"""One way of verifying due orders, in a process of its own: `python -m benchmarks.sweep_ways WAY N`.

Says "ready", waits for the signal, works, and prints orders, wall seconds and its own CPU seconds without its start.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import django
import psutil

django.setup()

from asgiref.sync import sync_to_async  # noqa: E402
from django.utils import timezone  # noqa: E402
from procrastinate.contrib.django import app as jobs  # noqa: E402

from benchmarks.sweep import GO  # noqa: E402
from payments import checker, claims, completion, gateway  # noqa: E402
from payments.models import PaymentOrder  # noqa: E402
from payments.states import Source  # noqa: E402
from payments.sweep import Sweep  # noqa: E402

logging.getLogger("procrastinate.jobs").setLevel(logging.ERROR)  # the project lets it tell of every job

AT_ONCE = 16  # more or fewer make it no faster
CELERY_AT_ONCE = 8  # 16 and 32, threads or processes, are slower
QUEUE = "bench-verify"


def verify(order_id: int, merchant_order_id: str) -> None:
    """One order, as every way but ours does it: ask, then settle."""
    answer = gateway.ask(merchant_order_id)
    completion.settle(order_id, answer, source=Source.CHECKER, now=timezone.now())


def sweep(orders: int) -> Callable[[], int]:
    """Our way, as the command does it: all that is due, which two processes share as it comes."""
    checker.collect_rarely()
    return lambda: Sweep().run_once().checked


def loop(orders: int) -> Callable[[], int]:
    """What one writes first: ask about one order after the other, and settle each."""
    due = claims.claim_due(now=timezone.now(), limit=orders)

    def work() -> int:
        for order in due:
            verify(order.pk, order.merchant_order_id)
        return len(due)

    return work


def procrastinate(orders: int) -> Callable[[], int]:
    """One job per check, by one worker of many threads."""

    @jobs.task(name=QUEUE, queue=QUEUE)
    def check(order_id: int, merchant_order_id: str) -> None:
        verify(order_id, merchant_order_id)

    due = PaymentOrder.objects.values_list("pk", "merchant_order_id")[:orders]
    check.batch_defer(*({"order_id": pk, "merchant_order_id": name} for pk, name in due))

    def work() -> int:
        asyncio.run(_work_off(len(due)))
        return len(due)

    return work


async def _work_off(count: int) -> None:
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(AT_ONCE))
    connector = jobs.connector.get_worker_connector()
    async with jobs.with_connector(connector).open_async() as worker:
        await worker.run_worker_async(
            queues=[QUEUE],
            wait=False,
            concurrency=AT_ONCE,
            install_signal_handlers=False,
            delete_jobs="always",
        )
    left = await sync_to_async(PaymentOrder.objects.filter(asks=0).count)()
    assert left + count == await sync_to_async(PaymentOrder.objects.count)(), "some jobs failed"


def celery_threads(orders: int) -> Callable[[], int]:
    """One task per check, by one Celery worker of many threads, over RabbitMQ."""
    return _celery(orders, "threads")


def celery_processes(orders: int) -> Callable[[], int]:
    """The same by processes, as Celery does it when nobody says otherwise."""
    return _celery(orders, "prefork")


def _celery(orders: int, pool: str) -> Callable[[], int]:
    """A worker of Celery's own command, ready and with nothing to do until it is told of the queue."""
    from benchmarks.celery_app import app, check

    with app.connection_for_write() as broker:
        broker.default_channel.queue_delete(QUEUE)
    due = list(PaymentOrder.objects.values_list("pk", "merchant_order_id")[:orders])
    for order in due:
        check.delay(*order)
    options = ["--pool", pool, "--concurrency", str(CELERY_AT_ONCE), "--queues", f"{QUEUE}-idle"]
    command = [
        sys.executable,
        *["-m", "celery", "--quiet", "--app", "benchmarks.celery_app", "worker"],
        *options,
    ]
    worker = subprocess.Popen([*command, "--without-gossip", "--without-mingle"], stdout=subprocess.DEVNULL)
    atexit.register(_end, worker)
    while not app.control.ping(timeout=0.5):
        assert worker.poll() is None, "Celery's worker did not start; see var/bench/"
    unasked = PaymentOrder.objects.filter(asks=0)
    rest = unasked.count() - len(due)

    def work() -> int:
        app.control.add_consumer(QUEUE)
        while unasked.count() > rest:
            time.sleep(0.05)
        return len(due)

    return work


def _end(worker: subprocess.Popen[bytes]) -> None:
    worker.terminate()
    worker.wait(15)


def _cpu_s() -> float:
    """CPU seconds of this process and of those that it has begun."""
    children = [child.cpu_times() for child in psutil.Process().children(recursive=True)]
    return time.process_time() + sum(child.user + child.system for child in children)


WAYS = {way.__name__: way for way in (sweep, loop, procrastinate, celery_threads, celery_processes)}

if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {GO})  # before there are threads
    work = WAYS[sys.argv[1]](int(sys.argv[2]))
    gateway.check_credentials()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    signal.sigwait({GO})
    wall, cpu = time.monotonic(), _cpu_s()
    done = work()
    sys.stdout.write(f"{done} {time.monotonic() - wall:.3f} {_cpu_s() - cpu:.3f}\n")
    sys.stdout.flush()
