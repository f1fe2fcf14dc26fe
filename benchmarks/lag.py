"""From the moment an order is COMPLETED at the gateway to its committed booking: by webhook, return and schedule.

Web site, checker, emulator and PostgreSQL are real processes; the emulator answers after 50 ms and sets no
limit. "Under 1,000 due orders": so many others fall due at once, every two seconds. A booking counts from the
NOTIFY that its transaction sends when it commits.
"""

from __future__ import annotations

import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from math import ceil
from random import Random
from typing import Any

from benchmarks import plots as drawing
from benchmarks import running
from benchmarks.lag_orders import Booked, Order, by_step, make, make_on_ladder
from benchmarks.tables import Table, show
from tests.ports import free_port

OTHERS = (0, 1_000) if running.QUICK else (0, 100, 1_000)
LATENCY_S = 0.05
DUE_EVERY_S = 2.0
SAMPLES = 40 if running.QUICK else 80  # of each way
PACE_S = 0.04  # between two payments
HANDS = 8  # customers at once
WITHIN_S = 60.0
WAYS = ("by_webhook", "by_return", "by_schedule")
NAMES = {"by_webhook": "webhook", "by_return": "return page", "by_schedule": "rung"}


class Bookings(threading.Thread):
    """Hears when orders' transactions commit: the last moment of each cart."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.at: dict[str, float] = {}
        self._stopping = threading.Event()
        self.listens = threading.Event()

    def run(self) -> None:
        with running.database() as connection:
            connection.execute("LISTEN payments_changed")
            self.listens.set()
            while not self._stopping.is_set():
                for notice in connection.notifies(timeout=0.2):
                    self.at[notice.payload] = time.time()

    def stop(self) -> None:
        self._stopping.set()
        self.join()


class Others(threading.Thread):
    """Makes these orders fall due at once, again and again."""

    def __init__(self, orders: Sequence[int]) -> None:
        super().__init__(daemon=True)
        self._orders = list(orders)
        self._stopping = threading.Event()

    def run(self) -> None:
        with running.database() as connection:
            while not self._stopping.wait(DUE_EVERY_S):
                connection.execute(
                    "UPDATE payments_order SET next_check_at = now() WHERE id = ANY(%s) AND leased_until IS NULL",
                    [self._orders],
                )
                connection.execute("NOTIFY payments_due")

    def stop(self) -> None:
        self._stopping.set()
        self.join()


def main() -> dict[str, Any]:
    """Measure every way under every load."""
    running.prepare_database()
    running.use_django()
    port = free_port()
    with (
        running.emulator(**_switches(port)) as emulator,
        running.web(emulator, port) as web,
        running.checkers(1, emulator),
    ):
        figures = {_key(others): _measure(emulator, web, others) for others in OTHERS}
    for table in tables(figures):
        show(table)
    return figures


def tables(figures: dict[str, Any]) -> list[Table]:
    """The three ways under each load, and the schedule rung by rung."""
    loads = [others for others in OTHERS if _key(others) in figures]
    headers = ("p50 / p99 in seconds, under", *(f"{others:,} others due" for others in loads))
    ways = [(NAMES[way], *(_told(figures[_key(others)][way]) for others in loads)) for way in WAYS]
    first = figures[_key(loads[0])]
    rungs = [
        (name.format(step), *(_told(figures[_key(others)][kind].get(step)) for others in loads))
        for kind, name in (("by_step", "rung {}"), ("waits", "rung {}, from payment"))
        for step in first[kind]
    ]
    return [
        Table(headers, ways, _calls_told(first)),
        Table(headers, rungs, "Counted from the rung that found the payment, or from the payment itself."),
    ]


def _calls_told(figures: dict[str, Any]) -> str:
    told = ", ".join(f"{NAMES[way]} {count:.1f}" for way, count in figures["calls_per_payment"].items())
    return f"Gateway calls per completed payment, with no others due: {told}."


def plots(figures: dict[str, Any]) -> dict[str, str]:
    """p99 of each way, under each load."""
    values = {
        f"{NAMES[way]}, {others:,} others due": figures[_key(others)][way]["p99"]
        for way in WAYS
        for others in OTHERS
        if _key(others) in figures
    }
    return {"lag": drawing.bars("From the payment (or the rung) to the booking: p99, s", values)}


def _switches(port: int) -> dict[str, Any]:
    return {
        "latency": LATENCY_S,
        "webhook_url": f"http://127.0.0.1:{port}/api/payments/webhook/phonepe/",
        "webhook_username": running.ENVIRONMENT["PHONEPE_WEBHOOK_USERNAME"],
        "webhook_password": running.ENVIRONMENT["PHONEPE_WEBHOOK_PASSWORD"],
    }


def _key(others: int) -> str:
    return f"with_{others}_others"


def _told(lag: dict[str, float] | None) -> str:
    return f"{lag['p50']:.2f} / {lag['p99']:.2f}" if lag else ""


def _measure(emulator: str, web: str, others: int) -> dict[str, Any]:
    with _under_load(emulator, others), _heard() as bookings:
        calls: list[float] = []  # per payment, way by way

        def lags(orders: Sequence[Order], pay: Callable[[Order], float]) -> list[Booked]:
            before = _asks(emulator)
            booked = _booked(orders, pay, bookings)
            calls.append((_asks(emulator) - before) / len(booked))
            return booked

        hurried = lags(make(SAMPLES, emulator), lambda order: _pay(emulator, order, webhook=True))
        returned = lags(make(SAMPLES, emulator), lambda order: _pay_and_return(emulator, web, order))
        ladder = make_on_ladder(2 if running.QUICK else 8, emulator, dice=Random(7))
        found = lags(ladder, lambda order: _pay(emulator, order, webhook=False))
    return {
        "calls_per_payment": dict(zip(WAYS, calls, strict=True)),
        "by_webhook": _quantiles([one.wait_s for one in hurried]),
        "by_return": _quantiles([one.wait_s for one in returned]),
        "by_schedule": _quantiles([one.after_rung_s for one in found]),
        "by_step": {step: _quantiles([one.after_rung_s for one in some]) for step, some in by_step(found)},
        "waits": {
            step: _quantiles([one.wait_s for one in some]) for step, some in by_step(found, freely=True)
        },
    }


def _asks(emulator: str) -> int:
    """Status calls that the emulator was asked so far."""
    return int(running.control(emulator, "calls").get("status", 0))


@contextmanager
def _under_load(emulator: str, count: int) -> Iterator[None]:
    running.empty_database()
    if not count:
        yield
        return
    others = Others([order.pk for order in make(count, emulator)])
    others.start()
    try:
        yield
    finally:
        others.stop()


@contextmanager
def _heard() -> Iterator[Bookings]:
    bookings = Bookings()
    bookings.start()
    bookings.listens.wait()
    try:
        yield bookings
    finally:
        bookings.stop()


def _booked(orders: Sequence[Order], pay: Callable[[Order], float], bookings: Bookings) -> list[Booked]:
    """Pay each at its moment, or one after the other, and wait until all of them are booked."""
    begin = time.time()
    with ThreadPoolExecutor(HANDS) as hands:
        paying = []
        for nth, order in enumerate(sorted(orders, key=lambda order: order.pay_at)):
            time.sleep(max(0.0, (order.pay_at or begin + nth * PACE_S) - time.time()))
            paying.append((order, hands.submit(pay, order)))
        paid = [(order, future.result()) for order, future in paying]
    running.wait_until(
        lambda: all(order.cart_id in bookings.at for order in orders), "the bookings", within_s=WITHIN_S
    )
    _must_be_booked(orders)
    return [Booked(order, paid_at, bookings.at[order.cart_id]) for order, paid_at in paid]


def _pay(emulator: str, order: Order, *, webhook: bool) -> float:
    """The customer pays and closes the tab; when that was, by the emulator."""
    outcome = {"outcome": "success", "webhook": webhook}
    return float(running.control(emulator, f"orders/{order.name}/outcome", outcome)["paidAt"]) / 1000


def _pay_and_return(emulator: str, web: str, order: Order) -> float:
    paid_at = _pay(emulator, order, webhook=False)
    with urllib.request.build_opener(_Here).open(
        f"{web}/api/payments/return/{order.name}/", timeout=30
    ) as answer:
        assert answer.status == 302, answer.status
    return paid_at


class _Here(urllib.request.HTTPRedirectHandler):
    """Go nowhere: the page that the customer would see next is not measured."""

    def http_error_302(self, request: Any, answer: Any, code: int, message: str, headers: Any) -> Any:
        return answer


def _must_be_booked(orders: Sequence[Order]) -> None:
    with running.database() as connection:
        row = connection.execute(
            "SELECT count(*) FROM payments_order WHERE id = ANY(%s) AND fulfilment = 'BOOKED'",
            [[o.pk for o in orders]],
        ).fetchone()
    assert row == (len(orders),), f"{row} of {len(orders)} are booked"


def _quantiles(seconds: Sequence[float]) -> dict[str, float]:
    """Of fewer than a hundred samples p99 is the longest."""
    in_order = sorted(seconds)
    return {"p50": in_order[ceil(0.5 * len(in_order)) - 1], "p99": in_order[ceil(0.99 * len(in_order)) - 1]}
