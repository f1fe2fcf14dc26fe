"""A time limit for a part of a task, as `asyncio.timeout` sets one, at a third of its cost."""

import asyncio
from types import TracebackType
from typing import Self


class Deadline:
    """Ends a `with` block of the running task with TimeoutError when its time is over.

    `within_s` may be changed by `move` at any time, but the end never comes before `at_least_s`, if that is given.
    Moving it is an assignment: the one timer looks when it rings whether it still holds. With hundreds of calls under
    way, most of what `asyncio.timeout` takes is coroutines and timers that are made and cancelled.
    """

    __slots__ = ("_cancelling", "_ends_at", "_first_look_s", "_is_over", "_loop", "_task", "_timer")

    def __init__(self, within_s: float, *, at_least_s: float | None = None) -> None:
        task = asyncio.current_task()
        assert task is not None, "a deadline belongs to a task"
        self._task = task
        self._loop = asyncio.get_running_loop()
        self._ends_at = self._loop.time() + within_s
        self._first_look_s = within_s if at_least_s is None else at_least_s
        self._is_over = False

    def move(self, within_s: float) -> None:
        """Let the block end within so many seconds from now."""
        self._ends_at = self._loop.time() + within_s

    def __enter__(self) -> Self:
        self._cancelling = self._task.cancelling()
        self._timer = self._loop.call_later(self._first_look_s, self._look)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        # A cancellation by somebody else goes on, as it does in asyncio.timeout.
        if self._is_over and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def _look(self) -> None:
        if self._loop.time() < self._ends_at:
            self._timer = self._loop.call_at(self._ends_at, self._look)
        else:
            self._is_over = True
            self._task.cancel()
