"""The JSON endpoints as a front end meets them: the contract's shapes, with successes and refusals."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from payments import completion, throttle
from payments.models import PaymentOrder
from payments.states import Status
from phonepe_pg import Unavailable
from tests import make
from tests.at_once import at_once
from tests.payments.calls import data, get, post, refusal
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db(transaction=True)

STANDING = {
    "cart_id",
    "payment_status",
    "payment_amount",
    "merchant_order_id",
    "booking_created",
    "booking_id",
    "cart_status",
    "payment_created_at",
    "payment_completed_at",
    "auto_verified",
}


@pytest.fixture(autouse=True)
def shop(plug):
    plug("delivers")


def known_order(sandbox: Sandbox, state: str = "COMPLETED", **fields: Any) -> PaymentOrder:
    order = make.order(gateway_order_id="", **fields)
    registered = {"merchantOrderId": order.merchant_order_id, "amount": order.amount, "state": state}
    (answer,) = sandbox.register(registered)
    PaymentOrder.objects.filter(pk=order.pk).update(gateway_order_id=answer["orderId"])
    order.refresh_from_db()
    return order


def text(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def asked(sandbox: Sandbox, order: PaymentOrder) -> int:
    return sandbox.calls(order.merchant_order_id).get("status", 0)


# -- starting to pay ----------------------------------------------------------------------


def test_start_answers_201_then_200_with_the_same_order(sandbox):
    first = data(post("cart/", {"cart_id": "open-1"}), 201)
    second = data(post("cart/", {"cart_id": "open-1"}), 200)

    order = PaymentOrder.objects.get()
    assert first == second
    assert first["payment_order"] == {
        "merchant_order_id": order.merchant_order_id,
        "amount": 149900,
        "cart_id": "open-1",
        "status": "INITIATED",
        "phonepe_payment_url": order.pay_page_url,
        "expires_at": text(order.expires_at),
    }


def test_start_for_a_paid_cart_answers_409(sandbox):
    order = make.order(Status.SUCCESS, completed_at=timezone.now(), fulfilment="BOOKED")

    assert refusal(post("cart/", {"cart_id": order.cart_id})) == (409, "already_paid")
    assert PaymentOrder.objects.count() == 1


def test_start_while_the_gateway_fails_answers_502_with_the_order_watched(sandbox):
    sandbox.fault("pay", "server_error")

    assert refusal(post("cart/", {"cart_id": "open-1"})) == (502, "gateway_unavailable")
    assert PaymentOrder.objects.get().next_check_at is not None


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (b"", (422, "invalid_request")),
        (b"{", (400, "invalid_json")),
        (b"\xff", (400, "invalid_json")),
        (b"{}", (422, "invalid_request")),
        (b"[]", (422, "invalid_request")),
        (b'{"cart_id": 5}', (422, "invalid_request")),
        (b'{"cart_id": "' + b"x" * 65 + b'"}', (422, "invalid_request")),
    ],
)
def test_start_with_a_bad_body_is_refused_in_the_contracts_shape(body, answer):
    response = Client().post("/api/payments/cart/", body, content_type="application/json")

    assert refusal(response) == answer


@pytest.mark.okpuja
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", "cart/"),
        ("get", "verify-and-complete/"),
        ("post", "cart/x/status/"),
        ("post", "cart/x/events/"),
        ("delete", "return/x/"),
        ("get", "x/refunds/"),
    ],
)
def test_endpoint_by_another_method_answers_405_in_the_contracts_shape(method, path):
    response = getattr(Client(), method)(f"/api/payments/{path}")

    assert refusal(response) == (405, "method_not_allowed")


@pytest.mark.okpuja
def test_unknown_path_answers_404_in_the_contracts_shape():
    assert refusal(Client().get("/api/payments/nothing/here/")) == (404, "not_found")


# -- status -------------------------------------------------------------------------------


def test_status_of_an_open_order_has_every_field(sandbox):
    order = make.order(age_s=5)

    told = data(get(f"cart/{order.cart_id}/status/"))

    assert told == {
        "cart_id": order.cart_id,
        "payment_status": "INITIATED",
        "payment_amount": "1499.00",
        "merchant_order_id": order.merchant_order_id,
        "booking_created": False,
        "booking_id": None,
        "cart_status": "OPEN",
        "payment_created_at": text(order.created_at),
        "payment_completed_at": None,
        "auto_verified": False,
    }


def test_status_before_verify_after_asks_nobody_and_after_it_asks_and_books(sandbox, settings):
    settings.STATUS_VERIFY_AFTER = 30
    order = known_order(sandbox, age_s=28)

    early = data(get(f"cart/{order.cart_id}/status/"))
    calls = asked(sandbox, order)
    settings.STATUS_VERIFY_AFTER = 5
    late = data(get(f"cart/{order.cart_id}/status/"))

    order.refresh_from_db()
    assert (early["payment_status"], calls) == ("INITIATED", 0)
    assert (late["payment_status"], late["booking_created"], late["booking_id"]) == (
        "SUCCESS", True, order.fulfilment_reference,
    )  # fmt: skip
    assert (late["cart_status"], late["auto_verified"], order.completed_by) == ("BOOKED", True, "status")
    assert late["payment_completed_at"] == text(order.completed_at)


def test_status_by_twenty_pollers_costs_one_call(sandbox):
    order = known_order(sandbox, state="PENDING")
    sandbox.settings(latency=0.2)

    answers = at_once(*[lambda: get(f"cart/{order.cart_id}/status/").json()["data"]] * 20)

    assert [answer["payment_status"] for answer in answers] == ["INITIATED"] * 20
    assert asked(sandbox, order) == 1


def test_status_while_the_gateway_hangs_answers_within_three_seconds(sandbox):
    order = known_order(sandbox)
    sandbox.fault("status", "latency", seconds=4)
    started = time.monotonic()

    told = data(get(f"cart/{order.cart_id}/status/"))

    assert (told["payment_status"], time.monotonic() - started < 3) == ("INITIATED", True)
    sandbox_answers = time.monotonic() + 6
    while PaymentOrder.objects.get(pk=order.pk).status != "SUCCESS":
        assert time.monotonic() < sandbox_answers
        time.sleep(0.1)


def test_status_while_the_breaker_is_open_answers_at_once(sandbox):
    order = known_order(sandbox)
    throttle.report([make.trouble(Unavailable("down"))] * 5, now=timezone.now() + timedelta(seconds=60))

    told = data(get(f"cart/{order.cart_id}/status/"))

    assert (told["payment_status"], asked(sandbox, order)) == ("INITIATED", 0)


@pytest.mark.parametrize("reference", ["nobody", "open-without-order"])
def test_status_without_a_cart_or_a_payment_answers_404(reference):
    assert refusal(get(f"cart/{reference}/status/")) == (404, "not_found")


@pytest.mark.parametrize(
    ("kinds", "told"),
    [
        (("FAILED", "INITIATED"), "INITIATED"),
        (("INITIATED", "FAILED"), "INITIATED"),
        (("FAILED", "EXPIRED"), "EXPIRED"),
        (("BOOKED", "FAILED", "INITIATED"), "SUCCESS BOOKED"),
        (("BOOKED", "UNFULFILLABLE"), "SUCCESS BOOKED"),
        (("UNFULFILLABLE", "INITIATED"), "INITIATED"),
        (("DUE", "INITIATED"), "SUCCESS DUE"),
        (("CANCELLED", "UNFULFILLABLE"), "SUCCESS UNFULFILLABLE"),
    ],
)
def test_status_of_a_cart_with_several_orders_is_that_of_the_one_that_speaks_for_it(kinds, told):
    cart_id, now = "open-several", timezone.now()
    for nth, kind in enumerate(kinds):
        paid = {"completed_at": now, "fulfilment": kind} if kind in ("BOOKED", "DUE", "UNFULFILLABLE") else {}
        status = Status.SUCCESS if paid else Status(kind)
        make.order(status, cart_id=cart_id, now=now + timedelta(seconds=nth), age_s=20, **paid)

    answer = data(get(f"cart/{cart_id}/status/"))

    spoken = PaymentOrder.objects.get(merchant_order_id=answer["merchant_order_id"])
    assert f"{spoken.status} {spoken.fulfilment}".strip() == told


# -- verify and complete ------------------------------------------------------------------


def test_verify_and_complete_books_and_answers_as_status_does(sandbox):
    order = known_order(sandbox)

    told = data(post("verify-and-complete/", {"merchant_order_id": order.merchant_order_id}))

    assert set(told) == STANDING
    assert (told["payment_status"], told["booking_created"], told["auto_verified"]) == ("SUCCESS", True, True)


def test_verify_and_complete_again_at_once_answers_429_with_retry_after(sandbox):
    order = known_order(sandbox, state="PENDING")
    post("verify-and-complete/", {"merchant_order_id": order.merchant_order_id})

    response = post("verify-and-complete/", {"merchant_order_id": order.merchant_order_id})

    assert refusal(response) == (429, "too_many_requests")
    assert 1 <= int(response["Retry-After"]) <= completion.BY_HAND_GAP_S
    assert asked(sandbox, order) == 1


def test_verify_and_complete_of_a_paid_order_may_be_repeated(sandbox):
    order = known_order(sandbox)

    told = [
        data(post("verify-and-complete/", {"merchant_order_id": order.merchant_order_id})) for _ in range(3)
    ]

    assert told[0] == told[1] == told[2]


@pytest.mark.parametrize("unknown", ["OKP-nobody", "", "a\0b", "é"])
def test_verify_and_complete_of_no_order_answers_404(unknown):
    assert refusal(post("verify-and-complete/", {"merchant_order_id": unknown})) == (404, "not_found")


# -- the documentation --------------------------------------------------------------------


@pytest.mark.okpuja
def test_docs_need_no_other_host():
    page = Client().get("/api/docs").content.decode()

    assert "http://" not in page.replace("http://localhost", "")
    assert "https://" not in page


def test_openapi_names_every_endpoint_of_the_contract():
    schema = Client().get("/api/openapi.json").json()

    assert schema["openapi"].startswith("3.")
    assert set(schema["paths"]) >= {
        "/api/payments/cart/",
        "/api/payments/cart/{cart_id}/status/",
        "/api/payments/verify-and-complete/",
        "/api/payments/{merchant_order_id}/refunds/",
    }
