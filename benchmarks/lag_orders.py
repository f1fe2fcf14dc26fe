"""Orders whose way to a booking is timed: some that nobody will ask about by themselves, some all over the ladder."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

from benchmarks import running

EXPIRE_AFTER = timedelta(minutes=15)
LONG = timedelta(hours=1)
WINDOW_S = 8.0  # in which orders on the ladder are paid
FREE_UP_TO_S = 10.0  # rungs that follow one another so closely are met by payments at any moment
FIRST = "the first"


@dataclass(frozen=True, slots=True)
class Order:
    """One order that waits to be paid, at `pay_at` (0: whenever it suits)."""

    pk: int
    name: str
    cart_id: str
    created_at: datetime
    expires_at: datetime
    pay_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Booked:
    """An order with the moments of its payment and of its booking."""

    order: Order
    paid_at: float
    booked_at: float

    @property
    def wait_s(self) -> float:
        return self.booked_at - self.paid_at

    @property
    def after_rung_s(self) -> float:
        """Since the first rung after the payment."""
        return self.booked_at - self._rungs()[1]

    @property
    def step(self) -> str:
        """How far that rung is from the one before it."""
        before, rung = self._rungs()
        return f"{rung - before:.0f} s after the one before" if before else FIRST

    @property
    def was_paid_freely(self) -> bool:
        """Whether the moment was any between two rungs, so that the wait is what a customer waits."""
        before, rung = self._rungs()
        return bool(before) and rung - before <= FREE_UP_TO_S

    def _rungs(self) -> tuple[float, float]:
        from payments import schedule

        before = 0.0
        created, expires = self.order.created_at, self.order.expires_at
        for rung in schedule.rungs(
            created_at=created, expires_at=expires, spread=schedule.spread_of(self.order.pk)
        ):
            if rung.timestamp() > self.paid_at:
                return before, rung.timestamp()
            before = rung.timestamp()
        raise AssertionError("unreachable: the rungs never end")


def by_step(booked: Iterable[Booked], *, freely: bool = False) -> list[tuple[str, list[Booked]]]:
    """The orders by the step that led to their rung, the shortest first; `freely`: only those whose wait is typical."""
    steps: dict[str, list[Booked]] = {}
    for one in booked:
        if one.was_paid_freely or not freely:
            steps.setdefault(one.step, []).append(one)
    return sorted(
        steps.items(), key=lambda item: (item[0] != FIRST, float(item[0].split()[0].replace("the", "0")))
    )


def make(count: int, emulator: str) -> list[Order]:
    """Orders known to the emulator; the schedule itself leaves them alone for an hour."""
    orders = _make(count, timedelta(minutes=4), emulator)
    running.wait_until(lambda: _put_off(orders), "the orders to be put off")
    return orders


def make_on_ladder(each: int, emulator: str, *, dice: Random) -> list[Order]:
    """Orders of every age the ladder knows; each will be paid within some seconds, before one of its rungs.

    Where rungs are far apart the age is chosen so that one follows soon.
    """
    from payments.schedule import LADDER_S, SPREAD_S, STEADY_S, STEPS_S

    ladder = [*LADDER_S, LADDER_S[-1] + STEADY_S, LADDER_S[-1] + 2 * STEADY_S]
    steps = [LADDER_S[0], *STEPS_S, STEADY_S, STEADY_S]
    orders: list[Order] = []
    for step in sorted(set(steps)):
        rungs = [rung for rung, before in zip(ladder, steps, strict=True) if before == step]
        for _ in range(each):
            soon = WINDOW_S + SPREAD_S if step > FREE_UP_TO_S else dice.uniform(0, WINDOW_S)
            age = dice.choice(rungs) + SPREAD_S / 2 - soon
            orders += _make(4, timedelta(seconds=age), emulator)
    _wake()
    begin = time.time()
    return [_at(order, begin + 1 + dice.uniform(0, WINDOW_S)) for order in orders]


def _at(order: Order, pay_at: float) -> Order:
    return Order(order.pk, order.name, order.cart_id, order.created_at, order.expires_at, pay_at)


def _make(count: int, age: timedelta, emulator: str) -> list[Order]:
    from cart import load
    from catalog.models import Package
    from payments.models import PaymentOrder
    from payments.states import Status

    last = PaymentOrder.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    packages = list(Package.objects.offered().select_related("puja"))
    plan = load.Plan(count, Status.INITIATED, age, EXPIRE_AFTER)
    list(load.make(plan, packages=packages, now=datetime.now(UTC), emulator=emulator))
    made = PaymentOrder.objects.filter(pk__gt=last).values_list(
        "pk", "merchant_order_id", "cart_id", "created_at", "expires_at"
    )
    return [Order(*row) for row in made]


def _put_off(orders: Sequence[Order]) -> bool:
    """Whether none of them is due any more; one that is being asked about needs another look."""
    with running.database() as connection:
        connection.execute(
            "UPDATE payments_order SET next_check_at = now() + %s WHERE id = ANY(%s) AND leased_until IS NULL",
            [LONG, [order.pk for order in orders]],
        )
        row = connection.execute(
            "SELECT count(*) FROM payments_order WHERE id = ANY(%s) AND next_check_at < now() + %s",
            [[order.pk for order in orders], LONG / 2],
        ).fetchone()
    return row == (0,)


def _wake() -> None:
    with running.database() as connection:
        connection.execute("NOTIFY payments_due")
