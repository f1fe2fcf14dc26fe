"""Answers that wait to be written down: quiet ones together, paid ones some at a time, the others one by one.

One order's trouble never stops the next. The database's own trouble is the caller's to wait out: what is not
written down then is still here. The `Writer` does it on a thread of its own.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import structlog
from django.db import close_old_connections, connection
from django.utils import timezone

from payments import claims, completion, contained, shop, together
from payments.answers import Answer
from payments.models import PaymentOrder

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Checked:
    """One order that the sweep has dealt with, for reports."""

    order: PaymentOrder
    answer: Answer | None
    was: str

    @property
    def moved(self) -> bool:
        """Whether its status is another than when it was claimed."""
        return self.order.status != self.was


class Answered:
    """Claimed orders and what PhonePe said of each; `report` is told of every order that is written down."""

    def __init__(self, report: Callable[[Checked], None]) -> None:
        self._report = report
        self._pairs: list[tuple[PaymentOrder, Answer]] = []

    def __len__(self) -> int:
        return len(self._pairs)

    @property
    def orders(self) -> list[PaymentOrder]:
        """Whose answers wait."""
        return [order for order, _ in self._pairs]

    def add(self, order: PaymentOrder, answer: Answer) -> None:
        """Keep an answer until it is written down."""
        self._pairs.append((order, answer))

    def write_down(self, *, now: datetime) -> None:
        """Write all of it down. Raises OperationalError or InterfaceError when the database is gone."""
        self._put_back(now=now)
        self._settle_together(now=now)
        while self._pairs:
            order, answer = self._pairs[0]
            settle = partial(completion.settle, order.pk, answer, source=order.noticed_by, now=now)
            guard(order, answer, settle, report=self._report)
            self._pairs.pop(0)

    def _put_back(self, *, now: datetime) -> None:
        """Put back what still waits; when an answer among them cannot be stored, each is settled by itself."""
        judged = (_judge(order, answer, now=now) for order, answer in self._pairs)
        quiet = [waiting for waiting in judged if waiting is not None]
        if not quiet:
            return
        put_back = partial(claims.put_back, quiet, now=now)
        if contained.attempt("answers could not be put back together", put_back, orders=len(quiet)):
            self._tick_off(Checked(w.order, w.answer, was=w.order.status) for w in quiet)

    def _settle_together(self, *, now: datetime) -> None:
        """Settle the plain ones of what was paid, some at a time; what is left is settled by itself."""
        if not shop.delivers_many():
            return
        # An order that was claimed twice has two answers: one is settled here, the other by itself.
        paid = list(
            {o.pk: (o, answer) for o, answer in self._pairs if together.looks_plain(o, answer)}.values()
        )
        for start in range(0, len(paid), together.AT_ONCE):
            self._settle_some(paid[start : start + together.AT_ONCE], now=now)

    def _settle_some(self, some: Sequence[tuple[PaymentOrder, Answer]], *, now: datetime) -> None:
        settle = partial(together.settle, some, now=now)
        settled = contained.attempt("orders could not be settled together", settle, orders=len(some)) or {}
        self._tick_off(Checked(settled[o.pk], a, was=o.status) for o, a in some if o.pk in settled)

    def _tick_off(self, done: Iterable[Checked]) -> None:
        checked = list(done)
        written = {id(one.answer) for one in checked}
        self._pairs = [pair for pair in self._pairs if id(pair[1]) not in written]
        for one in checked:
            self._report(one)


def _judge(order: PaymentOrder, answer: Answer, *, now: datetime) -> claims.Waiting | None:
    judge = partial(completion.changes_nothing, order, answer, now=now)
    return contained.attempt("an answer could not be judged", judge, order=order.merchant_order_id)


def guard(
    order: PaymentOrder,
    answer: Answer | None,
    settle: Callable[[], PaymentOrder],
    *,
    report: Callable[[Checked], None],
) -> None:
    """Settle one order and report it; one that cannot be settled keeps its claim, and is tried again after it."""
    settled = contained.attempt("an order could not be settled", settle, order=order.merchant_order_id)
    if settled is not None:
        report(Checked(settled, answer, was=order.status))


class Writer:
    """Writes answers down on a thread and a connection of its own, while others are asked for and claimed.

    One batch is under way at a time; what comes in meanwhile waits for the next and makes it larger, which is
    cheaper than two. `report` is told on that thread of every order that is written down, and `on_end` when a
    batch has ended. All calls are for one thread, the one that made it.
    """

    def __init__(self, report: Callable[[Checked], None], on_end: Callable[[], None]) -> None:
        self._on_end = on_end
        self._batch, self._next = Answered(report), Answered(report)
        self._is_writing = False
        self._error: BaseException | None = None
        # True: write the batch down; False: all that is left, and end.
        self._tasks: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def __len__(self) -> int:
        return len(self._batch) + len(self._next)

    @property
    def is_busy(self) -> bool:
        """Whether anything is not written down, or not reported."""
        return self._is_writing or len(self) > 0

    @property
    def orders(self) -> list[PaymentOrder]:
        """Whose answers were not written down, once it is closed; none while its thread still tries."""
        is_trying = self._thread is not None and self._thread.is_alive()
        return [] if is_trying else self._batch.orders + self._next.orders

    def add(self, order: PaymentOrder, answer: Answer) -> None:
        """Keep an answer for the next batch."""
        self._next.add(order, answer)

    def go_on(self) -> None:
        """Begin the next batch, unless one is under way.

        Raises what ended the last one, once: OperationalError or InterfaceError when the database was gone. Its
        answers are still here, and the next call tries them again.
        """
        if self._is_writing:
            return
        error, self._error = self._error, None
        if error is not None:
            raise error
        if not self._batch:
            self._batch, self._next = self._next, self._batch
        if self._batch:
            self._is_writing = True
            self._hand_over(True)

    def close(self, within_s: float) -> None:
        """Write down what is left and end the thread and its connection; no more is waited for it than `within_s`."""
        if self._thread is not None or self.is_busy:
            self._hand_over(False)
        if self._thread is not None:
            self._thread.join(max(0, within_s))

    def _hand_over(self, goes_on: bool) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
            self._thread.start()
        self._tasks.put(goes_on)

    def _run(self) -> None:
        while self._tasks.get():
            try:
                self._write(self._batch)
            except BaseException as error:  # noqa: BLE001  or the sweep would wait for this thread for ever
                self._error = error  # raised where the sweep goes on
            self._is_writing = False
            self._on_end()
        try:
            self._write(self._batch)
            self._write(self._next)
        except Exception:
            log.exception(
                "answers were not written down; their orders will be asked about again", orders=len(self)
            )
        connection.close()

    def _write(self, answered: Answered) -> None:
        if answered:
            close_old_connections()
            answered.write_down(now=timezone.now())
