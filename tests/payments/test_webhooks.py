"""PhonePe's callback: who may send one, what is kept, and that it never decides anything."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from payments import checkout, inbox
from payments.models import PaymentOrder, WebhookDelivery
from payments.shop import Payable
from payments.states import Status
from tests import make
from tests.at_once import at_once

pytestmark = pytest.mark.django_db

URL = "/api/payments/webhook/phonepe/"
CREDENTIAL = hashlib.sha256(b"okpuja_test:test12345").hexdigest()


def body(
    order: PaymentOrder | None = None, *, event: str = "checkout.order.completed", **payload: Any
) -> bytes:
    named = {"merchantOrderId": order.merchant_order_id} if order else {}
    return json.dumps({"event": event, "payload": named | {"state": "COMPLETED"} | payload}).encode()


def post(data: bytes, *, authorization: str | None = CREDENTIAL, **extra: Any) -> Any:
    headers = {} if authorization is None else {"Authorization": authorization}
    client = Client(enforce_csrf_checks=True)
    return client.post(URL, data=data, content_type="application/json", headers=headers, **extra)


def refusal(response: Any) -> tuple[int, str]:
    found = response.json()
    assert sorted(found) == ["code", "message", "success"]
    assert found["success"] is False
    return response.status_code, found["code"]


# -- who may send -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [
        CREDENTIAL,
        CREDENTIAL.upper(),
        f"SHA256 {CREDENTIAL}",
        f"sha256({CREDENTIAL})",
        f"SHA256={CREDENTIAL} ",
    ],
)
def test_webhook_with_a_form_of_our_credential_is_taken(header):
    response = post(body(make.order()), authorization=header)

    assert (response.status_code, response.json()) == (200, {"success": True, "data": {"state": "nudged"}})


@pytest.mark.parametrize(
    "header",
    [None, "", "SHA256", "0" * 64, CREDENTIAL[:-1], CREDENTIAL + "0", "okpuja_test:test12345", "é" * 64],
)
def test_webhook_with_any_other_header_is_refused_and_not_kept(header, logs):
    order = make.order()

    response = post(body(order), authorization=header)

    assert refusal(response) == (401, "bad_credential")
    assert (WebhookDelivery.objects.count(), PaymentOrder.objects.get().nudged_at) == (0, None)
    assert not header or header not in logs.text


@pytest.mark.parametrize("missing", ["PHONEPE_WEBHOOK_USERNAME", "PHONEPE_WEBHOOK_PASSWORD"])
def test_webhook_before_both_credentials_are_set_is_refused_and_logged(settings, logs, missing):
    setattr(settings, missing, "")
    empty_pair = hashlib.sha256(b":").hexdigest()

    responses = [post(body(make.order()), authorization=header) for header in (CREDENTIAL, empty_pair)]

    assert [refusal(response) for response in responses] == [(503, "webhook_not_configured")] * 2
    assert WebhookDelivery.objects.count() == 0
    assert [line["level"] for line in logs.lines if "webhook refused" in line["event"]] == ["error", "error"]


@pytest.mark.okpuja
@pytest.mark.parametrize("method", ["get", "put", "delete", "patch"])
def test_webhook_by_another_method_is_refused(method):
    response = getattr(Client(), method)(URL)

    assert refusal(response) == (405, "method_not_allowed")
    assert response["Allow"] == "POST"


# -- what is taken ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"{",
        b"\xff\xfe\x00",
        b'{"a": "\xff"}',
        b'{"event": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"a":' * 100 + b"1" + b"}" * 100,
    ],
)
def test_webhook_that_is_no_json_object_is_refused_and_not_kept(data):
    assert refusal(post(data)) == (400, "not_json")
    assert WebhookDelivery.objects.count() == 0


@pytest.mark.parametrize("size", [64 * 1024 + 1, 3_000_000])
def test_webhook_that_is_too_large_is_refused_and_not_kept(size):
    data = b'{"x":"' + b"x" * (size - 8) + b'"}'

    assert refusal(post(data)) == (413, "too_large")
    assert WebhookDelivery.objects.count() == 0


def test_webhook_of_the_largest_size_is_taken():
    data = b'{"x":"' + b"x" * (64 * 1024 - 8) + b'"}'

    assert post(data).status_code == 200


def test_webhook_whose_length_is_no_number_is_answered():
    response = post(body(), CONTENT_LENGTH="many")

    assert response.status_code in (200, 400)


def test_webhook_with_nul_bytes_and_half_characters_is_kept_without_them():
    order = make.order()

    response = post(body(order, note="a\0b\ud800", event="checkout.order.completed"))

    kept = WebhookDelivery.objects.get()
    assert (response.status_code, kept.state) == (200, "nudged")
    assert "\0" not in json.dumps(kept.body)


def test_webhook_with_overlong_names_is_kept_cut():
    response = post(json.dumps({"event": "e" * 500, "payload": {"merchantOrderId": "o" * 500}}).encode())

    kept = WebhookDelivery.objects.get()
    assert (response.status_code, kept.state) == (200, "parked")
    assert (len(kept.event), len(kept.merchant_order_id)) == (64, 63)


def test_webhook_keeps_no_personal_data_and_logs_none(logs):
    personal = {
        "paymentDetails": [
            {
                "rail": {"type": "UPI", "vpa": "asha@ybl", "utr": "4550"},
                "instrument": {"maskedAccountNumber": "XX1234", "accountHolderName": "Asha Rao"},
            }
        ],
        "prefillUserLoginDetails": {"phoneNumber": "9876543210"},
    }

    post(body(make.order(), **personal))

    kept = WebhookDelivery.objects.get().body["payload"]
    assert kept["paymentDetails"][0] == {
        "rail": {"type": "UPI", "vpa": "•••", "utr": "4550"},
        "instrument": {"maskedAccountNumber": "•••", "accountHolderName": "•••"},
    }
    assert kept["prefillUserLoginDetails"] == "•••"
    for secret in ("asha", "Asha", "XX1234", "9876543210", CREDENTIAL, "test12345"):
        assert secret not in logs.text


# -- what it does -------------------------------------------------------------------------


def test_webhook_makes_the_order_due_and_decides_nothing(own_shop):
    order = own_shop.order(next_check_at=timezone.now() + timedelta(hours=1))

    post(body(order, amount=149900, orderId="OMO1"))

    order.refresh_from_db()
    assert (order.status, order.nudged_by) == (Status.INITIATED, "webhook")
    assert order.next_check_at <= timezone.now()
    assert own_shop.delivered(order.cart_id) == []


def test_five_equal_webhooks_are_one_row_counted_five_times_and_one_nudge():
    order = make.order()

    answers = [post(body(order)).status_code for _ in range(5)]

    assert answers == [200] * 5
    assert WebhookDelivery.objects.get().deliveries == 5
    assert order.events.filter(kind="nudged").count() == 1


@pytest.mark.django_db(transaction=True)
def test_five_equal_webhooks_at_once_are_one_row_and_one_nudge():
    for _ in range(20):
        order = make.order()
        data = body(order)

        at_once(*[lambda d=data: inbox.receive(d, now=timezone.now())] * 5)

        # Who waits too long for the others is answered, and acted on by the checker's next look.
        inbox.catch_up(now=timezone.now() + timedelta(minutes=1))
        assert WebhookDelivery.objects.get(merchant_order_id=order.merchant_order_id).deliveries == 5
        assert order.events.filter(kind="nudged").count() == 1


def test_webhook_of_a_paid_order_is_kept_and_changes_nothing():
    order = make.order(Status.SUCCESS, completed_at=timezone.now(), fulfilment="BOOKED", next_check_at=None)
    before = PaymentOrder.objects.values().get()

    assert post(body(order)).json()["data"] == {"state": "nudged"}
    assert PaymentOrder.objects.values().get() == before


@pytest.mark.parametrize(
    ("data", "state"),
    [
        (b'{"event":"settlement.completed","payload":{"settlementId":"S1"}}', "ignored"),
        (b'{"event":"never.heard.of"}', "ignored"),
        (b"{}", "ignored"),
        (b'{"event":"checkout.order.completed","payload":{"merchantOrderId":"OKP-nobody"}}', "parked"),
        (b'{"type":"CHECKOUT_ORDER_COMPLETED","payload":{"merchantOrderId":"OKP-nobody"}}', "parked"),
        (b'{"merchantOrderId":"OKP-nobody","state":"COMPLETED"}', "parked"),
        (b'{"event":"x","payload":{"merchantOrderId":{"$ne":null}}}', "ignored"),
    ],
)
def test_webhook_about_something_else_is_kept_with_what_became_of_it(data, state):
    assert post(data).json() == {"success": True, "data": {"state": state}}
    assert WebhookDelivery.objects.get().state == state


@pytest.mark.django_db(transaction=True)
def test_webhook_that_came_before_its_order_is_picked_up_when_the_order_is_created(sandbox, monkeypatch):
    monkeypatch.setattr("payments.models.secrets.token_hex", lambda size: "a" * (2 * size))
    early = f"OKP-{timezone.localtime():%y%m%d}-" + "A" * 20
    data = json.dumps({"event": "checkout.order.completed", "payload": {"merchantOrderId": early}}).encode()
    parked = inbox.receive(data, now=timezone.now()).state

    order = checkout.start(Payable("cart-1", 149900)).order

    assert (parked, order.merchant_order_id, order.nudged_by) == ("parked", early, "webhook")
    assert order.next_check_at <= timezone.now()
    assert WebhookDelivery.objects.get().state == "nudged"
