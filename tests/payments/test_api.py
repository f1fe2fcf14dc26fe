"""The JSON endpoints as a front end meets them: the contract's shapes, with successes and refusals."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from payments import completion, throttle
from payments.models import PaymentOrder, Refund
from payments.states import Status
from phonepe_pg import Unavailable
from tests import make
from tests.at_once import at_once
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


def post(path: str, body: Any, client: Client | None = None, **extra: Any) -> Any:
    return (client or Client()).post(
        f"/api/payments/{path}", json.dumps(body), content_type="application/json", **extra
    )


def get(path: str, client: Client | None = None) -> Any:
    return (client or Client()).get(f"/api/payments/{path}")


def data(response: Any, status: int = 200) -> Any:
    found = response.json()
    assert (response.status_code, found["success"], sorted(found)) == (status, True, ["data", "success"]), (
        found
    )
    return found["data"]


def refusal(response: Any) -> tuple[int, str]:
    found = response.json()
    assert sorted(found) == ["code", "message", "success"], found
    assert (found["success"], bool(found["message"])) == (False, True)
    return response.status_code, found["code"]


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


# -- refunds ------------------------------------------------------------------------------


def staff(*permissions: str, is_staff: bool = True) -> Client:
    user = User.objects.create_user("staff", is_staff=is_staff)
    user.user_permissions.add(*Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def paid() -> PaymentOrder:
    return make.order(Status.SUCCESS, completed_at=timezone.now(), fulfilment="BOOKED", next_check_at=None)


def test_refund_by_staff_answers_201_with_the_refund():
    order = paid()

    made = data(
        post(f"{order.merchant_order_id}/refunds/", {"amount": 5000, "reason": "ill"}, staff("add_refund")),
        201,
    )

    refund = Refund.objects.get()
    assert made == {
        "merchant_refund_id": refund.merchant_refund_id,
        "merchant_order_id": order.merchant_order_id,
        "amount": 5000,
        "state": "DUE",
        "reason": "ill",
    }
    assert refund.requested_by == "staff"


def test_refund_that_is_asked_for_again_with_its_idempotency_key_is_made_once():
    order, boss = paid(), staff("add_refund")
    asked = partial(post, f"{order.merchant_order_id}/refunds/", {"amount": 5000, "reason": "ill"}, boss)

    first = data(asked(headers={"idempotency-key": "k1"}), 201)
    Refund.objects.update(state="COMPLETED")
    again, other = data(asked(headers={"idempotency-key": "k1"}), 201), data(asked(), 201)

    assert again == first | {"state": "COMPLETED"}
    assert other["merchant_refund_id"] != first["merchant_refund_id"]
    assert Refund.objects.count() == 2


@pytest.mark.parametrize(
    ("who", "answer"),
    [
        (None, (401, "not_signed_in")),
        ({"is_staff": False}, (403, "not_permitted")),
        ({}, (403, "not_permitted")),
    ],
)
def test_refund_by_anybody_else_is_refused_and_makes_nothing(who, answer):
    client = Client() if who is None else staff(**who)
    if who == {"is_staff": False}:
        User.objects.get().user_permissions.add(Permission.objects.get(codename="add_refund"))

    assert refusal(post(f"{paid().merchant_order_id}/refunds/", {"reason": "ill"}, client)) == answer
    assert Refund.objects.count() == 0


def test_refund_from_another_sites_page_is_refused_by_csrf():
    allowed = staff("add_refund")
    checking = Client(enforce_csrf_checks=True)
    checking.cookies = allowed.cookies

    assert refusal(post(f"{paid().merchant_order_id}/refunds/", {"reason": "ill"}, checking))[0] == 403
    assert Refund.objects.count() == 0


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ({"amount": 149901, "reason": "ill"}, (409, "not_refundable")),
        ({"amount": 0, "reason": "ill"}, (409, "not_refundable")),
        ({"amount": -1, "reason": "ill"}, (409, "not_refundable")),
        ({"amount": 10**30, "reason": "ill"}, (409, "not_refundable")),
        ({"amount": 14.5, "reason": "ill"}, (422, "invalid_request")),
        ({"amount": "all", "reason": "ill"}, (422, "invalid_request")),
        ({"reason": "x"}, (422, "invalid_request")),
        ({"reason": "x" * 201}, (422, "invalid_request")),
        ({"amount": 5}, (422, "invalid_request")),
    ],
)
def test_refund_with_a_bad_body_is_refused_and_makes_nothing(body, answer):
    assert refusal(post(f"{paid().merchant_order_id}/refunds/", body, staff("add_refund"))) == answer
    assert Refund.objects.count() == 0


def test_refund_whose_reason_holds_odd_characters_is_taken():
    order = paid()

    data(post(f"{order.merchant_order_id}/refunds/", {"reason": "ill\0 पंडित 🙏"}, staff("add_refund")), 201)

    assert Refund.objects.get().reason == "ill पंडित 🙏"


@pytest.mark.parametrize("unknown", ["OKP-nobody", "%00"])
def test_refund_of_no_order_answers_404(unknown):
    assert refusal(post(f"{unknown}/refunds/", {"reason": "ill"}, staff("add_refund"))) == (404, "not_found")


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


def test_refund_by_staff_of_all_that_is_left_ends_the_attention_that_waited_for_it():
    order = paid()
    PaymentOrder.objects.filter(pk=order.pk).update(attention="refund_failed", attention_at=timezone.now())

    post(f"{order.merchant_order_id}/refunds/", {"reason": "ill"}, staff("add_refund"))

    order.refresh_from_db()
    assert (order.attention, order.refunds.count()) == ("", 1)
