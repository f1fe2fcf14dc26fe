"""The sweep as a Celery task, for shops that run Celery anyway (the extra `celery`).

It adds no second way to settle: the task runs `payments.sweep`, by the same claims and the same throttle, beside
any number of checkers. The orders' rows are the queue; a tick that is lost, late or doubled costs nothing.

    from payments.contrib.celery import beat_schedule
    app.conf.beat_schedule = beat_schedule(every_s=5)
    app.conf.imports = ["payments.contrib.celery"]

Ticks never pile up: one that no worker took before the next is due is dropped by the broker, one that finds
`PAYMENTS["CELERY_SWEEPS"]` sweeps (1) at work ends at once, and a sweep makes way for the next tick after
`WORK_S`. See docs/scaling.md for what the checker does besides: jobs, and waking when an order is hurried.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from celery import shared_task, signals
from django.conf import settings
from django.db import connections
from django.utils import timezone

log = structlog.get_logger(__name__)

TICK_S = 5.0
WORK_S = 50.0  # a worker that is to end waits for its tasks: none may last for ever


def beat_schedule(*, every_s: float = TICK_S) -> dict[str, dict[str, Any]]:
    """The entry for `beat_schedule`: a tick every so many seconds, each good until the next."""
    return {
        "payments.sweep": {
            "task": "payments.sweep",
            "schedule": every_s,
            "kwargs": {"every_s": every_s},
            "options": {"expires": every_s},
        }
    }


@shared_task(name="payments.sweep", ignore_result=True)  # type: ignore[untyped-decorator]
def sweep(*, every_s: float = TICK_S) -> int | None:
    """Work off due orders until none is due; how many were checked, or None when enough others are at it."""
    from payments import checkers, inbox  # a project imports this module before Django's models can be

    with _place() as has_place:
        if not has_place:
            return None
        # It says nothing more until it ends, and no other tick does meanwhile.
        checkers.beat(interval_s=max(every_s, WORK_S), now=timezone.now())
        inbox.catch_up(now=timezone.now())
        checked = _sweep_until(time.monotonic() + WORK_S)
    log.info("sweep by celery ended", checked=checked)
    return checked


def _sweep_until(until: float) -> int:
    """Sweep again and again, since more falls due meanwhile; the last sweep finishes what is under way."""
    from payments.sweep import Sweep

    checked = 0
    while (left_s := until - time.monotonic()) > 0:
        one = Sweep()
        alarm = threading.Timer(left_s, one.stop)
        alarm.start()
        try:
            summary = one.run_once()
        finally:
            alarm.cancel()
        checked += summary.checked
        if not summary.checked or summary.gateway_was_unusable:
            break
    return checked


@contextmanager
def _place() -> Iterator[bool]:
    """One of the places for sweeps, of all workers on all machines; False when none is free.

    The lock lives with a connection of its own, which Celery does not close between tasks' queries and which
    PostgreSQL ends together with a worker that dies.
    """
    connection = connections.create_connection("default")
    try:
        with connection.cursor() as cursor:
            yield any(_try_lock(cursor, place) for place in range(_places()))
    finally:
        connection.close()


def _try_lock(cursor: Any, place: int) -> bool:
    cursor.execute("SELECT pg_try_advisory_lock(hashtext('payments.contrib.celery'), %s)", [place])
    return bool(cursor.fetchone()[0])


def _places() -> int:
    return int(settings.PAYMENTS.get("CELERY_SWEEPS", 1))


@signals.worker_process_shutdown.connect  # type: ignore[untyped-decorator]
def _close_gateway(**_: Any) -> None:
    from payments import gateway

    gateway.close()
