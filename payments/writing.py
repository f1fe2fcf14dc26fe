"""Answers that wait to be written down: quiet ones together, paid ones some at a time, the others one by one.

One order's trouble never stops the next. The database's own trouble is the caller's to wait out: what is not
written down then is still here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

import structlog
from django.db import InterfaceError, OperationalError, connection

from payments import claims, completion, shop, together
from payments.answers import Answer
from payments.models import PaymentOrder

T = TypeVar("T")
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Checked:
    """One order that the sweep has dealt with, for reports."""

    order: PaymentOrder
    answer: Answer | None
    was: str

    @property
    def moved(self) -> bool:
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
        return [order for order, _ in self._pairs]

    @property
    def answers(self) -> list[Answer]:
        return [answer for _, answer in self._pairs]

    @property
    def has_trouble(self) -> bool:
        """Whether PhonePe left a question unanswered."""
        return any(not answer.is_answer for _, answer in self._pairs)

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
            self.guard(order, answer, settle)
            self._pairs.pop(0)

    def guard(self, order: PaymentOrder, answer: Answer | None, settle: Callable[[], PaymentOrder]) -> None:
        """Settle one order and report it; one that cannot be settled keeps its claim, and is tried again after it."""
        settled = self._attempt("an order could not be settled", settle, order=order.merchant_order_id)
        if settled is not None:
            self._report(Checked(settled, answer, was=order.status))

    def _put_back(self, *, now: datetime) -> None:
        """Put back what still waits; when an answer among them cannot be stored, each is settled by itself."""
        judged = (completion.changes_nothing(order, answer, now=now) for order, answer in self._pairs)
        quiet = [waiting for waiting in judged if waiting is not None]
        if not quiet:
            return
        put_back = partial(claims.put_back, quiet, now=now)
        if self._attempt("answers could not be put back together", put_back, orders=len(quiet)):
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
        settled = self._attempt("orders could not be settled together", settle, orders=len(some)) or {}
        self._tick_off(Checked(settled[o.pk], a, was=o.status) for o, a in some if o.pk in settled)

    def _tick_off(self, done: Iterable[Checked]) -> None:
        checked = list(done)
        written = {id(one.answer) for one in checked}
        self._pairs = [pair for pair in self._pairs if id(pair[1]) not in written]
        for one in checked:
            self._report(one)

    def _attempt(self, trouble: str, write: Callable[[], T], **facts: Any) -> T | None:
        try:
            return write()
        except (OperationalError, InterfaceError):
            if connection.connection is None or connection.connection.closed:
                raise  # the database's trouble, not an answer's
            log.exception(trouble, **facts)  # a limit or a time-out: the connection is good for the next
        except Exception:
            log.exception(trouble, **facts)
        return None
