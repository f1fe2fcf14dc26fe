"""The pipeline in one process: what it claims, how many at once, and what one order's trouble costs the others."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from payments import claims, completion, gateway, sweep, throttle
from payments.answers import Answer
from payments.models import GatewayThrottle, PaymentOrder
from payments.states import Status
from payments.sweep import Sweep
from tests import make
from tests.sandbox import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def shop(plug):
    plug("delivers")


class Gateway:
    """In place of the one door, so that a test decides when each answer comes."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.asked: list[str] = []
        self.waiting: list[Any] = []
        self.answer = lambda name: make.answer("COMPLETED")
        self.holds_back = False
        patch.setattr(gateway, "check_credentials", lambda: None)
        patch.setattr(gateway, "submit_ask", self.submit_ask)

    def submit_ask(self, merchant_order_id: str, on_answer: Any) -> None:
        self.asked.append(merchant_order_id)
        self.waiting.append((merchant_order_id, on_answer))
        if not self.holds_back:
            self.let_go()

    def let_go(self) -> None:
        waiting, self.waiting = self.waiting, []
        for name, on_answer in waiting:
            on_answer(self.answer(name))


@pytest.fixture
def door(monkeypatch) -> Gateway:
    return Gateway(monkeypatch)


def orders(count: int, **fields: Any) -> list[PaymentOrder]:
    return [make.order(**fields) for _ in range(count)]


def statuses() -> list[str]:
    return sorted(PaymentOrder.objects.values_list("status", flat=True))


def test_sweep_settles_what_is_due_and_leaves_the_rest(door):
    due = orders(3)
    later = make.order(next_check_at=timezone.now() + timedelta(minutes=1))

    summary = Sweep().run_once()

    assert sorted(door.asked) == sorted(order.merchant_order_id for order in due)
    assert (summary.checked, summary.moved) == (3, {"SUCCESS": 3})
    later.refresh_from_db()
    assert (later.status, later.asks) == ("INITIATED", 0)


def test_sweep_with_a_limit_takes_no_more(door):
    orders(5)

    assert Sweep(limit=2).run_once().checked == 2
    assert len(door.asked) == 2


def test_sweep_leaves_what_falls_due_after_its_start(door):
    orders(1)

    def answer(name: str) -> Answer:
        if PaymentOrder.objects.count() < 4:
            make.order(next_check_at=timezone.now())  # fell due while we were asking
        return make.answer("COMPLETED")

    door.answer = answer
    summary = Sweep().run_once()

    assert summary.checked == 1


def test_one_orders_trouble_stops_no_other(door, monkeypatch, logs):
    bad = orders(4)[0]
    settle = completion.settle

    def breaks(order_id: int, *arguments: Any, **how: Any) -> PaymentOrder:
        if order_id == bad.pk:
            raise ValueError("a bug")
        return settle(order_id, *arguments, **how)

    monkeypatch.setattr(completion, "settle", breaks)

    summary = Sweep().run_once()

    assert (summary.moved, logs.count("order could not be settled")) == ({"SUCCESS": 3}, 1)
    assert statuses() == ["INITIATED", "SUCCESS", "SUCCESS", "SUCCESS"]


def test_answers_that_cannot_be_put_back_together_are_settled_one_by_one(door, monkeypatch, logs):
    orders(3)
    door.answer = lambda name: make.answer("PENDING")

    def breaks(*_: Any, **__: Any) -> None:
        raise ValueError("one of them cannot be stored")

    monkeypatch.setattr(claims, "put_back", breaks)

    Sweep().run_once()

    assert logs.count("answers could not be put back together") >= 1
    assert list(PaymentOrder.objects.values_list("asks", "leased_until")) == [(1, None)] * 3


def test_no_more_questions_are_under_way_than_allowed(door, monkeypatch, settings):
    settings.PHONEPE_MAX_RPS = 10_000
    monkeypatch.setattr(sweep, "MAX_IN_FLIGHT", 4)
    orders(10)
    door.holds_back, most = True, 0
    running = Sweep()
    collect = running._collect

    def watch(timeout_s: float) -> None:
        nonlocal most
        most = max(most, len(door.waiting))
        door.let_go()
        collect(timeout_s)

    monkeypatch.setattr(running, "_collect", watch)
    running.run_once()

    assert (most, len(door.asked)) == (4, 10)


def test_a_stopped_sweep_claims_nothing_more_and_finishes_what_is_under_way(door):
    first = make.order()
    door.holds_back = True
    running = Sweep()
    thread = threading.Thread(target=_run_for_ever, args=(running,))
    thread.start()
    wait_until(lambda: door.waiting)

    running.stop()
    second = make.order()
    door.let_go()
    thread.join(10)

    assert not thread.is_alive()
    assert door.asked == [first.merchant_order_id]
    assert (statuses(), PaymentOrder.objects.get(pk=second.pk).leased_until) == (
        ["INITIATED", "SUCCESS"],
        None,
    )


def test_what_is_still_under_way_when_time_is_up_is_given_up_at_once(door, monkeypatch):
    monkeypatch.setattr(sweep, "STOP_WITHIN_S", 0.1)
    order = make.order()
    door.holds_back = True
    running = Sweep()
    thread = threading.Thread(target=_run_for_ever, args=(running,))
    thread.start()
    wait_until(lambda: door.waiting)

    running.stop()
    thread.join(10)

    order.refresh_from_db()
    assert (order.status, order.leased_until) == (Status.INITIATED, None)
    assert order.next_check_at <= timezone.now()


def test_calls_that_were_granted_and_not_made_are_given_back(door, settings):
    settings.PHONEPE_MAX_RPS = 1000
    throttle.take(1, now=timezone.now())
    make.order()
    before = GatewayThrottle.objects.get().tokens

    Sweep().run_once()

    assert GatewayThrottle.objects.get().tokens > before - 3  # one call, not the 200 that there was room for


def _run_for_ever(running: Sweep) -> None:

    try:
        running.run_for_ever(interval_s=60, on_turn=lambda: None)
    finally:
        connection.close()
