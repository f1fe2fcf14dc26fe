"""The main job: customers pay, tabs are closed, webhooks are lost or forged, and each booking exists once."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.request
from datetime import datetime
from pathlib import Path

import pytest

from bookings.models import Booking
from payments.models import PaymentOrder, WebhookDelivery
from tests.journeys import customer
from tests.processes import checker, manage
from tests.sandbox import Sandbox, wait_until

pytestmark = pytest.mark.django_db(transaction=True)

SECRETS = ("sandbox-secret", "test12345", customer.CREDENTIAL, "asha@example.com", "9876543210", "MG Road")


def test_a_paid_order_whose_tab_was_closed_and_webhook_lost_is_booked_at_the_ladders_first_rung(
    site: str, sandbox: Sandbox, log: Path
) -> None:
    (warming_up,) = customer.orders_known_to(sandbox)
    with checker(log=log, PHONEPE_BASE_URL=sandbox.base_url):
        wait_until(lambda: customer.booked(warming_up))
        cart_id = customer.fill_cart(site)
        started = customer.start_payment(site, cart_id)

        customer.press_on_pay_page(started["phonepe_payment_url"], "close_paid")

        booking = wait_until(Booking.objects.filter(cart_id=cart_id).first, within_s=30)
    order = PaymentOrder.objects.get(merchant_order_id=started["merchant_order_id"])
    assert (order.status, order.completed_by, order.asks) == ("SUCCESS", "checker", 1)
    assert 20 <= (order.completed_at - order.created_at).total_seconds() <= 26.5
    assert order.fulfilment_reference == booking.booking_id
    assert Booking.objects.exclude(merchant_order_id=warming_up.merchant_order_id).count() == 1
    told = customer.status(site, cart_id)
    assert (told["payment_status"], told["booking_created"]) == ("SUCCESS", True)
    assert (told["booking_id"], told["cart_status"]) == (booking.booking_id, "BOOKED")


def test_an_order_that_is_due_is_booked_by_a_checker_once_and_mailed_once(
    sandbox: Sandbox, log: Path, tmp_path: Path
) -> None:
    (order,) = customer.orders_known_to(sandbox, age_s=30)

    with checker(log=log, PHONEPE_BASE_URL=sandbox.base_url, EMAIL_URL=f"file://{tmp_path}/mail"):
        wait_until(lambda: customer.booked(order))
        wait_until(lambda: Booking.objects.filter(confirmation_sent_at__isnull=False).exists())
        time.sleep(1)

    assert Booking.objects.count() == 1
    (mail,) = (tmp_path / "mail").iterdir()
    assert mail.read_text().count("Subject: ") == 1
    assert Booking.objects.get().booking_id in mail.read_text()


def test_a_webhook_brings_the_booking_within_a_second(site: str, sandbox: Sandbox, log: Path) -> None:
    sandbox.settings(webhook_url=f"{site}/api/payments/webhook/phonepe/")
    sandbox.settings(webhook_username="okpuja_test", webhook_password="test12345")
    (warming_up,) = customer.orders_known_to(sandbox, age_s=30)
    with checker(log=log, PHONEPE_BASE_URL=sandbox.base_url):
        wait_until(lambda: customer.booked(warming_up))
        started = customer.start_payment(site, customer.fill_cart(site))
        name = started["merchant_order_id"]

        customer.press_on_pay_page(started["phonepe_payment_url"], "close_paid")
        wait_until(Booking.objects.filter(merchant_order_id=name).first, every_s=0.01)

    order = PaymentOrder.objects.get(merchant_order_id=name)
    booking = Booking.objects.get(merchant_order_id=name)
    assert order.completed_by == "webhook"
    assert booking.created_at.timestamp() - sandbox.order(name)["paidAt"] / 1000 < 1


def test_a_forged_webhook_books_nothing(site: str, sandbox: Sandbox, log: Path) -> None:
    (order,) = customer.orders_known_to(sandbox, state="PENDING", due_in_s=60)

    with checker(log=log, PHONEPE_BASE_URL=sandbox.base_url):
        reply = customer.send_webhook(site, order.merchant_order_id)
        wait_until(lambda: sandbox.calls(order.merchant_order_id)["status"])
        wait_until(lambda: not customer.held())

    assert reply.status == 200
    assert customer.statuses(order) == {"INITIATED"}
    assert Booking.objects.count() == 0


def test_five_equal_webhooks_of_a_paid_order_book_once(site: str, sandbox: Sandbox, log: Path) -> None:
    (order,) = customer.orders_known_to(sandbox, due_in_s=60)

    with checker(log=log, PHONEPE_BASE_URL=sandbox.base_url):
        replies = [customer.send_webhook(site, order.merchant_order_id) for _ in range(5)]
        wait_until(lambda: customer.booked(order))
        time.sleep(0.5)

    assert [reply.status for reply in replies] == [200] * 5
    assert all(reply.took_s < 1 for reply in replies)
    assert WebhookDelivery.objects.get().deliveries == 5
    assert Booking.objects.count() == 1
    assert sandbox.calls(order.merchant_order_id)["status"] == 1


def test_a_webhook_with_a_wrong_credential_is_refused(site: str, sandbox: Sandbox) -> None:
    (order,) = customer.orders_known_to(sandbox)

    reply = customer.send_webhook(site, order.merchant_order_id, credential="0" * 64)

    assert (reply.status, reply.json["success"], reply.json["code"]) == (401, False, "bad_credential")
    assert not WebhookDelivery.objects.exists()


def test_the_polling_script_ends_at_the_booking(site: str, sandbox: Sandbox) -> None:
    (order,) = customer.orders_known_to(sandbox, age_s=40, due_in_s=60)

    for _ in range(5):  # the seed's checkPaymentStatus, without a checker: "server does everything"
        with urllib.request.urlopen(f"{site}/api/payments/cart/{order.cart_id}/status/") as response:
            data = json.load(response)
        if data["data"]["payment_status"] == "SUCCESS":
            break
        time.sleep(1)

    assert data["data"]["booking_id"] == Booking.objects.get().booking_id
    page = customer.call("GET", f"{site}/booking-success/{data['data']['booking_id']}")
    assert page.status == 200


def test_curls_verify_and_complete_completes_the_payment(site: str, sandbox: Sandbox) -> None:
    (order,) = customer.orders_known_to(sandbox, due_in_s=60)
    url = f"{site}/api/payments/verify-and-complete/"
    body = json.dumps({"merchant_order_id": order.merchant_order_id})

    if shutil.which("curl"):
        command = ["curl", "-sS", "-X", "POST", url, "-H", "Content-Type: application/json", "-d", body]
        answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    else:
        answer = customer.call("POST", url, body.encode()).body

    data = json.loads(answer)["data"]
    assert data["payment_status"] == "SUCCESS"
    assert data["booking_id"] == Booking.objects.get().booking_id


def test_the_return_page_sends_a_payer_to_the_booking(site: str, sandbox: Sandbox) -> None:
    started = customer.start_payment(site, customer.fill_cart(site))

    back = customer.press_on_pay_page(started["phonepe_payment_url"], "success").headers["Location"]
    reply = customer.call("GET", back)

    assert reply.status == 302
    assert reply.headers["Location"] == f"/booking-success/{Booking.objects.get().booking_id}"


def test_the_event_stream_tells_now_and_at_completion_and_ends(site: str, sandbox: Sandbox) -> None:
    (order,) = customer.orders_known_to(sandbox, due_in_s=60)

    with urllib.request.urlopen(f"{site}/api/payments/cart/{order.cart_id}/events/", timeout=20) as stream:
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        told = [json.loads(next(line for line in stream if line.startswith(b"data: "))[6:])]
        customer.call(
            "POST",
            f"{site}/api/payments/verify-and-complete/",
            {"merchant_order_id": order.merchant_order_id},
        )
        told += [json.loads(line[6:]) for line in stream if line.startswith(b"data: ")]  # to its end

    assert [one["payment_status"] for one in told] == ["INITIATED", "SUCCESS"]
    instants = ("payment_created_at", "payment_completed_at")
    now = customer.status(site, order.cart_id)
    assert {k: v for k, v in told[-1].items() if k not in instants} == {
        k: v for k, v in now.items() if k not in instants
    }
    assert [datetime.fromisoformat(told[-1][k]).timestamp() for k in instants] == pytest.approx(
        [datetime.fromisoformat(now[k]).timestamp() for k in instants], abs=0.001
    )


def test_the_logs_are_json_and_hold_no_secret_and_no_personal_data(
    site: str, sandbox: Sandbox, log: Path, tmp_path: Path
) -> None:
    log_file = tmp_path / "okpuja.log"
    orders = customer.orders_known_to(sandbox, 2)
    sandbox.fault("status", "unauthorized", count=1)

    with checker(
        log=log,
        PHONEPE_BASE_URL=sandbox.base_url,
        LOG_FILE=str(log_file),
        EMAIL_URL=f"file://{tmp_path}/mail",
    ):
        wait_until(lambda: customer.booked(*orders) == 2)
        wait_until(lambda: (tmp_path / "mail").exists())

    text = log_file.read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert len(lines) == len([json.loads(line) for line in log.read_text().splitlines()])
    assert {"checker started", "payment moved", "puja booked", "checker stopped"} <= {
        line["event"] for line in lines
    }
    assert all({"event", "level", "timestamp"} <= set(line) for line in lines)
    assert [secret for secret in SECRETS if secret in text] == []


def test_the_seeds_query_works_in_the_shell(sandbox: Sandbox) -> None:
    customer.orders_known_to(sandbox, 3)
    code = (
        "from payments.models import PaymentOrder\n"
        "print(PaymentOrder.objects.filter(status='INITIATED').count())\n"
        "print(list(PaymentOrder.objects.filter(status='SUCCESS', completed_at__isnull=False)"
        ".order_by('-completed_at')[:5]))"
    )

    done = manage("shell", "-v0", "-c", code)

    assert (done.returncode, done.stdout) == (0, "3\n[]\n")
