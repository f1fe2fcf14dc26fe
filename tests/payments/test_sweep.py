"""The pipeline in one process: how much it takes, what stops it, and what it leaves behind."""

from __future__ import annotations

import queue
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from payments import claims, gateway, sweep
from payments.models import GatewayThrottle, PaymentOrder
from payments.states import Fulfilment, Status
from payments.sweep import Sweep
from payments.writing import Checked
from phonepe_pg import Client, Unavailable
from tests import make
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def shop(plug):
    plug("delivers")


def known(sandbox: Sandbox, count: int = 1, state: str = "COMPLETED", **fields: Any) -> list[PaymentOrder]:
    """Due orders of ours that the emulator knows as well."""
    orders = [make.order(gateway_order_id="", **fields) for _ in range(count)]
    sandbox.register(
        *[{"merchantOrderId": o.merchant_order_id, "amount": o.amount, "state": state} for o in orders]
    )
    return orders


def again(*orders: PaymentOrder) -> list[PaymentOrder]:
    return [PaymentOrder.objects.get(pk=order.pk) for order in orders]


def held() -> int:
    return PaymentOrder.objects.filter(leased_until__isnull=False).count()


def booked() -> int:
    return PaymentOrder.objects.filter(fulfilment=Fulfilment.BOOKED).count()


class AtOnce:
    """Counts how many questions are at PhonePe at the same time, and how many with those in line behind them."""

    def __init__(self, monkeypatch) -> None:
        self.now = self.most = self.most_with_line = 0
        ask = Client.order_status

        async def counted(client, merchant_order_id):
            self.now += 1
            self.most = max(self.most, self.now)
            self.most_with_line = max(self.most_with_line, len(gateway._door.asking))
            try:
                return await ask(client, merchant_order_id)
            finally:
                self.now -= 1

        monkeypatch.setattr(Client, "order_status", counted)


def test_sweep_at_a_slow_gateway_has_no_more_questions_under_way_than_allowed(sandbox, monkeypatch):
    gateway.close()
    monkeypatch.setattr(gateway, "MAX_IN_FLIGHT", 3)
    known(sandbox, 15)
    sandbox.settings(latency=0.2)
    claimed, asking = [], AtOnce(monkeypatch)

    Sweep(on_checked=lambda _: claimed.append(held())).run_once()

    assert booked() == 15
    assert max(claimed) <= 9  # those that are asked about, in line behind them, and being written down
    assert (asking.most, asking.most_with_line <= 6) == (3, True)
    gateway.close()


@pytest.mark.parametrize("state", ["PENDING", "COMPLETED"])
def test_sweep_when_one_answer_cannot_be_written_down_settles_the_others(sandbox, state):
    (odd,) = known(sandbox, state="PENDING")
    others = known(sandbox, 3, state)
    claimed = claims.claim_due(now=timezone.now(), limit=4)
    vanish(odd)

    summary = Sweep().run_once(only=claimed)

    assert summary.checked == 3
    assert {order.gateway_state for order in again(*others)} == {state}
    assert held() == 0


def vanish(order: PaymentOrder) -> None:
    """Nothing that PhonePe can say of it will find its row."""
    with make.unguarded(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM payments_event WHERE order_id = %s", [order.pk])
        cursor.execute("DELETE FROM payments_order WHERE id = %s", [order.pk])


def test_sweep_told_to_stop_claims_nothing_more_and_finishes_what_is_under_way(sandbox, monkeypatch):
    monkeypatch.setattr(gateway, "MAX_IN_FLIGHT", 2)
    known(sandbox, 20)
    sandbox.settings(latency=0.2)
    running: Sweep

    def stop_at_the_first(_: Checked) -> None:
        running.stop()

    running = Sweep(on_checked=stop_at_the_first)
    running.run_once()

    assert held() == 0
    assert booked() <= 2 + 6  # what was written down at the first report, and what may be in hand then


def test_sweep_that_gives_up_a_hanging_question_leaves_no_claim(sandbox, monkeypatch):
    monkeypatch.setattr(sweep, "STOP_WITHIN_S", 0.2)
    (hanging,) = known(sandbox)
    sandbox.fault("status", "hang", seconds=5, merchantOrderId=hanging.merchant_order_id)
    known(sandbox)
    running: Sweep

    def stop_at_the_first(_: Checked) -> None:
        running.stop()

    running = Sweep(on_checked=stop_at_the_first)
    running.run_once()

    (left,) = again(hanging)
    assert (left.status, left.leased_until) == (Status.INITIATED, None)
    assert left.next_check_at <= timezone.now()


def test_sweep_that_began_earlier_leaves_what_fell_due_since(sandbox):
    now = timezone.now()
    (due,) = known(sandbox, next_check_at=now - timedelta(seconds=20))
    (later,) = known(sandbox, next_check_at=now - timedelta(seconds=5))
    GatewayThrottle.objects.create(pk=1, rate=1000, tokens=100, refilled_at=now, adapted_at=now)
    begun = Sweep()
    begun._due_by = now - timedelta(seconds=10)

    begun._work_off(None)
    begun._let_go()

    assert [order.status for order in again(due, later)] == [Status.SUCCESS, Status.INITIATED]


def test_sweep_with_a_limit_asks_about_so_many_and_no_more(sandbox):
    known(sandbox, 5)

    summary = Sweep(limit=2).run_once()

    assert (summary.checked, booked(), held()) == (2, 2, 0)


def test_sweep_gives_back_the_calls_it_did_not_make(sandbox, settings):
    settings.PHONEPE_MAX_RPS = 20
    now = timezone.now()
    GatewayThrottle.objects.create(pk=1, rate=20, tokens=1, refilled_at=now, adapted_at=now)
    known(sandbox)

    begun = Sweep()
    begun._work_off(None)
    begun._let_go()

    assert GatewayThrottle.objects.get().tokens == pytest.approx(0)


def test_sweep_signs_in_with_a_call_from_the_bucket(sandbox):
    now = timezone.now()
    GatewayThrottle.objects.create(pk=1, rate=0.001, tokens=1, refilled_at=now, adapted_at=now)

    Sweep().run_once()

    assert sandbox.calls()["token"] == 1
    assert GatewayThrottle.objects.get().tokens == pytest.approx(0, abs=0.1)


def test_second_sweep_of_a_process_does_not_sign_in_again(sandbox):
    for _ in range(2):
        Sweep().run_once()

    assert sandbox.calls()["token"] == 1


def test_sweep_after_a_refusal_signs_in_again(sandbox):
    Sweep().run_once()
    known(sandbox, state="PENDING")
    for operation in ("status", "token"):
        sandbox.fault(operation, "unauthorized", count=2)

    assert Sweep().run_once().gateway_was_unusable

    PaymentOrder.objects.update(next_check_at=timezone.now())
    assert "does not accept" in Sweep().run_once().trouble


def test_sweep_whose_questions_are_forbidden_signs_in_no_more_for_that(sandbox, logs):
    """A 403 is about our rights (wire reference §7.2): PhonePe gives a new token, and it mends nothing."""
    now = timezone.now()
    for nth in range(60):
        known(sandbox, state="PENDING", next_check_at=now + timedelta(seconds=nth / 20))
    sandbox.fault("status", "refused", status=403, code="FORBIDDEN")
    running: Sweep

    def stop_after_all(_: Checked) -> None:
        if running.summary.checked >= 60:
            running.stop()

    running = Sweep(on_checked=stop_after_all)
    running.run_for_ever(interval_s=60, on_turn=lambda: None)

    assert running.summary.unanswered == running.summary.checked >= 60
    assert sandbox.calls()["token"] <= 2
    (told,) = [line for line in logs.lines if line["event"] == "PhonePe refuses our questions"]
    assert "403 FORBIDDEN" in told["why"]


def test_sweep_that_hears_a_state_never_heard_of_says_so_once(sandbox, logs):
    gateway._tell_of.cache_clear()
    known(sandbox, 3, state="PENDING")
    sandbox.fault("status", "unknown_state", state="ON_HOLD")

    Sweep().run_once()

    told = [line for line in logs.lines if line["event"] == "PhonePe says a state that is not known here"]
    assert [(line["level"], line["state"]) for line in told] == [("error", "ON_HOLD")]


def test_sweep_during_an_outage_ends_when_it_cannot_sign_in(sandbox):
    """A Celery worker that sweeps again and again must not wait for the breaker's probes each time."""
    Sweep().run_once()
    known(sandbox, 5, "PENDING")
    for operation in ("status", "token"):
        sandbox.fault(operation, "server_error")
    Sweep().run_once()
    asked = sandbox.calls()["status"]

    summary = Sweep().run_once()

    assert (summary.gateway_was_unusable, summary.checked) == (True, 0)
    assert sandbox.calls()["status"] == asked


def test_sweep_that_may_not_sign_in_yet_slows_everybody_down(sandbox):
    sandbox.fault("token", "rate_limited", count=1, retryAfter=30)

    Sweep().run_once()

    limited_until = GatewayThrottle.objects.get().limited_until
    assert limited_until is not None
    assert limited_until > timezone.now() + timedelta(seconds=20)


def test_sweep_asks_each_question_at_its_turn(sandbox):
    orders = known(sandbox, 2, "PENDING")
    turn = timezone.now() + timedelta(seconds=2)
    told: queue.SimpleQueue[Any] = queue.SimpleQueue()

    gateway.submit_ask(orders, lambda order, answer: told.put((order.pk, answer)), leave_at=[turn])

    (at_once, _), (later, answer) = [told.get(timeout=10) for _ in orders]
    assert (at_once, later) == (orders[1].pk, orders[0].pk)
    assert answer.asked_at > turn - timedelta(milliseconds=5)  # the loop's clock counts in milliseconds


def test_sweep_delivers_a_paid_order_without_asking(sandbox):
    order = make.paid_order(next_check_at=timezone.now())

    Sweep().run_once()

    assert again(order)[0].fulfilment == Fulfilment.BOOKED
    assert sandbox.calls(order.merchant_order_id).get("status", 0) == 0


def test_one_sweep_over_a_gateway_that_only_fails_comes_back_another_time(sandbox, settings):
    settings.PHONEPE_MAX_RPS = 20
    orders = known(sandbox, 12, "PENDING")
    sandbox.fault("status", "server_error")

    summary = Sweep().run_once()

    assert (summary.gateway_is_dead, summary.gateway_was_unusable) == (True, True)
    assert sandbox.calls()["status"] < len(orders)


def test_sweep_whose_question_fails_in_an_unforeseen_way_asks_again_at_the_next_rung(sandbox, monkeypatch):
    order, other = known(sandbox, 2)
    ask = Client.order_status

    async def breaks(client, merchant_order_id):
        if merchant_order_id == order.merchant_order_id:
            raise RuntimeError("a bug of the transport's")
        return await ask(client, merchant_order_id)

    monkeypatch.setattr(Client, "order_status", breaks)
    running = Sweep(on_checked=lambda _: running.stop())

    running.run_once()

    left, done = again(order, other)
    assert (done.status, left.status, left.leased_until) == (Status.SUCCESS, Status.INITIATED, None)
    assert (left.asks, left.next_check_at > left.asked_at) == (1, True)
    assert left.events.get(kind="answered").detail["state"] == "Malformed"


def test_sweep_asks_nobody_who_is_still_in_line_when_phonepe_wants_fewer_calls(sandbox, monkeypatch):
    gateway.close()
    monkeypatch.setattr(gateway, "MAX_IN_FLIGHT", 2)
    orders = known(sandbox, 8, "PENDING")
    sandbox.settings(latency=0.2)
    sandbox.fault("status", "rate_limited", count=100, retryAfter=30)
    told: list[tuple[PaymentOrder, Any]] = []
    finished = threading.Event()

    def take(claimed: PaymentOrder, answer: Any) -> None:
        told.append((claimed, answer))
        if len(told) == len(orders):
            finished.set()

    gateway.submit_ask(orders, take)

    assert finished.wait(10)
    assert sum(answer is not None for _, answer in told) <= 2
    assert sandbox.calls()["status"] <= 2
    gateway.close()


def test_sweep_puts_back_who_was_not_asked_as_if_it_had_not_been_claimed(sandbox):
    (order,) = claims.claim_due(now=timezone.now(), limit=1) if known(sandbox, state="PENDING") else ()
    sweep = Sweep(limit=0)

    sweep._take_in((order, None))
    sweep._write_down()

    (left,) = again(order)
    assert (left.leased_until, left.asks, left.events.count()) == (None, 0, 1)
    assert left.next_check_at <= timezone.now()


def test_sweep_whose_grant_says_that_all_is_well_does_not_ask_whether_success_heals(sandbox, settings):
    settings.PHONEPE_MAX_RPS = 1000
    known(sandbox, 3, "PENDING")

    with CaptureQueriesContext(connection) as captured:
        Sweep().run_once()

    looks = [one["sql"] for one in captured if "clock_timestamp() FROM payments_throttle" in one["sql"]]
    assert len(looks) == 3  # for a turn to sign in with, after it, and for the claim; none for the answers


def test_sweep_at_a_slowed_gateway_heals_it(sandbox, settings):
    settings.PHONEPE_MAX_RPS = 1000
    now = timezone.now()
    GatewayThrottle.objects.create(pk=1, rate=500, tokens=50, refilled_at=now, adapted_at=now, failures=3)
    known(sandbox, 3, "PENDING")

    Sweep().run_once()

    assert GatewayThrottle.objects.get().failures == 0


def test_preview_while_phonepe_wants_no_calls_says_so_and_makes_none(sandbox, monkeypatch):
    monkeypatch.setattr("payments.completion.TURN_S", 0.1)
    order = make.order()
    now = timezone.now()
    GatewayThrottle.objects.create(
        pk=1, rate=10, refilled_at=now, adapted_at=now, limited_until=now + timedelta(hours=1)
    )

    ((_, answer, verdict),) = sweep.preview([order])

    assert (type(answer.error), answer.error.sent, verdict.moves) == (Unavailable, False, ())
    assert sandbox.calls()["status"] == 0
