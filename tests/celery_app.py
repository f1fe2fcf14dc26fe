"""A shop's Celery application, for the workers that the tests start."""

from __future__ import annotations

import os

from celery import Celery

from payments.contrib.celery import beat_schedule

QUEUE = os.environ["CELERY_QUEUE"]

app = Celery("shop", broker=os.environ["CELERY_BROKER"])
app.conf.update(
    imports=["payments.contrib.celery"],
    beat_schedule=beat_schedule(every_s=float(os.environ.get("CELERY_TICK_S", "1"))),
    beat_schedule_filename=os.environ.get("CELERY_BEAT_FILE", ""),
    task_default_queue=QUEUE,
    task_default_exchange=QUEUE,
    task_default_routing_key=QUEUE,
    task_queue_expires=60,
    worker_enable_remote_control=False,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
)
