"""The checker process: the endless sweep, the ear for notices and the worker for jobs, until a signal comes."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from types import FrameType

import structlog
from django.utils import timezone

from payments import checkers, gateway
from payments.sweep import Checked, Summary, Sweep
from payments.wakeups import DUE, Listener
from payments.worker import Worker

log = structlog.get_logger(__name__)

BEAT_S = 10.0
JOIN_S = 9.0


def run(*, interval_s: float, on_checked: Callable[[Checked], None] | None = None) -> Summary:
    """Work until SIGTERM or SIGINT; what is in flight then is finished within 10 s."""
    sweep = Sweep(on_checked=on_checked)

    def stop(signum: int, frame: FrameType | None) -> None:
        sweep.stop()

    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, stop)
    listener, worker = Listener(DUE, sweep.wake), Worker()
    listener.start()
    worker.start()
    log.info("checker started", interval_s=interval_s)
    try:
        summary = sweep.run_for_ever(interval_s=interval_s, on_turn=_Pulse(interval_s))
    finally:
        listener.stop()
        worker.stop()
        worker.join(JOIN_S)
        gateway.close()
    checkers.sign_off()
    log.info("checker stopped", checked=summary.checked, moved=summary.moved)
    return summary


class _Pulse:
    """Called at each turn, says "alive" now and then."""

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._next = 0.0

    def __call__(self) -> None:
        if time.monotonic() >= self._next:
            checkers.beat(interval_s=self._interval_s, now=timezone.now())
            self._next = time.monotonic() + min(BEAT_S, self._interval_s / 2)
