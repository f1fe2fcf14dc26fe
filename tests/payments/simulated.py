"""Checkers, the throttle and a gateway with a limit, on a virtual clock: minutes of traffic in a moment.

The throttle is the real one, its row in PostgreSQL or (`InMemory`, for long runs) in a variable.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Protocol

from payments import throttle
from payments.answers import Answer
from payments.models import GatewayThrottle
from payments.throttle import Grant, Report
from phonepe_pg import RateLimited, Unavailable
from tests import make

START = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
ROOM = 200  # a checker's questions in flight
LATENCY_S = (0.03, 0.09)
CLAIM_S = (0.015, 0.53, 0.12)  # between look and call (measured): median, spread of its logarithm, longest
ON_THE_WAY_S = (0.0, 0.005)  # from leaving to PhonePe's door
LATE_S = (0.0, 0.01)  # a sleeping process wakes up a little late


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


class Row(Protocol):
    def take(
        self, wanted: int, *, now: datetime, ahead_s: float = 0.0, waiting_customer: bool = False
    ) -> Grant: ...

    def report(self, answers: Sequence[Answer], *, now: datetime) -> None: ...


class InPostgres:
    """The throttle as every process uses it."""

    take = staticmethod(throttle.take)
    report = staticmethod(throttle.report)


class InMemory:
    """The same arithmetic on a row that is in no table; one at a time, as the row's lock would have it."""

    def __init__(self, ceiling: float) -> None:
        self._ceiling = ceiling
        self.row = GatewayThrottle(pk=1, rate=ceiling, refilled_at=START, adapted_at=START)

    def take(
        self, wanted: int, *, now: datetime, ahead_s: float = 0.0, waiting_customer: bool = False
    ) -> Grant:
        return throttle.draw(
            self.row,
            wanted,
            now=now,
            ceiling=self._ceiling,
            ahead_s=ahead_s,
            waiting_customer=waiting_customer,
        )

    def report(self, answers: Sequence[Answer], *, now: datetime) -> None:
        throttle.learn(self.row, Report.of(answers), now=now, ceiling=self._ceiling, jitter=1.0)


@dataclass(slots=True)
class Gateway:
    """Lets `limit` calls pass in any second and refuses the others; a refused call counts for nothing."""

    limit: int
    retry_after_s: float | None = None
    down: tuple[float, float] = (0.0, 0.0)  # from, to
    passed: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    failed: list[float] = field(default_factory=list)
    _window: deque[float] = field(default_factory=deque)

    def answer(self, moment: float) -> Answer:
        if self.down[0] <= moment < self.down[1]:
            self.failed.append(moment)
            return make.trouble(Unavailable("down"), at=at(moment))
        if not self._has_room(moment):
            self.refused.append(moment)
            return make.trouble(RateLimited("slow down", retry_after=self.retry_after_s), at=at(moment))
        self.passed.append(moment)
        return make.answer(at=at(moment))

    def _has_room(self, moment: float) -> bool:
        while self._window and self._window[0] <= moment - 1:
            self._window.popleft()
        if len(self._window) >= self.limit:
            return False
        self._window.append(moment)
        return True

    def used(self, since: float, until: float) -> float:
        """The share of the limit that was used in that time."""
        return sum(since <= moment < until for moment in self.passed) / (self.limit * (until - since))

    def refused_share(self, since: float, until: float) -> float:
        """The share of all calls of that time that were refused."""
        refused = sum(since <= moment < until for moment in self.refused)
        passed = sum(since <= moment < until for moment in self.passed)
        return refused / max(1, refused + passed)


class World:
    """`checkers` processes with more work than the gateway allows; the first one's claims take `slow_s` longer."""

    def __init__(
        self, row: Row, gateway: Gateway, *, checkers: int, seed: int = 1, slow_s: float = 0.0
    ) -> None:
        self._row, self._gateway = row, gateway
        self._slow_s = [slow_s] + [0.0] * (checkers - 1)
        self._chance = random.Random(seed)
        self._order = count()
        self._todo: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self.turns: list[float] = []
        self._busy_until = [0.0] * checkers
        self._next_look = [0.0] * checkers
        self._free = [ROOM] * checkers
        self._dead: set[int] = set()
        for checker in range(checkers):
            self._at(self._chance.uniform(0, 1), self._begin, checker)

    def run(self, seconds: float) -> None:
        """Let that much virtual time pass since the beginning."""
        while self._todo and self._todo[0][0] < seconds:
            moment, _, act, arguments = heapq.heappop(self._todo)
            act(moment, *arguments)

    def kill(self, checker: int) -> None:
        """It neither calls again nor tells anybody what it heard."""
        self._dead.add(checker)

    def holds_call(self, checker: int) -> bool:
        """Whether it has asked and not heard the answer yet."""
        return self._free[checker] < ROOM

    def _at(self, moment: float, act: Callable[..., None], *arguments: Any) -> None:
        heapq.heappush(self._todo, (moment, next(self._order), act, arguments))

    def _begin(self, moment: float, checker: int) -> None:
        """Sign in, with a call that is taken as a customer's is: a token's call counts like any other."""
        grant = self._row.take(1, now=at(moment), waiting_customer=True)
        if not grant.count:
            self._at(moment + max(throttle.POLL_S, grant.wait_s), self._begin, checker)
            return
        self.turns.append(moment)
        self._free[checker] -= 1
        self._arrive(moment, checker)
        self._look_at(moment + LATENCY_S[1], checker)

    def _look_at(self, moment: float, checker: int) -> None:
        """Its next look is then, and not when it would have been."""
        self._next_look[checker] = moment
        self._at(moment, self._look, checker)

    def _look(self, moment: float, checker: int) -> None:
        if checker in self._dead or moment != self._next_look[checker]:
            return
        grant = Grant(0, 0.05)
        if self._free[checker]:
            grant = self._row.take(self._free[checker], now=at(moment), ahead_s=throttle.AHEAD_S)
        self._free[checker] -= grant.count
        claimed = moment + self._claim_s(checker) if grant.count else moment
        for turn in grant.leave_at:
            leave = (turn - START).total_seconds()
            self.turns.append(leave)
            self._at(max(leave, claimed) + self._chance.uniform(*ON_THE_WAY_S), self._arrive, checker)
        pause_s = 0.0 if grant.count else grant.wait_s
        self._busy_until[checker] = claimed
        self._look_at(claimed + max(0.001, pause_s) + self._chance.uniform(*LATE_S), checker)

    def _claim_s(self, checker: int) -> float:
        median, spread, longest = CLAIM_S
        usual = min(longest, self._chance.lognormvariate(math.log(median), spread))
        return usual + self._slow_s[checker]

    def _arrive(self, moment: float, checker: int) -> None:
        answer = self._gateway.answer(moment)
        self._at(moment + self._chance.uniform(*LATENCY_S), self._hear, checker, answer)

    def _hear(self, moment: float, checker: int, answer: Answer) -> None:
        if checker in self._dead:
            return
        self._free[checker] += 1
        self._row.report([answer], now=at(moment))
        if moment >= self._busy_until[checker]:
            self._look_at(moment + 0.001, checker)
