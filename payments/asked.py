"""When an order was asked about, question by question, for people who compare it with PhonePe's ladder.

The times stand in the order's own row, as milliseconds since its creation, negative when no answer came. They
are appended by the UPDATE that puts the order back anyway: no row, no index and no statement more, four bytes
per ask. Only the last `KEEP` are kept, more than an abandoned order is ever asked; `asks` counts all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from payments import schedule
from payments.answers import Answer
from payments.models import PaymentOrder
from payments.states import Status

KEEP = 200
LONGEST_MS = 2**31 - 1  # of a column of integers: 24 days


def after_ms(order: PaymentOrder, answer: Answer) -> int:
    """The entry for one question."""
    span_ms = round((answer.asked_at - order.created_at) / timedelta(milliseconds=1))
    bounded_ms = max(1, min(LONGEST_MS, span_ms))
    return bounded_ms if answer.is_answer else -bounded_ms


def log(order: PaymentOrder, answer: Answer) -> list[int]:
    """The order's entries with one more, as `claims.PUT_BACK` appends it to many orders at once."""
    return [*order.asked_after_ms, after_ms(order, answer)][-KEEP:]


@dataclass(frozen=True, slots=True)
class Ask:
    """One question: when, and whether PhonePe said anything."""

    at: datetime
    answered: bool


def asks(order: PaymentOrder) -> list[Ask]:
    """The questions whose times are kept, in order of time."""
    moments = sorted(order.asked_after_ms, key=abs)
    return [Ask(order.created_at + timedelta(milliseconds=abs(ms)), ms > 0) for ms in moments]


@dataclass(frozen=True, slots=True)
class Rung:
    """An instant at which PhonePe wants the order asked about, and what was asked before the next one."""

    at: datetime
    asks: tuple[Ask, ...]
    is_over: bool  # the next one has come

    @property
    def late_s(self) -> float | None:
        """From the rung to the first question; None when there was none."""
        return (self.asks[0].at - self.at).total_seconds() if self.asks else None

    @property
    def outcome(self) -> str:
        """What became of it, in a word; a question that somebody hurried counts for the rung before it."""
        if not self.asks:
            return "missed" if self.is_over else "due"
        return "answered" if any(ask.answered for ask in self.asks) else "unanswered"


@dataclass(frozen=True, slots=True)
class Ladder:
    """What was asked before the first rung, then rung by rung until the order was settled or until now."""

    early: tuple[Ask, ...]
    rungs: tuple[Rung, ...]
    forgotten: int  # questions too long ago to be kept
    next_at: datetime | None


def ladder(order: PaymentOrder, *, now: datetime, late_watch: timedelta) -> Ladder:
    """The rungs of an order beside the questions that were asked."""
    told, reached = asks(order), []
    end = min(_end(order, now=now), order.expires_at + late_watch)
    for rung, following in pairwise(_rungs(order)):
        if rung > end:
            break
        answered = tuple(ask for ask in told if rung <= ask.at < following)
        reached.append(Rung(rung, answered, is_over=following <= now))
    first = reached[0].at if reached else now
    return Ladder(
        early=tuple(ask for ask in told if ask.at < first),
        rungs=tuple(reached),
        forgotten=max(0, order.asks - len(told)),
        next_at=order.next_check_at,
    )


def _end(order: PaymentOrder, *, now: datetime) -> datetime:
    """Until when the ladder was to be climbed: the money came, or PhonePe's word was final."""
    if order.completed_at:
        return order.completed_at
    is_left = order.status == Status.FAILED or order.next_check_at is None
    return (order.asked_at or now) if is_left else now


def _rungs(order: PaymentOrder) -> Iterator[datetime]:
    return schedule.rungs(
        created_at=order.created_at, expires_at=order.expires_at, spread=schedule.spread_of(order.pk)
    )
