"""Callbacks (§6)."""

import hashlib
import hmac
import json

import pytest

from phonepe_pg import Malformed, authorization_is_genuine, read_webhook, signature_is_genuine

VECTOR = "bc842c31a9e54efe320d30d948be61291f3ceee4766e36ab25fa65243cd76e0e"
ORDER = {
    "merchantId": "M1",
    "merchantOrderId": "ORD-1",
    "orderId": "OMO24",
    "state": "COMPLETED",
    "amount": 1000,
}
REFUND = {
    "merchantRefundId": "R-1",
    "originalMerchantOrderId": "ORD-1",
    "refundId": "OMR78",
    "state": "COMPLETED",
    "amount": 1000,
}


@pytest.mark.parametrize(
    "header",
    [VECTOR, VECTOR.upper(), f"  {VECTOR}\t", f"SHA256 {VECTOR}", f"sha256 {VECTOR}", f"SHA256({VECTOR})"],
)
def test_genuine_header(header):
    assert authorization_is_genuine(header, username="username", password="password")


@pytest.mark.parametrize(
    "header",
    [None, "", " ", "SHA256", VECTOR[:-1], VECTOR + "0", "0" * 64, f"Basic {VECTOR}", "पूजा", "\ud800", "\0"],
)
def test_forged_header(header):
    assert not authorization_is_genuine(header, username="username", password="password")


@pytest.mark.parametrize(("username", "password"), [("", ""), ("username", ""), ("", "password")])
def test_empty_pair_accepts_nothing(username, password):
    digest = hashlib.sha256(f"{username}:{password}".encode()).hexdigest()

    assert not authorization_is_genuine(digest, username=username, password=password)


def test_signature_of_the_body():
    signature = hmac.new(b"key", b'{"a":1}', hashlib.sha256).hexdigest()

    assert signature_is_genuine(f" {signature.upper()} ", b'{"a":1}', secret="key")
    assert not signature_is_genuine(signature, b'{"a":2}', secret="key")
    assert not signature_is_genuine(signature, b'{"a":1}', secret="other")
    assert not signature_is_genuine(None, b'{"a":1}', secret="key")
    assert not signature_is_genuine(signature, b'{"a":1}', secret="")


@pytest.mark.parametrize(
    ("body", "event"),
    [
        (
            {"event": "checkout.order.completed", "type": "CHECKOUT_ORDER_COMPLETED"},
            "checkout.order.completed",
        ),
        ({"type": "CHECKOUT_ORDER_COMPLETED"}, "checkout.order.completed"),
        ({"type": "CHECKOUT_ORDER_FAILED"}, "checkout.order.failed"),
        (
            {"event": None, "type": "CHECKOUT_TRANSACTION_ATTEMPT_FAILED"},
            "checkout.transaction.attempt.failed",
        ),
        ({"event": "", "type": "PG_REFUND_ACCEPTED"}, "pg.refund.accepted"),
        ({"type": "PG_REFUND_COMPLETED"}, "pg.refund.completed"),
        ({"type": "PG_REFUND_FAILED"}, "pg.refund.failed"),
        ({"type": "SOMETHING_NEW"}, "SOMETHING_NEW"),
        ({"event": "subscription.paused"}, "subscription.paused"),
        ({"event": ["x"]}, ""),
        ({}, ""),
    ],
)
def test_event_by_its_new_or_old_name(body, event):
    assert read_webhook(json.dumps(body | {"payload": ORDER}).encode()).event == event


@pytest.mark.parametrize("body", [{"event": "e", "payload": ORDER}, ORDER, ORDER | {"payload": None}])
def test_order_wrapped_or_flat(body):
    webhook = read_webhook(json.dumps(body).encode())

    assert (webhook.merchant_order_id, webhook.order_id, webhook.state) == ("ORD-1", "OMO24", "COMPLETED")
    assert (webhook.merchant_refund_id, webhook.refund_id) == ("", "")
    assert webhook.raw == body


@pytest.mark.parametrize("body", [{"event": "e", "payload": REFUND}, REFUND])
def test_refund_wrapped_or_flat(body):
    webhook = read_webhook(json.dumps(body).encode())

    assert (webhook.merchant_refund_id, webhook.merchant_order_id) == ("R-1", "ORD-1")
    assert (webhook.refund_id, webhook.state) == ("OMR78", "COMPLETED")


def test_nulls_and_wrong_types_become_empty():
    body = {"event": "pg.refund.failed", "payload": {"merchantOrderId": None, "refundId": {}, "state": [1]}}

    webhook = read_webhook(json.dumps(body).encode())

    assert (webhook.merchant_order_id, webhook.refund_id, webhook.state) == ("", "", "")


@pytest.mark.parametrize("body", [b"", b"x", b"[]", b"null", b'"x"', b"\xff", b"[" * 9999, b" " * 2_000_000])
def test_no_json_object_is_malformed(body):
    with pytest.raises(Malformed):
        read_webhook(body)
