"""The checker process: the endless sweep, the ear for notices and the worker for jobs, until a signal comes."""

from __future__ import annotations

import gc
import signal
import time
from collections.abc import Callable
from datetime import datetime
from types import FrameType

import structlog
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from payments import checkers, gateway, inbox
from payments.sweep import Summary, Sweep
from payments.wakeups import DUE, Listener
from payments.worker import Worker
from payments.writing import Checked

log = structlog.get_logger(__name__)

BEAT_S = 10.0
JOIN_S = 1.0  # after the sweep, which has had as long as the jobs


def collect_rarely() -> None:
    """Let Python look for garbage a fiftieth as often, and never among what was there at the start.

    A sweep makes hardly any cycles; looking for them would cost it a fifth of its time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(35_000, 20, 100)


def stop_on_signals(*stops: Callable[[], None]) -> None:
    """Let SIGTERM and SIGINT call these, instead of ending the process at once."""

    def stop(signum: int, frame: FrameType | None) -> None:
        for one in stops:
            one()

    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, stop)


def run(*, interval_s: float, on_checked: Callable[[Checked], None] | None = None) -> Summary:
    """Work until SIGTERM or SIGINT; what is in flight then is finished within 10 s."""
    collect_rarely()
    sweep, worker = Sweep(on_checked=on_checked), Worker()
    listener = Listener(DUE, sweep.wake)
    stop_on_signals(sweep.stop, worker.stop)
    listener.start()
    worker.start()
    log.info("checker started", interval_s=interval_s)
    try:
        summary = sweep.run_for_ever(interval_s=interval_s, on_turn=_Pulse(interval_s))
    finally:
        listener.stop()
        worker.stop()
        worker.join(max(JOIN_S, sweep.stopping_time_left_s))
        gateway.close()  # a job that still waits for PhonePe hears that it is unavailable, and ends
    _sign_off()
    log.info("checker stopped", checked=summary.checked, moved=summary.moved)
    return summary


def _sign_off() -> None:
    try:
        checkers.sign_off()
    except (OperationalError, InterfaceError) as error:
        log.warning("the checker could not sign off", error=str(error).strip())


class _Pulse:
    """Called at each turn, says "alive" now and then and picks up webhooks that were left behind."""

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._next = 0.0
        self._swept_at: datetime | None = None

    def __call__(self) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + min(BEAT_S, self._interval_s / 2)
            checkers.beat(interval_s=self._interval_s, now=timezone.now(), swept_at=self._swept_at)
            inbox.catch_up(now=timezone.now())
        self._swept_at = timezone.now()  # the look at the queue comes next
