"""The last place of a time: over HTTP, with real processes, and with money that comes too late."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from bookings.models import Booking
from cart.models import Slot, SlotHold
from catalog.models import Puja
from payments import schedule
from payments.models import PaymentOrder, Refund
from tests.journeys import customer
from tests.processes import checker, manage
from tests.sandbox import Sandbox, wait_until

pytestmark = pytest.mark.django_db(transaction=True)

TAKEN = "This time has just been taken by someone else. Please choose another time."


@pytest.fixture(autouse=True)
def one_place_each(sandbox: Sandbox) -> None:
    """Every time has one place."""
    customer.package()
    Puja.objects.update(capacity=1)


def ask_to_pay(site: str, cart_id: str) -> customer.Reply:
    return customer.call("POST", f"{site}/api/payments/cart/", {"cart_id": cart_id})


def verify(site: str, merchant_order_id: str) -> Any:
    url = f"{site}/api/payments/verify-and-complete/"
    return customer.call("POST", url, {"merchant_order_id": merchant_order_id}).json["data"]


def look_later(merchant_order_id: str, **span: float) -> None:
    """As if the order had been opened this long ago at our end, and were due now."""
    order = PaymentOrder.objects.get(merchant_order_id=merchant_order_id)
    due = {"next_check_at": timezone.now(), "asked_at": None, "verify_requested_at": None}
    PaymentOrder.objects.filter(pk=order.pk).update(expires_at=order.expires_at - timedelta(**span), **due)


def sweep(sandbox: Sandbox) -> None:
    done = manage("auto_complete_payments", PHONEPE_BASE_URL=sandbox.base_url)
    assert done.returncode == 0, done.stderr


def places() -> list[tuple[int, int]]:
    return list(Slot.objects.values_list("taken", "capacity"))


def assert_every_rule_holds() -> None:
    audit = manage("payment_audit")
    assert audit.returncode == 0, audit.stdout


def test_the_last_place_goes_to_one_and_the_other_is_refused_clearly(site: str, sandbox: Sandbox) -> None:
    one, two = customer.fill_cart(site), customer.fill_cart(site)

    first, second = ask_to_pay(site, one), ask_to_pay(site, two)
    again = ask_to_pay(site, one)
    third_cart = customer.ask_for_cart(site)

    assert (first.status, second.status, again.status) == (201, 409, 200)
    assert second.json == {"success": False, "code": "not_payable", "message": TAKEN}
    assert (third_cart.status, third_cart.json["code"]) == (409, "slot_full")
    assert third_cart.json["message"].startswith("9:30 AM is fully booked. Available on ")
    at_phonepe = sandbox.call("GET", "orders?limit=10")["orders"]
    assert (PaymentOrder.objects.count(), len(at_phonepe), places()) == (1, 1, [(1, 1)])


def test_a_failed_payment_makes_the_place_free_for_the_next(site: str, sandbox: Sandbox) -> None:
    one, two = customer.fill_cart(site), customer.fill_cart(site)
    first = customer.start_payment(site, one)
    assert ask_to_pay(site, two).status == 409
    sandbox.decide(first["merchant_order_id"], "failure")

    failed = verify(site, first["merchant_order_id"])
    second = customer.start_payment(site, two)
    sandbox.decide(second["merchant_order_id"], "success")
    paid = verify(site, second["merchant_order_id"])

    assert (failed["payment_status"], paid["payment_status"], paid["booking_created"]) == (
        "FAILED",
        "SUCCESS",
        True,
    )
    assert (places(), Booking.objects.get().cart_id) == ([(1, 1)], two)
    assert_every_rule_holds()


def test_an_expired_order_that_phonepe_calls_pending_keeps_its_place(site: str, sandbox: Sandbox) -> None:
    one, two = customer.fill_cart(site), customer.fill_cart(site)
    first = customer.start_payment(site, one)
    look_later(first["merchant_order_id"], seconds=900 + schedule.GRACE.total_seconds() + 1)

    sweep(sandbox)
    told = customer.status(site, one)
    refused = ask_to_pay(site, two)

    assert (told["payment_status"], refused.status, places()) == ("EXPIRED", 409, [(1, 1)])
    assert sandbox.order(first["merchant_order_id"])["state"] == "PENDING"

    sandbox.decide(first["merchant_order_id"], "success")
    look_later(first["merchant_order_id"], seconds=0)
    sweep(sandbox)

    assert (Booking.objects.get().cart_id, places()) == (one, [(1, 1)])
    assert_every_rule_holds()


def test_money_that_comes_after_the_place_was_given_away_is_refunded_at_phonepe(
    site: str, sandbox: Sandbox, log: Path
) -> None:
    one, two = customer.fill_cart(site), customer.fill_cart(site)
    late = customer.start_payment(site, one)["merchant_order_id"]
    watched_for = 900 + 72 * 3600 + 3600
    look_later(late, seconds=watched_for)
    with checker(log=log, PHONEPE_BASE_URL=sandbox.base_url):
        wait_until(lambda: not PaymentOrder.objects.get().holding)  # the whole watch is over
        new = customer.start_payment(site, two)["merchant_order_id"]
        sandbox.decide(new, "success", webhook=True)
        wait_until(lambda: Booking.objects.exists() or verify(site, new)["booking_created"])

        sandbox.decide(late, "success")
        told = verify(site, late)
        wait_until(lambda: Refund.objects.filter(gateway_refund_id__gt="").exists(), within_s=20)

    order = PaymentOrder.objects.get(merchant_order_id=late)
    refund = Refund.objects.get()
    assert (told["payment_status"], order.fulfilment, told["booking_created"]) == (
        "SUCCESS",
        "UNFULFILLABLE",
        False,
    )
    assert (refund.order_id, refund.amount, refund.reason) == (
        order.pk,
        order.amount,
        "The chosen time was taken meanwhile.",
    )
    assert sandbox.calls()["refund"] == 1
    assert (Booking.objects.get().cart_id, places()) == (two, [(1, 1)])
    assert list(SlotHold.objects.order_by("pk").values_list("state", flat=True)) == ["RELEASED", "TAKEN"]
    assert_every_rule_holds()
