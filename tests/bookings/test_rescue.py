"""`rescue_orders`: stuck orders of another system, on real PostgreSQL and the emulator."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from bookings.models import Booking
from payments.models import PaymentEvent, PaymentOrder, Refund
from payments.sweep import Sweep
from tests.cart import rows as carts
from tests.processes import ROOT, database_url
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db(transaction=True)

Stuck = dict[str, Any]
MANUAL = (ROOT / "docs" / "operations.md").read_text()
HEADINGS = ("merchant_order_id", "cart_id", "amount", "status", "created_at")


@pytest.fixture
def stuck(sandbox: Sandbox) -> Callable[..., Stuck]:
    """`stuck("COMPLETED", cart_id=…)`: a row of the other system's table, and the order at PhonePe."""

    def register(state: str | None, *, taken: int = 149900, **fields: Any) -> Stuck:
        number = f"OLD-{uuid.uuid4().hex[:12].upper()}"
        if state:
            entry = {"merchantOrderId": number, "amount": taken, "age": 600, "state": state}
            sandbox.register(entry)
        made = timezone.now() - timedelta(minutes=10)
        row = {
            "merchant_order_id": number,
            "amount": 149900,
            "status": "INITIATED",
            "created_at": made.isoformat(),
        }
        return row | ({} if "cart_id" in fields else {"cart_id": str(carts.cart().cart_id)}) | fields

    return register


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., Path]:
    """`file(row, row)`: a CSV file of these rows."""

    def write(*rows: Stuck) -> Path:
        path = tmp_path / "stuck.csv"
        headings = list(dict.fromkeys([*HEADINGS, *(name for row in rows for name in row)]))
        with path.open("w", newline="") as out:
            writer = csv.DictWriter(out, headings)
            writer.writeheader()
            writer.writerows(rows)
        return path

    return write


def run(*arguments: Any) -> tuple[int, str]:
    """Exit code and everything that was said."""
    said = io.StringIO()
    try:
        call_command("rescue_orders", *map(str, arguments), stdout=said, stderr=said)
    except SystemExit as ended:
        return int(ended.code or 0), said.getvalue()
    return 0, said.getvalue()


def outcomes(*arguments: Any) -> tuple[dict[str, str], dict[str, Any]]:
    """Order → outcome, and the totals."""
    *lines, totals = [json.loads(line) for line in run(*arguments, "--json")[1].splitlines()]
    return {line["order"]: line["outcome"] for line in lines}, totals


def nothing_is_written() -> bool:
    return not (PaymentOrder.objects.exists() or PaymentEvent.objects.exists() or Booking.objects.exists())


def test_dry_run_says_what_would_be_done_and_changes_nothing(stuck, file):
    paid, open_, failed, unknown = (stuck(state) for state in ("COMPLETED", "PENDING", "FAILED", None))
    other_sum = stuck("COMPLETED", taken=100)

    code, said = run(file(paid, open_, failed, unknown, other_sum))

    assert code == 0, said
    assert f"line 2: {paid['merchant_order_id']} ₹1,499.00: would be booked" in said
    assert "line 3: {merchant_order_id} ₹1,499.00: still open at PhonePe".format(**open_) in said
    assert "line 4: {merchant_order_id} ₹1,499.00: not paid, nothing to do".format(**failed) in said
    assert "line 5: {merchant_order_id} ₹1,499.00: unknown to PhonePe".format(**unknown) in said
    assert "line 6: {merchant_order_id} ₹1.00: would be put before a person".format(**other_sum) in said
    assert "     1           ₹1,499.00  would be booked" in said
    assert "Nothing was changed." in said
    assert nothing_is_written()


def test_apply_books_once_however_often_it_is_done(stuck, file, sandbox):
    rows = [stuck("COMPLETED") for _ in range(3)]

    first, totals = outcomes(file(*rows), "--apply")
    again, _ = outcomes(file(*rows), "--apply")

    ids = [row["merchant_order_id"] for row in rows]
    assert first == dict.fromkeys(ids, "BOOKED")
    assert totals == {"applied": True, "totals": {"BOOKED": {"orders": 3, "paise": 449700}}, "bad": []}
    assert again == dict.fromkeys(ids, "SETTLED")
    assert sorted(Booking.objects.values_list("merchant_order_id", flat=True)) == sorted(ids)
    assert {sandbox.calls(number)["status"] for number in ids} == {1}
    kinds = PaymentEvent.objects.filter(order__merchant_order_id=ids[0]).order_by("id")
    assert list(kinds.values_list("kind", "to_status")) == [
        ("created", ""), ("answered", ""), ("moved", "INITIATED"), ("moved", "SUCCESS"), ("fulfilled", ""),
        ("released", ""),
    ]  # fmt: skip


def test_two_paid_orders_of_one_cart_are_booked_once_and_the_second_is_given_back(stuck, file):
    first = stuck("COMPLETED")
    second = stuck("COMPLETED", cart_id=first["cart_id"])

    said = outcomes(file(first, second))[0]
    done = outcomes(file(first, second), "--apply")[0]

    expected = {first["merchant_order_id"]: "BOOKED", second["merchant_order_id"]: "REFUNDED"}
    assert (said, done) == (expected, expected)
    (refund,) = Refund.objects.all()
    assert (refund.order.merchant_order_id, refund.amount) == (second["merchant_order_id"], 149900)


def test_a_paid_order_of_a_cart_that_is_booked_here_already_is_given_back(stuck, file):
    ours = stuck("COMPLETED")
    assert outcomes(file(ours), "--apply")[0][ours["merchant_order_id"]] == "BOOKED"
    theirs = stuck("COMPLETED", cart_id=ours["cart_id"])

    said = outcomes(file(theirs))[0]
    done = outcomes(file(theirs), "--apply")[0]

    assert (said, done) == ({theirs["merchant_order_id"]: "REFUNDED"},) * 2
    assert Booking.objects.count() == 1
    assert Refund.objects.get().amount == 149900


def test_another_sum_is_booked_by_nobody_and_put_before_a_person(stuck, file):
    row = stuck("COMPLETED", taken=100)

    done, totals = outcomes(file(row), "--apply")

    assert done == {row["merchant_order_id"]: "PERSON"}
    assert totals["totals"] == {"PERSON": {"orders": 1, "paise": 100}}
    assert PaymentOrder.objects.get().attention == "amount_mismatch"
    assert not Booking.objects.exists()


def test_an_order_still_open_at_phonepe_is_taken_in_and_booked_when_it_is_paid(stuck, file, sandbox):
    row = stuck("PENDING")
    assert outcomes(file(row), "--apply")[0] == {row["merchant_order_id"]: "WATCHED"}
    order = PaymentOrder.objects.get()

    sandbox.decide(order.merchant_order_id)
    PaymentOrder.objects.update(next_check_at=timezone.now())
    Sweep().run_once()

    order.refresh_from_db()
    assert order.fulfilment == "BOOKED"


@pytest.mark.parametrize("count", [1, 3])  # one by one, or many together
def test_what_buys_nothing_is_given_back_also_when_it_is_paid_later(stuck, file, sandbox, count):
    over = [carts.cart(date=carts.coming_day(-2)) for _ in range(count)]
    rows = [stuck("PENDING", cart_id=str(cart.cart_id)) for cart in over]
    outcomes(file(*rows), "--apply")

    for row in rows:
        sandbox.decide(row["merchant_order_id"])
    PaymentOrder.objects.update(next_check_at=timezone.now())
    Sweep().run_once()

    assert set(PaymentOrder.objects.values_list("fulfilment", flat=True)) == {"UNFULFILLABLE"}
    assert (Refund.objects.count(), Booking.objects.count()) == (count, 0)


def test_what_nobody_paid_is_not_taken_in(stuck, file):
    rows = [stuck("FAILED"), stuck(None)]

    outcomes(file(*rows), "--apply")

    assert nothing_is_written()


def test_a_time_that_is_over_can_only_be_given_back(stuck, file):
    cart = carts.cart(date=carts.coming_day(-2))
    row = stuck("COMPLETED", cart_id=str(cart.cart_id))

    said = run(file(row))[1]
    done = outcomes(file(row), "--apply")[0]

    assert "would be given back (the time that was bought is over)" in said
    assert done == {row["merchant_order_id"]: "REFUNDED"}
    assert (Booking.objects.count(), Refund.objects.count()) == (0, 1)


def test_a_policy_of_holding_puts_it_before_a_person(stuck, file, settings):
    settings.PAYMENTS = settings.PAYMENTS | {"UNFULFILLABLE": "hold"}
    row = stuck("COMPLETED", cart_id="of-a-shop-long-gone")

    said = outcomes(file(row))[0]
    done = outcomes(file(row), "--apply")[0]

    assert (said, done) == ({row["merchant_order_id"]: "PERSON"},) * 2
    assert not Refund.objects.exists()


def test_a_cart_that_is_not_here_is_booked_from_the_rows_columns(stuck, file):
    wish = carts.body(package_id=carts.package().pk)
    row = stuck("COMPLETED", cart_id="12345", **wish)

    assert outcomes(file(row), "--apply")[0] == {row["merchant_order_id"]: "BOOKED"}

    booking = Booking.objects.get()
    assert (booking.cart_id, booking.puja, booking.phone) == ("12345", "Ganesh Puja", "+919876543210")
    assert booking.date == carts.coming_day()


def test_a_cart_that_nobody_knows_is_given_back(stuck, file):
    row = stuck("COMPLETED", cart_id="12345")

    code, said = run(file(row))
    done = outcomes(file(row), "--apply")[0]

    assert (code, "would be given back (it is not known what was bought)" in said) == (0, True)
    assert done == {row["merchant_order_id"]: "REFUNDED"}


def test_an_export_of_phonepes_is_given_back_by_the_command_of_the_manual(stuck, tmp_path):
    """After a restore: orders that were made since the backup, of which only PhonePe knows."""
    (told,) = re.findall(r"okpuja rescue_orders (/var/tmp/export\.csv (?:.*\\\n)+.*)", MANUAL)
    paid = stuck("COMPLETED", cart_id="")["merchant_order_id"]
    export = tmp_path / "export.csv"
    export.write_text(f'MerchantReferenceId,Amount,Status,Date\n{paid},"1,499.00",COMPLETED,24/11/2026\n')

    becomes, _ = outcomes(export, *shlex.split(told.replace("\\\n", ""))[1:], "--apply")

    assert becomes == {paid: "REFUNDED"}
    assert Refund.objects.get().amount == 149900


def test_bad_rows_are_named_and_the_others_are_done(stuck, file):
    good, bad = stuck("COMPLETED"), stuck("COMPLETED", amount="lots")

    code, said = run(file(bad, good), "--apply")

    assert code == 2
    assert "line 2: not read: 'lots' is no amount" in said
    assert f"line 3: {good['merchant_order_id']} ₹1,499.00: booked (BK-" in said
    assert Booking.objects.count() == 1


def test_rows_that_ended_are_passed_over_unless_asked_for(stuck, file):
    done, open_ = stuck("COMPLETED", status="SUCCESS"), stuck("COMPLETED")
    path = file(done, open_)

    assert list(outcomes(path)[0]) == [open_["merchant_order_id"]]
    assert len(outcomes(path, "--status", "ALL")[0]) == 2
    assert list(outcomes(path, "--status", "success")[0]) == [done["merchant_order_id"]]


def test_a_gateway_that_does_not_answer_leaves_the_order_for_another_run(stuck, file, sandbox):
    row = stuck("COMPLETED")
    sandbox.fault("status", "server_error", merchantOrderId=row["merchant_order_id"])

    code, said = run(file(row), "--apply")

    assert code == 2
    assert "left as it is (PhonePe gave no answer (Unavailable); run this again)" in said
    assert nothing_is_written()


def test_an_open_payment_of_the_cart_goes_first(stuck, file):
    first = stuck("PENDING")
    second = stuck("COMPLETED", cart_id=first["cart_id"])

    done = outcomes(file(first, second), "--apply")[0]

    assert done == {first["merchant_order_id"]: "WATCHED", second["merchant_order_id"]: "LEFT"}


def test_a_table_of_another_database_is_only_read(stuck):
    rows = [stuck("COMPLETED"), stuck("COMPLETED")]
    with connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA oldshop")
        cursor.execute(
            "CREATE TABLE oldshop.payments_order (id serial, merchant_order_id text, cart_id uuid, amount numeric,"
            " status text, created_at timestamptz)"
        )
        for row in rows:
            cursor.execute(
                "INSERT INTO oldshop.payments_order (merchant_order_id, cart_id, amount, status, created_at)"
                " VALUES (%(merchant_order_id)s, %(cart_id)s, %(amount)s, %(status)s, %(created_at)s)",
                row,
            )
    try:
        table = ("--table", "oldshop.payments_order", "--database", database_url(), "--apply")
        assert set(outcomes(*table)[0].values()) == {"BOOKED"}
        assert set(outcomes("--table", "oldshop.payments_order")[0].values()) == {"SETTLED"}
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP SCHEMA oldshop CASCADE")


def test_what_cannot_be_read_or_asked_is_an_error_that_says_so(stuck, file, tmp_path, settings):
    path = file(stuck("COMPLETED"))

    with pytest.raises(CommandError, match=r"missing\.csv cannot be read"):
        run(tmp_path / "missing.csv")
    with pytest.raises(CommandError, match="no_such_table"):
        run("--table", "no_such_table")
    with pytest.raises(CommandError, match="price"):
        run(path, "--column", "price=total")
    settings.PHONEPE_CLIENT_SECRET = ""
    with pytest.raises(CommandError, match="PHONEPE_CLIENT_SECRET is not set"):
        run(path)
