"""PostgreSQL is restarted, roughly, under a running checker and a running web site."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys import customer
from tests.ports import free_port
from tests.postgres import Server
from tests.processes import ROOT, checker, web
from tests.sandbox import Sandbox, wait_until


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "postgres")
    yield server
    server.close()


@pytest.mark.django_db(transaction=True)
def test_checker_web_site_and_mails_go_on_after_postgresql_was_restarted(
    server: Server, sandbox: Sandbox, log: Path, tmp_path: Path
) -> None:
    settings = {
        "DATABASE_URL": server.url,
        "PHONEPE_BASE_URL": sandbox.base_url,
        "EMAIL_URL": f"file://{tmp_path}/mail",
    }
    for command in (["migrate", "-v0"], ["seed_catalog"]):
        manage(*command, **settings)
    with (
        checker(log=log, **settings) as running,
        web(log=tmp_path / "web.log", port=free_port(), **settings) as site,
    ):
        pay_and_await_booking(site, server)
        server.crash()
        assert customer.call("GET", f"{site}/healthz").status == 200
        wait_until(lambda: customer.call("GET", f"{site}/readyz").status == 200)

        pay_and_await_booking(site, server)

        wait_until(lambda: server.ask(MAILED) == [(2,)], within_s=20)
        assert running.poll() is None
        hook = [line for line in log.read_text().splitlines() if "payments_due" in line]
        assert hook  # it noticed, and listens again: a nudge through the new server was heard above


MAILED = "SELECT count(*) FROM bookings_booking WHERE confirmation_sent_at IS NOT NULL"


def pay_and_await_booking(site: str, server: Server) -> None:
    """Buy, pay, and let a webhook wake the checker: hearing it takes a live listener."""
    package_id = server.ask("SELECT min(id) FROM catalog_package WHERE is_active")[0][0]
    cart_id = customer.fill_cart(site, package_id=package_id)
    started = customer.start_payment(site, cart_id)
    name = started["merchant_order_id"]
    customer.press_on_pay_page(started["phonepe_payment_url"], "close_paid")
    assert customer.send_webhook(site, name).status == 200
    booking = f"SELECT count(*) FROM bookings_booking WHERE merchant_order_id = '{name}'"
    wait_until(lambda: server.ask(booking) == [(1,)], within_s=10)


@pytest.mark.django_db(transaction=True)
def test_a_checker_whose_database_was_restarted_while_it_signed_in_goes_on(
    server: Server, sandbox: Sandbox, log: Path
) -> None:
    settings = {"DATABASE_URL": server.url, "PHONEPE_BASE_URL": sandbox.base_url}
    for command in (["migrate", "-v0"], ["seed_catalog"], ["make_orders", "1", "--age", "60"]):
        manage(*command, **settings)
    ((name,),) = server.ask("SELECT merchant_order_id FROM payments_order")
    sandbox.decide(str(name))
    sandbox.fault("token", "latency", seconds=4)

    with checker(log=log, **settings):
        wait_until(lambda: sandbox.calls().get("token"))
        server.crash()

        wait_until(lambda: server.ask("SELECT count(*) FROM bookings_booking") == [(1,)], within_s=25)


@pytest.mark.django_db(transaction=True)
def test_a_checker_told_to_stop_while_the_database_is_gone_ends_in_time(
    server: Server, sandbox: Sandbox, log: Path
) -> None:
    settings = {"DATABASE_URL": server.url, "PHONEPE_BASE_URL": sandbox.base_url}
    manage("migrate", "-v0", **settings)
    with checker(log=log, **settings) as running:
        server.pg_ctl("-m", "immediate", "stop")
        time.sleep(1)

        running.terminate()
        exit_code = running.wait(10)
    server.start()

    assert exit_code == 0
    told = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line for line in told if line["logger"].startswith("payments") and "exception" in line] == []


def manage(*arguments: str, **settings: str) -> None:
    command = [sys.executable, "manage.py", *arguments]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "okpuja.settings", **settings}
    subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, check=True)
