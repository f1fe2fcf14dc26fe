"""One way of verifying due orders, in a process of its own: `python -m benchmarks.sweep_ways WAY N`.

Says "ready", waits for the signal, works, and prints orders, wall seconds and its own CPU seconds without its start.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import django

django.setup()

from asgiref.sync import sync_to_async  # noqa: E402
from django.conf import settings  # noqa: E402
from django.utils import timezone  # noqa: E402
from procrastinate.contrib.django import app as jobs  # noqa: E402

from benchmarks.sweep import GO  # noqa: E402
from payments import checker, claims, completion, gateway  # noqa: E402
from payments.models import PaymentOrder  # noqa: E402
from payments.states import Source  # noqa: E402
from payments.sweep import Sweep  # noqa: E402

logging.getLogger("procrastinate.jobs").setLevel(logging.ERROR)  # the project lets it tell of every job

AT_ONCE = 50  # more of them make neither way faster
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


def celery(orders: int) -> Callable[[], int]:
    """One task per check, by one worker of many threads, over RabbitMQ."""
    from celery import Celery, signals

    logging.getLogger("celery").setLevel(logging.ERROR)
    app = Celery(QUEUE, broker="amqp://guest:guest@127.0.0.1:5672//")
    app.conf.update(
        task_default_queue=QUEUE,
        task_ignore_result=True,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_prefetch_multiplier=4,
    )
    settings.CELERY_DB_REUSE_MAX = 1_000_000
    done = threading.Semaphore(0)

    @app.task(name=QUEUE)
    def check(order_id: int, merchant_order_id: str) -> None:
        verify(order_id, merchant_order_id)

    signals.task_postrun.connect(lambda **_: done.release(), weak=False)
    with app.connection_for_write() as broker:
        broker.default_channel.queue_delete(QUEUE)
    due = list(PaymentOrder.objects.values_list("pk", "merchant_order_id")[:orders])
    for order in due:
        check.delay(*order)
    worker = app.Worker(
        pool="threads", concurrency=AT_ONCE, queues=[QUEUE], without_gossip=True, without_mingle=True
    )

    def work() -> int:
        threading.Thread(target=worker.start, daemon=True).start()
        for _ in due:
            done.acquire(timeout=60)
        return len(due)

    return work


WAYS = {way.__name__: way for way in (sweep, loop, procrastinate, celery)}

if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {GO})  # before there are threads
    work = WAYS[sys.argv[1]](int(sys.argv[2]))
    gateway.check_credentials()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    signal.sigwait({GO})
    wall, cpu = time.monotonic(), time.process_time()
    done = work()
    sys.stdout.write(f"{done} {time.monotonic() - wall:.3f} {time.process_time() - cpu:.3f}\n")
    sys.stdout.flush()
    os._exit(0)  # a Celery worker has threads that do not end
