"""When to ask about an order again. Pure: no clock, no database, no settings.

PhonePe's sign-off wants an open order asked about on a ladder counted from its creation (wire
reference §8). The whole ladder of an order is shifted by its own `spread`, so that orders created
together are not asked about together, and a rung that was missed is not made up for.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import accumulate, repeat

FIRST_S = 20.0
SPREAD_S = 5.0  # the first ask falls 20 to 25 s after creation
STEPS_S = (*repeat(3.0, 10), *repeat(6.0, 10), *repeat(10.0, 6), *repeat(30.0, 2))
STEADY_S = 60.0

GRACE = timedelta(minutes=2)  # after the deadline, before the customer is told that it is over
AFTER_DEADLINE = (timedelta(0), GRACE, timedelta(minutes=10))
LATE_EVERY = timedelta(hours=1)
FAILED_AGAIN = timedelta(minutes=5)  # the first further look at a FAILED; the last is after its expiry

CLOCK = timedelta(seconds=5)  # a time so much later than now was written by a wrong clock, and says nothing

LADDER_S = tuple(accumulate(STEPS_S, initial=FIRST_S))
# After the deadline, before a person hears of answers that nobody can read.
UNREADABLE_FOR = timedelta(hours=1)
UNANSWERED_AGAIN = timedelta(seconds=30)  # of a question that somebody had hurried
FULFIL_AGAIN_S = (5, 30, 120, 600, 3600)


def spread_of(order_id: int) -> float:
    """The share [0, 1) by which an order's ladder is shifted; neighbours in id lie far apart."""
    return (order_id * 0.6180339887498949) % 1.0


def rungs(*, created_at: datetime, expires_at: datetime, spread: float) -> Iterator[datetime]:
    """Every instant, in order and without end, at which an order should be asked about."""
    rung = created_at
    while True:
        rung = _rung_after(rung, created_at=created_at, expires_at=expires_at, spread=spread)
        yield rung


def next_check(
    *, created_at: datetime, expires_at: datetime, now: datetime, spread: float, late_watch: timedelta
) -> datetime | None:
    """The first of `rungs` after `now`; None when the late watch is over and nobody need ask any more."""
    rung = _rung_after(now, created_at=created_at, expires_at=expires_at, spread=spread)
    return rung if rung <= expires_at + late_watch else None


def _rung_after(now: datetime, *, created_at: datetime, expires_at: datetime, spread: float) -> datetime:
    """Found without walking the rungs before it, which was the dearest part of judging an answer."""
    shift = timedelta(seconds=spread * SPREAD_S)
    rung = _on_ladder(created_at + shift, now=now)
    return rung if rung < expires_at else _after_deadline(expires_at + shift, now=now)


def _on_ladder(start: datetime, *, now: datetime) -> datetime:
    past_s = (now - start).total_seconds()
    if past_s < LADDER_S[-1]:
        return start + timedelta(seconds=LADDER_S[bisect_right(LADDER_S, past_s)])
    steps = (past_s - LADDER_S[-1]) // STEADY_S + 1
    return start + timedelta(seconds=LADDER_S[-1] + steps * STEADY_S)


def _after_deadline(start: datetime, *, now: datetime) -> datetime:
    for after in AFTER_DEADLINE:
        if start + after > now:
            return start + after
    last = start + AFTER_DEADLINE[-1]
    return last + ((now - last) // LATE_EVERY + 1) * LATE_EVERY


def next_fulfilment(*, now: datetime, attempts: int) -> datetime:
    """When to try the shop's fulfilment again after `attempts` (≥ 1) that raised."""
    return now + timedelta(seconds=FULFIL_AGAIN_S[min(attempts, len(FULFIL_AGAIN_S)) - 1])
