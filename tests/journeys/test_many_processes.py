"""Many processes and many requests at once, over the same orders."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from django.db import connection

from bookings.models import Booking
from payments import wakeups
from payments.models import PaymentOrder
from tests.journeys import customer
from tests.ports import free_port
from tests.processes import checker, started, web
from tests.sandbox import Sandbox, wait_until

pytestmark = pytest.mark.django_db(transaction=True)


def test_two_processes_sweeping_500_orders_ask_500_times_and_book_each_once(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    orders = customer.orders_known_to(sandbox, 500)

    with ExitStack() as running:
        sweeps = [
            running.enter_context(
                started(
                    "manage.py",
                    "auto_complete_payments",
                    log=tmp_path / f"{number}.log",
                    PHONEPE_BASE_URL=sandbox.base_url,
                )
            )
            for number in range(2)
        ]
        exits = [sweep.wait(90) for sweep in sweeps]

    logs = [(tmp_path / f"{number}.log").read_text() for number in range(2)]
    assert exits == [0, 0], logs
    assert sandbox.calls()["status"] == 500
    assert customer.statuses(*orders) == {"SUCCESS"}
    assert customer.booked(*orders) == Booking.objects.count() == 500
    assert all(" checked, " in text for text in logs)


def test_20_parallel_status_requests_cost_one_gateway_call_and_all_see_the_success(
    site: str, sandbox: Sandbox
) -> None:
    order, earlier = customer.orders_known_to(sandbox, 2, age_s=40, due_in_s=60)
    customer.status(
        site, earlier.cart_id
    )  # the emulator has forgotten the site's token: it has a new one now
    sandbox.settings(latency=0.3)
    url = f"{site}/api/payments/cart/{order.cart_id}/status/"

    with ThreadPoolExecutor(20) as pool:
        replies = list(pool.map(lambda _: customer.call("GET", url), range(20)))

    assert [reply.status for reply in replies] == [200] * 20
    assert {reply.json["data"]["payment_status"] for reply in replies} == {"SUCCESS"}
    assert sandbox.calls(order.merchant_order_id)["status"] == 1
    assert Booking.objects.filter(cart_id=order.cart_id).count() == 1


def test_status_answers_within_3_s_while_the_gateway_hangs_and_many_ask(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    orders = customer.orders_known_to(sandbox, 30, age_s=40, due_in_s=60)
    sandbox.fault("status", "hang", seconds=3.5)
    own = web(log=tmp_path / "web.log", port=free_port(), PHONEPE_BASE_URL=sandbox.base_url)

    with own as site, ThreadPoolExecutor(30) as pool:  # one of its own, which takes the hanging calls along
        urls = [f"{site}/api/payments/cart/{order.cart_id}/status/" for order in orders]
        replies = list(pool.map(lambda url: customer.call("GET", url), urls))

    assert [reply.status for reply in replies] == [200] * 30
    assert max(reply.took_s for reply in replies) < 4  # 3 by contract, and this machine's own slowness


def test_open_event_streams_leave_the_database_to_others(site: str, sandbox: Sandbox) -> None:
    orders = customer.orders_known_to(sandbox, 45, state="PENDING", age_s=5, due_in_s=60)

    with ExitStack() as watching:
        for order in orders:
            url = f"{site}/api/payments/cart/{order.cart_id}/events/"
            stream = watching.enter_context(customer.listen(url))
            assert stream.readline() == b"retry: 3000\n"
        wait_until(lambda: listeners() == 1)  # streams of an earlier test may be ending
        reply = customer.call("GET", f"{site}/api/payments/cart/{orders[0].cart_id}/status/")
        assert listeners() == 1  # of the one process of this site, for all its streams

    assert reply.status == 200
    assert reply.took_s < 2


def listeners() -> int:
    """How many connections listen for the streams."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query = %s",
            [f"LISTEN {wakeups.CHANGED}"],
        )
        return int(cursor.fetchone()[0])


def test_three_checkers_share_the_work(sandbox: Sandbox, tmp_path: Path) -> None:
    orders = customer.orders_known_to(sandbox, 60)

    with ExitStack() as running:
        for number in range(3):
            running.enter_context(checker(log=tmp_path / f"{number}.log", PHONEPE_BASE_URL=sandbox.base_url))
        wait_until(lambda: customer.booked(*orders) == 60, within_s=30)

    assert sandbox.calls()["status"] == 60
    assert Booking.objects.count() == 60
    assert PaymentOrder.objects.filter(next_check_at__isnull=False).count() == 0


def test_after_kill_9_of_a_checker_the_others_use_its_share_of_the_limit_and_no_more(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    limit, counted_s = 20, 15.0  # a single 429 costs half the rate for seconds
    # On rungs of 3 s, later 6 s, they want twice the limit and more.
    customer.orders_known_to(sandbox, 250, state="PENDING", age_s=20)
    sandbox.settings(max_rps=limit)
    settings = {"PHONEPE_BASE_URL": sandbox.base_url, "PHONEPE_MAX_RPS": str(limit)}

    with ExitStack() as running:
        checkers = [
            running.enter_context(checker(log=tmp_path / f"{number}.log", **settings)) for number in range(3)
        ]
        wait_until(lambda: sandbox.calls()["status"] > 2 * limit, within_s=30)
        time.sleep(3 + 60 / limit)  # until the throttle has settled
        checkers[0].kill()
        begun = time.time()
        time.sleep(counted_s + 0.5)
        asked = sandbox.answered("status", since=begun, until=begun + counted_s)

    refused = asked.pop(429, 0)
    answered = sum(asked.values())
    assert answered > 0.75 * limit * counted_s  # two thirds would be the others' share
    assert answered, (asked, refused)
    assert refused <= 0.02 * (answered + refused), (asked, refused)
