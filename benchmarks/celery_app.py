"""One Celery task per check, over RabbitMQ: for `celery --app benchmarks.celery_app worker`."""

from __future__ import annotations

import logging

import django
from celery import Celery

django.setup()

from benchmarks.sweep_ways import QUEUE, verify  # noqa: E402

logging.getLogger("celery").setLevel(logging.ERROR)
app = Celery(QUEUE, broker="amqp://guest:guest@127.0.0.1:5672//")
app.conf.update(
    task_default_queue=QUEUE,
    task_ignore_result=True,
    worker_hijack_root_logger=False,
    worker_prefetch_multiplier=4,
    CELERY_DB_REUSE_MAX=1_000_000,  # else it connects to the database anew for every task
)


@app.task(name=QUEUE)  # type: ignore[untyped-decorator]
def check(order_id: int, merchant_order_id: str) -> None:
    """Ask about one order and settle it."""
    verify(order_id, merchant_order_id)
