"""The restore rehearsal of docs/operations.md: a backup of a busy database, and what happened after it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from django.db import connection
from django.utils import timezone

from bookings.models import Booking
from okpuja.embedded import server
from payments import completion, gateway
from payments.models import PaymentOrder
from payments.states import Source
from tests.journeys import customer
from tests.processes import checker, database_url, manage
from tests.sandbox import Sandbox, wait_until

pytestmark = pytest.mark.django_db(transaction=True)
RESTORED = "okpuja_restored"


@pytest.fixture
def restored() -> Iterator[str]:
    """The URL of a new, empty database."""
    with psycopg.connect(database_url(), autocommit=True) as ours:
        ours.execute(f"DROP DATABASE IF EXISTS {RESTORED}")
        ours.execute(f"CREATE DATABASE {RESTORED}")
    yield database_url().replace(f"/{connection.settings_dict['NAME']}?", f"/{RESTORED}?")
    with psycopg.connect(database_url(), autocommit=True) as ours:
        ours.execute(f"DROP DATABASE {RESTORED} WITH (FORCE)")


def postgres(program: str, *arguments: str | Path) -> None:
    subprocess.run([Path(server.BIN) / program, *arguments], check=True, capture_output=True, timeout=60)


def book(order: PaymentOrder) -> None:
    answer = gateway.ask(order.merchant_order_id)
    completion.settle(order.pk, answer, source=Source.RETURN, now=timezone.now())


def test_after_a_restore_the_checker_finds_what_completed_meanwhile_and_books_it_once(
    sandbox: Sandbox, restored: str, tmp_path: Path
) -> None:
    paid_after = customer.orders_known_to(sandbox, 10, state="PENDING")
    booked_after, *_ = customer.orders_known_to(sandbox, 1, state="PENDING")
    (booked_before,) = customer.orders_known_to(sandbox, 1)
    book(booked_before)

    postgres("pg_dump", "--format=custom", "--file", tmp_path / "backup", database_url())
    for order in (*paid_after, booked_after):
        sandbox.decide(order.merchant_order_id)
    book(booked_after)  # and then the machine is lost
    lost = Booking.objects.get(merchant_order_id=booked_after.merchant_order_id).booking_id
    postgres("pg_restore", "--no-owner", "--exit-on-error", "--dbname", restored, tmp_path / "backup")

    own = {"DATABASE_URL": restored, "PHONEPE_BASE_URL": sandbox.base_url}
    with psycopg.connect(restored, autocommit=True) as found:
        assert found.execute("SELECT count(*) FROM bookings_booking").fetchone() == (1,)
        with checker(log=tmp_path / "checker.log", **own):
            wait_until(lambda: found.execute("SELECT count(*) FROM bookings_booking").fetchone() == (12,))
        numbers = found.execute("SELECT merchant_order_id, booking_id FROM bookings_booking").fetchall()
        states = found.execute(
            "SELECT status, fulfilment, count(*) FROM payments_order GROUP BY 1, 2"
        ).fetchall()
    audit = manage("payment_audit", **own)

    everybody = PaymentOrder.objects.values_list("merchant_order_id", flat=True)
    assert sorted(order for order, _ in numbers) == sorted(everybody)
    assert states == [("SUCCESS", "BOOKED", 12)]
    assert lost not in dict(numbers).values()  # booked again, under another number: the manual says so
    assert audit.returncode == 0, audit.stdout
    refused = "cannot go from SUCCESS to PENDING"
    with psycopg.connect(restored) as found, pytest.raises(psycopg.errors.IntegrityError, match=refused):
        found.execute("UPDATE payments_order SET status = 'PENDING'")  # the guards came along
