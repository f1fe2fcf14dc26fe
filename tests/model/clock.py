"""A clock that moves only when told to, or when somebody would have waited."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.utils import timezone

from payments import checkout, completion, refunds, sweep, throttle

WAITING = (checkout, completion, refunds, sweep, throttle)  # modules that wait by `time`


class Clock:
    """`now` is aware; `monotonic` and `sleep` stand in for those of `time`."""

    def __init__(self) -> None:
        self._start = self.instant = timezone.now()

    def now(self) -> datetime:
        return self.instant

    def monotonic(self) -> float:
        return (self.instant - self._start).total_seconds()

    def sleep(self, seconds: float) -> None:
        self.instant += timedelta(seconds=max(seconds, 0.01))

    @contextmanager
    def ticking(self) -> Iterator[None]:
        """Let Django's clock and the engine's waits be this clock while the block runs."""
        ours = SimpleNamespace(monotonic=self.monotonic, sleep=self.sleep)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(timezone, "now", self.now)
            for module in WAITING:
                patch.setattr(module, "time", ours)
            yield


class Mail:
    """The sweep's queue: an empty one is waited for on our clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._items = clock, queue.SimpleQueue[Any]()
        self.put, self.get_nowait, self.empty = self._items.put, self._items.get_nowait, self._items.empty

    def get(self, timeout: float) -> Any:
        if self._items.empty():
            self._clock.sleep(timeout)
        return self._items.get_nowait()
