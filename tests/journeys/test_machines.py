"""Three machines with a checker each, PostgreSQL on a fourth: they add up, and one may be cut off. Workers the same."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from payments import jobs
from tests import machines
from tests.machines import NET, Database, Machine, Switch
from tests.processes import ROOT
from tests.sandbox import Sandbox, wait_until

LATENCY_S = 1.2
HOUR = "now() + interval '1 hour'"
STATUSES = "SELECT status, count(*) FROM payments_order GROUP BY 1"
BOOKED = "SELECT count(*), count(DISTINCT merchant_order_id) FROM bookings_booking"
LOCK_AND_WAIT = """
import time
from django.db import connection, transaction
with transaction.atomic(), connection.cursor() as cursor:
    cursor.execute("SELECT 1 FROM payments_throttle FOR NO KEY UPDATE")
    print("holds the throttle", flush=True)
    time.sleep(300)
"""
REFUND_ALL = """
from django.utils import timezone
from payments import refunds
from payments.models import PaymentOrder
for order in PaymentOrder.objects.filter(fulfilment="BOOKED", refunds=None):
    refunds.request(
        order.merchant_order_id, amount_paise=None, reason="t", requested_by="t", now=timezone.now()
    )
"""


class Fleet:
    """The machines, their database and the emulator."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.running = folder, list[subprocess.Popen[bytes]]()
        with ExitStack() as ends:
            self.switch = Switch()
            ends.callback(self.switch.close)
            self.machines = [Machine(self.switch, number) for number in (1, 2, 3)]
            self.database = Database(folder / "postgres", Machine(self.switch, 9))
            ends.callback(self.database.close)
            self.gateway = Sandbox("--host", f"{NET}.254", inside=machines.inside(self.switch.space))
            ends.callback(self.gateway.close)
            self.settings = {
                "DATABASE_URL": self.database.tcp_url,
                "PHONEPE_BASE_URL": self.gateway.base_url,
                "PHONEPE_MAX_RPS": "100000",
                "EMAIL_URL": f"file://{folder}/mail",
            }
            for command in (["migrate", "-v0"], ["seed_catalog"]):
                self.manage(*command)
            ends.callback(lambda: machines.end(self.running))
            self.close = ends.pop_all().close

    def manage(self, *arguments: str) -> None:
        """A command on this machine, which has a cable to the switch as well."""
        subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "okpuja.settings", **self.settings},
            check=True,
            timeout=60,
            stdout=subprocess.DEVNULL,
        )

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        return self.database.ask(sql)

    def start_checkers(self, *numbers: int) -> list[subprocess.Popen[bytes]]:
        """A checker on each of these machines (1, 2, 3), ready when all have said so."""
        command = ("manage.py", "auto_complete_payments", "--continuous", "--interval", "2")
        logs = [self.folder / f"checker-{number}-{time.monotonic_ns()}.log" for number in numbers]
        started = [
            self.machines[number - 1].start(*command, log=log, **self.settings)
            for number, log in zip(numbers, logs, strict=True)
        ]
        self.running += started
        wait_until(lambda: all("checker started" in log.read_text() for log in logs), within_s=40)
        return started

    def start_worker(self, number: int) -> int:
        """A worker for jobs alone on this machine; its id in the table of workers."""
        known = "SELECT coalesce(max(id), 0) FROM procrastinate_workers"
        before = self.ask(known)
        command = ("manage.py", "procrastinate", "worker", "--concurrency", "8")
        log = self.folder / f"worker-{number}.log"
        self.running.append(self.machines[number - 1].start(*command, log=log, **self.settings))
        wait_until(lambda: self.ask(known) != before, within_s=40)
        return int(self.ask(known)[0][0])

    def stop(self, *processes: subprocess.Popen[bytes]) -> None:
        machines.end(processes)
        self.running = [process for process in self.running if process not in processes]

    def make_orders(self, count: int, *, age_s: int) -> list[str]:
        """Orders that the emulator knows; due when `hurry` says so."""
        last = self.ask("SELECT coalesce(max(id), 0) FROM payments_order")[0][0]
        self.manage("make_orders", str(count), "--age", str(age_s))
        self.ask(f"UPDATE payments_order SET next_check_at = {HOUR} WHERE id > {last} RETURNING 1")
        return [
            name for (name,) in self.ask(f"SELECT merchant_order_id FROM payments_order WHERE id > {last}")
        ]

    def hurry(self, orders: list[str]) -> None:
        """All due now, and the checkers are woken."""
        names = ",".join(f"'{name}'" for name in orders)
        self.ask(
            f"UPDATE payments_order SET next_check_at = now() WHERE merchant_order_id IN ({names}) RETURNING 1"
        )
        self.ask("SELECT pg_notify('payments_due', '')")

    def pay(self, orders: list[str]) -> None:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(self.gateway.decide, orders))

    def rate(self, orders: list[str]) -> float:
        """How many of these orders are asked about in a second, by when nine in ten are; all of them are in the end.

        The last ones do not count: they are a wave that not every checker has a part in.
        """
        names = ",".join(f"'{name}'" for name in orders)
        sql = f"SELECT count(*) FROM payments_order WHERE asks > 0 AND merchant_order_id IN ({names})"

        def asked(share: float) -> int:
            (row,) = self.ask(sql)
            return int(row[0]) if row[0] >= share * len(orders) else 0

        self.hurry(orders)
        started = time.monotonic()
        count = wait_until(lambda: asked(0.9), within_s=60)
        rate = count / (time.monotonic() - started)
        wait_until(lambda: asked(1.0), within_s=60)
        return rate

    def count_is(self, sql: str, *counts: int) -> Callable[[], bool]:
        return lambda: self.ask(sql) == [counts]


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    machines.need_namespaces()
    fleet = Fleet(tmp_path)
    yield fleet
    fleet.close()


@pytest.mark.timeout(400)
def test_machines_add_up_and_one_that_is_cut_off_mid_sweep_costs_nothing(fleet: Fleet) -> None:
    throughput_adds_up(fleet)
    held = a_machine_is_cut_off_with_claims_and_the_throttle_in_its_hands(fleet)
    the_others_take_over(fleet, held)
    it_comes_back_and_goes_on(fleet)
    workers_share_the_jobs_and_one_that_is_cut_off_with_some_loses_none(fleet)


def throughput_adds_up(fleet: Fleet) -> None:
    alone, together = throughput(fleet, 1), throughput(fleet, 1, 2, 3)

    assert together / alone > 2.2, f"{alone:.0f}/s alone, {together:.0f}/s together"


def throughput(fleet: Fleet, *numbers: int) -> float:
    """Questions a second of a checker on each of these machines, once all have signed in and asked; each asked once."""
    before = fleet.gateway.calls().get("status", 0)
    orders = fleet.make_orders(1400 * len(numbers), age_s=718)  # their next rung is at 770 s
    first = 200 * len(numbers)
    fleet.gateway.settings(latency=LATENCY_S)
    fleet.start_checkers(*numbers)
    fleet.rate(orders[:first])
    rate = fleet.rate(orders[first:])

    assert fleet.gateway.calls()["status"] - before == len(orders)
    assert fleet.ask("SELECT DISTINCT asks FROM payments_order") == [(1,)]
    fleet.stop(*fleet.running)
    fleet.ask(f"UPDATE payments_order SET next_check_at = {HOUR} RETURNING 1")
    return rate


def a_machine_is_cut_off_with_claims_and_the_throttle_in_its_hands(fleet: Fleet) -> list[str]:
    orders = fleet.make_orders(60, age_s=60)
    fleet.pay(orders)
    fleet.start_checkers(3)
    fleet.gateway.settings(latency=4)
    fleet.hurry(orders)
    wait_until(fleet.count_is("SELECT count(*) FROM payments_order WHERE leased_until > now()", 60))
    log = fleet.folder / "holder.log"
    holder = fleet.machines[2].start("manage.py", "shell", "-c", LOCK_AND_WAIT, log=log, **fleet.settings)
    fleet.running.append(holder)
    wait_until(lambda: "holds the throttle" in log.read_text())
    fleet.machines[2].cut()
    fleet.gateway.settings(latency=0)
    return orders


def the_others_take_over(fleet: Fleet, held: list[str]) -> None:
    new = fleet.make_orders(40, age_s=60)
    fleet.pay(new)
    fleet.start_checkers(1, 2)
    fleet.hurry(new)
    wait_until(fleet.count_is(BOOKED, 100, 100), within_s=60)
    assert fleet.count_is("SELECT count(*) FROM payments_order WHERE status = 'SUCCESS' AND asks <> 1", 0)()


def it_comes_back_and_goes_on(fleet: Fleet) -> None:
    others = fleet.running[-2:]
    fleet.machines[2].mend()
    fleet.stop(*others)
    new = fleet.make_orders(20, age_s=60)
    fleet.pay(new)
    fleet.hurry(new)
    wait_until(fleet.count_is(BOOKED, 120, 120), within_s=40)


def workers_share_the_jobs_and_one_that_is_cut_off_with_some_loses_none(fleet: Fleet) -> None:
    unsent = "SELECT count(*) FROM bookings_booking WHERE confirmation_sent_at IS NULL"
    wait_until(fleet.count_is(unsent, 0), within_s=40)
    fleet.stop(*fleet.running)
    fleet.gateway.settings(latency=2)
    lost, other = fleet.start_worker(3), fleet.start_worker(2)
    fleet.manage("shell", "-c", REFUND_ALL)
    doing = "SELECT count(*) FROM procrastinate_jobs WHERE status = 'doing' AND worker_id = {}".format
    wait_until(lambda: fleet.ask(doing(lost)) == fleet.ask(doing(other)) == [(8,)])
    fleet.machines[2].cut()
    fleet.gateway.settings(latency=0)

    silent_s = jobs.HEARTBEAT.total_seconds()
    heard = f"SELECT last_heartbeat > now() - interval '{silent_s} s' FROM procrastinate_workers WHERE id = {lost}"
    wait_until(lambda: fleet.ask(heard) == [(False,)], within_s=silent_s + 15)
    fleet.manage("procrastinate", "defer", jobs.revive_stalled_jobs.name, '{"timestamp": 0}')

    refunded = "SELECT count(*) FROM payments_refund WHERE state = 'COMPLETED'"
    wait_until(fleet.count_is(refunded, 120), within_s=40)
    mails = "".join(mail.read_text() for mail in (fleet.folder / "mail").iterdir())
    assert fleet.gateway.calls()["refund"] == 120
    assert mails.count("Content-Type: text/calendar") == 120  # a confirmation brings its date along
