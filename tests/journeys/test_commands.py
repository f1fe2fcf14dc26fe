"""The management commands, as an operator runs them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bookings.models import Booking
from payments.models import PaymentOrder
from tests import make
from tests.journeys import customer
from tests.processes import ROOT, environment, manage, started
from tests.sandbox import Sandbox, wait_until

pytestmark = pytest.mark.django_db(transaction=True)

COMMANDS = (
    "auto_complete_payments", "auto_complete_payments_v2", "payment_status", "verify_payment", "payment_audit",
    "payments_doctor", "phonepe_sandbox", "seed_catalog", "make_orders",
)  # fmt: skip


def json_lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_limited_sweep_tells_each_order_and_the_summary_as_json(sandbox: Sandbox) -> None:
    orders = customer.orders_known_to(sandbox, 3)

    done = manage("auto_complete_payments", "--limit", "2", "--json", PHONEPE_BASE_URL=sandbox.base_url)

    *told, summary = json_lines(done.stdout)
    assert done.returncode == 0
    assert summary == {"summary": {"checked": 2, "unanswered": 0, "moved": {"SUCCESS": 2}}}
    assert {line["order"] for line in told} < {order.merchant_order_id for order in orders}
    assert {(line["was"], line["status"], line["phonepe"]) for line in told} == {
        ("INITIATED", "SUCCESS", "COMPLETED")
    }
    assert {line["booking"] for line in told} == set(Booking.objects.values_list("booking_id", flat=True))


def test_a_sweep_of_one_order_takes_it_though_it_is_not_due(sandbox: Sandbox) -> None:
    order, other = customer.orders_known_to(sandbox, 2, due_in_s=60)

    done = manage(
        "auto_complete_payments", "--order", order.merchant_order_id, PHONEPE_BASE_URL=sandbox.base_url
    )

    assert (done.returncode, done.stdout) == (0, "1 checked, 1 SUCCESS, 0 without an answer.\n")
    assert (customer.booked(order), customer.booked(other)) == (1, 0)


def test_a_dry_run_asks_and_changes_nothing(sandbox: Sandbox) -> None:
    (order,) = customer.orders_known_to(sandbox)
    before = PaymentOrder.objects.values().get()

    done = manage("auto_complete_payments", "--dry-run", PHONEPE_BASE_URL=sandbox.base_url)

    assert done.returncode == 0
    assert done.stdout == (
        f"{order.merchant_order_id}  INITIATED  PhonePe: COMPLETED  would: SUCCESS\n1 asked, nothing changed.\n"
    )
    assert PaymentOrder.objects.values().get() == before
    assert order.events.count() == 2


@pytest.mark.parametrize("due", [0, 1])
def test_a_dry_run_without_good_credentials_says_why_it_could_not_ask(sandbox: Sandbox, due: int) -> None:
    customer.orders_known_to(sandbox, due)

    done = manage(
        "auto_complete_payments",
        "--dry-run",
        PHONEPE_BASE_URL=sandbox.base_url,
        PHONEPE_CLIENT_SECRET="wrong",
    )

    assert done.returncode == 1
    assert "PhonePe could not be used: " in done.stderr
    assert "OIM000" in done.stderr


def test_one_order_that_could_not_be_asked_about_may_be_tried_again_at_once(sandbox: Sandbox) -> None:
    (order,) = customer.orders_known_to(sandbox)
    one = ("auto_complete_payments", "--order", order.merchant_order_id)

    wrong = manage(*one, PHONEPE_BASE_URL=sandbox.base_url, PHONEPE_CLIENT_SECRET="wrong")
    right = manage(*one, PHONEPE_BASE_URL=sandbox.base_url)

    assert (wrong.returncode, right.returncode) == (1, 0), right.stderr
    assert customer.booked(order) == 1


def test_a_sweep_with_nothing_due_says_so_and_exits_0(sandbox: Sandbox) -> None:
    done = manage("auto_complete_payments", PHONEPE_BASE_URL=sandbox.base_url)

    assert (done.returncode, done.stdout) == (0, "0 checked, none moved, 0 without an answer.\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--limit", "0"],
        ["--interval", "0"],
        ["--continuous", "--dry-run"],
        ["--order", "OKP-NOBODY"],
        ["--order", ""],
    ],
)
def test_nonsense_is_refused_with_a_sentence(sandbox: Sandbox, arguments: list[str]) -> None:
    done = manage("auto_complete_payments", *arguments, PHONEPE_BASE_URL=sandbox.base_url)

    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert done.stderr.strip()


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"PAYMENT_EXPIRE_AFTER": "299"}, "The settings are wrong: PAYMENT_EXPIRE_AFTER must lie between"),
        ({"DATABASE_URL": "postgresql://u@127.0.0.1:1/x"}, "The database cannot be used: connection failed"),
    ],
)
@pytest.mark.parametrize("command", ["auto_complete_payments", "payment_status", "payment_audit"])
def test_what_is_wrong_with_the_set_up_is_said_in_a_sentence(
    db: None, command: str, setting: dict[str, str], said: str
) -> None:
    done = manage(command, **setting)

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert said in done.stderr


def test_the_command_under_its_second_name_runs_until_it_is_stopped(sandbox: Sandbox, log: Path) -> None:
    (order,) = customer.orders_known_to(sandbox)
    command = ("manage.py", "auto_complete_payments_v2", "--continuous", "--interval", "120")

    with started(*command, log=log, PHONEPE_BASE_URL=sandbox.base_url) as running:
        wait_until(lambda: customer.booked(order), within_s=20)
        running.terminate()
        exit_code = running.wait(10)

    assert exit_code == 0
    assert '"interval_s": 120.0' in log.read_text()


def test_status_of_all_and_of_one_as_text_and_json(sandbox: Sandbox) -> None:
    (order,) = customer.orders_known_to(sandbox)
    manage("auto_complete_payments", PHONEPE_BASE_URL=sandbox.base_url)

    all_text, all_json = manage("payment_status"), manage("payment_status", "--json")
    one_text = manage("payment_status", order.merchant_order_id)
    one_json = manage("payment_status", order.merchant_order_id, "--json")
    nobody = manage("payment_status", "OKP-NOBODY")

    assert "SUCCESS 1" in all_text.stdout
    assert json.loads(all_json.stdout)["orders"]["SUCCESS"] == 1
    assert "INITIATED -> SUCCESS" in one_text.stdout
    assert [event["kind"] for event in json.loads(one_json.stdout)["events"]] == [
        "created", "moved", "answered", "moved", "fulfilled",
    ]  # fmt: skip
    assert (nobody.returncode, nobody.stderr) == (1, "CommandError: There is no order OKP-NOBODY.\n")


@pytest.mark.parametrize(("state", "code"), [("COMPLETED", 0), ("PENDING", 2), ("FAILED", 3), (None, 4)])
def test_verify_payment_tells_by_its_exit_code(sandbox: Sandbox, state: str | None, code: int) -> None:
    name = customer.orders_known_to(sandbox, state=state)[0].merchant_order_id if state else "OKP-NOBODY"

    done = manage("verify_payment", name, PHONEPE_BASE_URL=sandbox.base_url)

    assert done.returncode == code, done.stderr
    assert name in done.stdout + done.stderr


@pytest.mark.parametrize("argument", [[], [""]])
def test_verify_payment_of_no_order_is_not_taken_for_one_that_is_pending(
    db: None, argument: list[str]
) -> None:
    done = manage("verify_payment", *argument)

    assert (done.returncode, "Which order?" in done.stderr) == (1, True)


def test_verify_payment_says_why_phonepe_could_not_be_asked(sandbox: Sandbox) -> None:
    (order,) = customer.orders_known_to(sandbox)
    name = order.merchant_order_id

    done = manage("verify_payment", name, PHONEPE_BASE_URL=sandbox.base_url, PHONEPE_CLIENT_SECRET="wrong")

    assert done.returncode == 2
    assert "PhonePe did not answer (" in done.stderr
    assert "OIM000" in done.stderr


def test_the_audit_exits_0_only_when_nothing_is_wrong(sandbox: Sandbox) -> None:
    customer.orders_known_to(sandbox)
    well = manage("payment_audit")
    make.order(next_check_at=None)

    ill = manage("payment_audit", "--json")

    assert (well.returncode, ill.returncode) == (0, 1)
    assert "open_and_unwatched" in [line.get("question") for line in json_lines(ill.stdout)]


def test_the_audits_repair_hurries_an_unwatched_order(sandbox: Sandbox) -> None:
    (order,) = customer.orders_known_to(sandbox)
    PaymentOrder.objects.update(next_check_at=None)

    manage("payment_audit", "--repair")
    manage("auto_complete_payments", PHONEPE_BASE_URL=sandbox.base_url)

    assert customer.booked(order) == 1
    assert manage("payment_audit").returncode == 0


def test_the_doctor_says_what_is_well_and_what_is_not(site: str, sandbox: Sandbox) -> None:
    done = manage("payments_doctor", PHONEPE_BASE_URL=sandbox.base_url, PUBLIC_URL=site)

    found = {line[4:].split(":")[0]: line[:3].strip() for line in done.stdout.splitlines()}
    assert done.returncode == 1
    assert [subject for subject, mark in found.items() if mark == "BAD"] == ["checker"]


def test_the_doctor_without_credentials_and_gateway_has_no_accident(sandbox: Sandbox) -> None:
    done = manage("payments_doctor", PHONEPE_CLIENT_ID="", PUBLIC_URL="http://127.0.0.1:1")

    assert done.returncode == 1
    assert "BAD settings: PHONEPE_CLIENT_ID not set." in done.stdout
    assert "Traceback" not in done.stderr


def test_the_emulator_starts_and_stops_by_its_command() -> None:
    with subprocess.Popen(
        [sys.executable, "manage.py", "phonepe_sandbox", "--port", "0"],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout
        assert "listening on http://127.0.0.1:" in running.stdout.readline()
        running.terminate()
        assert running.wait(10) == 0


@pytest.mark.parametrize("command", COMMANDS)
def test_each_commands_help_teaches(command: str) -> None:
    done = manage(command, "--help")

    said = done.stdout.split("options:")[0].split("usage:")[1]
    assert done.returncode == 0
    assert len(said.split("]")[-1].split()) > 8 or "examples" in done.stdout.lower()
