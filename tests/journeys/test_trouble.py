"""Crashes, signals and a gateway that misbehaves, under real checkers."""

from __future__ import annotations

import json
import signal
import socket
import time
from pathlib import Path

import pytest
from django.utils import timezone

from bookings.models import Booking
from payments import claims
from payments.models import PaymentEvent, PaymentOrder
from tests.journeys import customer
from tests.ports import free_port
from tests.processes import checker, manage, started
from tests.sandbox import Sandbox, wait_until

pytestmark = pytest.mark.django_db(transaction=True)


def lines(log: Path, event: str) -> list[dict[str, object]]:
    """What a checker has logged under one sentence."""
    told = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    return [line for line in told if line["event"] == event]


def test_a_killed_checkers_orders_are_completed_by_another_when_the_lease_ends(
    sandbox: Sandbox, log: Path, tmp_path: Path
) -> None:
    orders = customer.orders_known_to(sandbox, 5)
    sandbox.fault("status", "hang", seconds=30, count=5)
    with checker(log=log, PHONEPE_BASE_URL=sandbox.base_url) as first:
        wait_until(lambda: sandbox.calls()["status"] == 5)
        claimed_at = timezone.now()
        first.kill()
        first.wait()
    assert customer.held() == 5

    with checker(log=tmp_path / "second.log", PHONEPE_BASE_URL=sandbox.base_url):
        wait_until(lambda: customer.booked(*orders) == 5, within_s=30)

    waited_s = (timezone.now() - claimed_at).total_seconds()
    assert waited_s > claims.LEASE.total_seconds() - 5
    assert Booking.objects.count() == 5
    assert sandbox.calls()["status"] == 10


def test_a_stopped_checker_ends_within_10_s_and_leaves_no_lease(sandbox: Sandbox, log: Path) -> None:
    customer.orders_known_to(sandbox, 5)
    sandbox.fault("status", "hang", seconds=30)
    with checker(log=log, PHONEPE_BASE_URL=sandbox.base_url) as running:
        wait_until(lambda: sandbox.calls()["status"] == 5)
        assert customer.held() == 5

        running.terminate()
        exit_code = running.wait(10)

    assert (exit_code, customer.held()) == (0, 0)
    assert len(lines(log, "checker stopped")) == 1
    assert PaymentOrder.objects.filter(next_check_at__lte=timezone.now()).count() == 5


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_checker_finishes_what_is_answered_in_time(
    sandbox: Sandbox, log: Path, signum: int
) -> None:
    orders = customer.orders_known_to(sandbox, 5)
    sandbox.settings(latency=2.0)
    with checker(log=log, PHONEPE_BASE_URL=sandbox.base_url) as running:
        wait_until(lambda: sandbox.calls()["status"] == 5)

        running.send_signal(signum)
        exit_code = running.wait(10)

    assert exit_code == 0
    assert customer.booked(*orders) == 5


def test_a_stopped_checker_ends_in_time_though_a_job_hangs_as_well(
    sandbox: Sandbox, log: Path, tmp_path: Path
) -> None:
    """A mail server that takes the connection and says nothing, and a gateway that does the same."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        (paid,) = customer.orders_known_to(sandbox)
        waiting = customer.orders_known_to(sandbox, 2, due_in_s=2)
        for order in waiting:
            sandbox.fault("status", "hang", seconds=30, merchantOrderId=order.merchant_order_id)
        with checker(
            log=log, PHONEPE_BASE_URL=sandbox.base_url, EMAIL_URL=f"smtp://127.0.0.1:{port}"
        ) as running:
            wait_until(lambda: customer.booked(paid))
            wait_until(lambda: sandbox.calls()["status"] == 3)

            running.terminate()
            exit_code = running.wait(10)

    assert (exit_code, customer.held()) == (0, 0)


def test_an_interrupted_sweep_leaves_no_lease(sandbox: Sandbox, log: Path) -> None:
    customer.orders_known_to(sandbox, 3)
    sandbox.fault("status", "hang", seconds=30)
    command = ("manage.py", "auto_complete_payments")
    with started(*command, log=log, PHONEPE_BASE_URL=sandbox.base_url) as sweep:
        wait_until(lambda: sandbox.calls()["status"] == 3)

        sweep.terminate()
        sweep.wait(10)

    assert customer.held() == 0


def test_an_order_whose_answer_hangs_holds_up_no_other(sandbox: Sandbox, log: Path) -> None:
    (slow,) = customer.orders_known_to(sandbox, due_in_s=3)
    sandbox.fault("status", "hang", seconds=30, merchantOrderId=slow.merchant_order_id)
    (quick,) = customer.orders_known_to(sandbox, due_in_s=5)

    with checker(log=log, PHONEPE_BASE_URL=sandbox.base_url) as running:
        wait_until(lambda: sandbox.calls(slow.merchant_order_id)["status"])
        wait_until(lambda: customer.booked(quick), within_s=8)
        running.kill()


@pytest.mark.parametrize("how", ["reset", "server_error"])
def test_a_dead_gateway_opens_the_breaker_once_and_all_is_completed_when_it_is_back(
    sandbox: Sandbox, log: Path, how: str
) -> None:
    orders = customer.orders_known_to(sandbox, 12)
    fault = sandbox.fault("any", how)
    with checker(log=log, PHONEPE_BASE_URL=sandbox.base_url, PHONEPE_MAX_RPS="100") as running:
        wait_until(lambda: lines(log, "gateway breaker opened"), within_s=20)
        time.sleep(3)
        watched = PaymentOrder.objects.filter(next_check_at__isnull=False, status="INITIATED").count()
        sandbox.call("DELETE", f"faults/{fault['id']}")
        hurry(orders)
        wait_until(lambda: customer.booked(*orders) == 12, within_s=40)
        assert running.poll() is None

    assert watched == 12
    assert len(lines(log, "gateway breaker opened")) == 1
    assert len(lines(log, "gateway breaker closed")) == 1
    assert Booking.objects.count() == 12


def hurry(orders: list[PaymentOrder]) -> None:
    """What a webhook does: the orders are due now."""
    for order in orders:
        claims.nudge(order.merchant_order_id, source="manual", now=timezone.now())


def test_one_sweep_over_a_dead_gateway_says_why_and_leaves_the_orders_due(sandbox: Sandbox) -> None:
    customer.orders_known_to(sandbox, 3)

    done = manage(
        "auto_complete_payments", PHONEPE_BASE_URL=f"http://127.0.0.1:{free_port()}/apis/pg-sandbox"
    )

    assert done.returncode == 1
    assert "PhonePe could not be used: " in done.stderr
    assert customer.held() == 0
    assert PaymentOrder.objects.filter(next_check_at__isnull=False).count() == 3


def test_one_sweep_with_a_wrong_secret_exits_1_with_the_reason(sandbox: Sandbox) -> None:
    customer.orders_known_to(sandbox, 2)

    done = manage(
        "auto_complete_payments", PHONEPE_BASE_URL=sandbox.base_url, PHONEPE_CLIENT_SECRET="a-wrong-secret"
    )

    assert done.returncode == 1
    assert "PhonePe could not be used: " in done.stderr
    assert "a-wrong-secret" not in done.stderr + done.stdout
    assert (customer.held(), sandbox.calls()["status"]) == (0, 0)
    assert PaymentOrder.objects.due(timezone.now()).count() == 2


def test_a_checker_with_a_wrong_secret_stays_up_and_tries_again_each_interval(
    sandbox: Sandbox, log: Path
) -> None:
    customer.orders_known_to(sandbox, 2)
    refused = "the gateway refuses us; trying again later"
    wrong = {"PHONEPE_BASE_URL": sandbox.base_url, "PHONEPE_CLIENT_SECRET": "a-wrong-secret"}

    with checker(log=log, interval=2, **wrong) as running:
        wait_until(lambda: len(lines(log, refused)) == 2)
        for _ in range(20):  # wake-ups between the tries change nothing
            claims.nudge(PaymentOrder.objects.first().merchant_order_id, source="manual", now=timezone.now())
        at_s = [time.monotonic()]
        wait_until(lambda: len(lines(log, refused)) == 3)
        at_s.append(time.monotonic())
        assert running.poll() is None

    assert at_s[1] - at_s[0] < 4
    assert sandbox.calls()["token"] <= 4
    assert PaymentOrder.objects.due(timezone.now()).count() == 2


@pytest.mark.parametrize("name", ["PHONEPE_CLIENT_ID", "PHONEPE_CLIENT_SECRET"])
def test_a_missing_credential_is_named(sandbox: Sandbox, name: str) -> None:
    customer.orders_known_to(sandbox)

    done = manage("auto_complete_payments", PHONEPE_BASE_URL=sandbox.base_url, **{name: ""})

    assert done.returncode == 1
    assert f"{name} is not set" in done.stderr
    assert "Traceback" not in done.stderr


def test_check_deploy_names_a_missing_credential(sandbox: Sandbox) -> None:
    done = manage("check", "--deploy", PHONEPE_CLIENT_ID="")

    assert done.returncode == 1
    assert "PHONEPE_CLIENT_ID is not set" in done.stderr


@pytest.mark.parametrize("kind", ["html_200", "truncated_json"])
def test_a_malformed_answer_is_recorded_and_asked_again_by_schedule(
    sandbox: Sandbox, log: Path, kind: str
) -> None:
    orders = customer.orders_known_to(sandbox, 2, age_s=30)
    sandbox.fault("status", kind, count=2)

    with checker(log=log, PHONEPE_BASE_URL=sandbox.base_url):
        wait_until(lambda: customer.booked(*orders) == 2, within_s=20)

    answered = PaymentEvent.objects.filter(order=orders[0], kind="answered").order_by("id")
    assert [event.detail["state"] for event in answered] == ["Malformed", "COMPLETED"]
    assert not lines(log, "gateway breaker opened")


def test_an_answer_that_the_database_cannot_hold_stops_nobody_else(sandbox: Sandbox, log: Path) -> None:
    (odd,) = customer.orders_known_to(sandbox, state="PENDING")
    sandbox.fault(
        "status", "unknown_state", state="ON\0HOLD\ud800", merchantOrderId=odd.merchant_order_id, count=1
    )
    others = customer.orders_known_to(sandbox, 3)

    with checker(log=log, PHONEPE_BASE_URL=sandbox.base_url) as running:
        wait_until(lambda: customer.booked(*others) == 3)
        assert running.poll() is None

    assert customer.statuses(odd) == {"INITIATED"}
    assert PaymentOrder.objects.get(pk=odd.pk).next_check_at is not None


def test_a_limited_gateway_is_asked_more_slowly_and_all_is_completed(sandbox: Sandbox, log: Path) -> None:
    orders = customer.orders_known_to(sandbox, 10)
    sandbox.fault("status", "rate_limited", retryAfter=1, count=2)

    with checker(log=log, PHONEPE_BASE_URL=sandbox.base_url, PHONEPE_MAX_RPS="20"):
        wait_until(lambda: lines(log, "gateway asked us to slow down"))
        hurry(orders)
        wait_until(lambda: customer.booked(*orders) == 10, within_s=20)

    assert Booking.objects.count() == 10
