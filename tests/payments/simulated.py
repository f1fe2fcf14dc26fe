"""Checkers, the throttle and a gateway with a limit, on a virtual clock: minutes of traffic in a moment.

The throttle is the real one, its row in PostgreSQL or (`InMemory`, for long runs) in a variable.
"""

from __future__ import annotations

import heapq
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
ON_THE_WAY_S = (0.0, 0.01)  # from the decision to call to PhonePe's door
LATE_S = (0.0, 0.01)  # a sleeping process wakes up a little late


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


class Row(Protocol):
    def take(self, wanted: int, *, now: datetime) -> Grant: ...

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

    def take(self, wanted: int, *, now: datetime) -> Grant:
        return throttle.draw(self.row, wanted, now=now, ceiling=self._ceiling, waiting_customer=False)

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
        while self._window and self._window[0] <= moment - 1:
            self._window.popleft()
        if len(self._window) >= self.limit:
            self.refused.append(moment)
            return make.trouble(RateLimited("slow down", retry_after=self.retry_after_s), at=at(moment))
        self._window.append(moment)
        self.passed.append(moment)
        return make.answer(at=at(moment))

    def used(self, since: float, until: float) -> float:
        """The share of the limit that was used in that time."""
        return sum(since <= moment < until for moment in self.passed) / (self.limit * (until - since))

    def refused_share(self, since: float, until: float) -> float:
        """The share of all calls of that time that were refused."""
        refused = sum(since <= moment < until for moment in self.refused)
        passed = sum(since <= moment < until for moment in self.passed)
        return refused / max(1, refused + passed)


class World:
    """`checkers` processes with more work than the gateway allows."""

    def __init__(self, row: Row, gateway: Gateway, *, checkers: int, seed: int = 1) -> None:
        self._row, self._gateway = row, gateway
        self._chance = random.Random(seed)
        self._order = count()
        self._todo: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self.granted: list[tuple[float, int]] = []
        self._free = [ROOM] * checkers
        self._dead: set[int] = set()
        for checker in range(checkers):
            self._at(self._chance.uniform(0, 1), self._look, checker)

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

    def _look(self, moment: float, checker: int) -> None:
        if checker in self._dead:
            return
        grant = self._row.take(self._free[checker], now=at(moment)) if self._free[checker] else Grant(0, 0.05)
        if grant.count:
            self.granted.append((moment, grant.count))
        self._free[checker] -= grant.count
        for _ in range(grant.count):
            self._at(moment + self._chance.uniform(*ON_THE_WAY_S), self._arrive, checker)
        pause_s = 0.0 if grant.count else grant.wait_s
        self._at(moment + max(0.001, pause_s) + self._chance.uniform(*LATE_S), self._look, checker)

    def _arrive(self, moment: float, checker: int) -> None:
        answer = self._gateway.answer(moment)
        self._at(moment + self._chance.uniform(*LATENCY_S), self._hear, checker, answer)

    def _hear(self, moment: float, checker: int, answer: Answer) -> None:
        if checker in self._dead:
            return
        self._free[checker] += 1
        self._row.report([answer], now=at(moment))
