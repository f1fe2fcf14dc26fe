"""The create-payment call (§3)."""

import base64
import json
import re

import pytest

NOW_MS = 1_800_000_000_000
BAD_REQUEST = {"code": "BAD_REQUEST", "message": "Please check the inputs you have provided."}
URL = "http://shop.test/back"


def flow(**changes):
    return {"paymentFlow": {"type": "PG_CHECKOUT", "merchantUrls": {"redirectUrl": URL}} | changes}


def modes(**config):
    return flow(paymentModeConfig=config)


@pytest.mark.parametrize(
    ("base", "page"), [("/apis/pg-sandbox", "/transact/uat_v2"), ("/apis/pg", "/transact/pgv2")]
)
async def test_pay_when_the_order_is_new_then_it_is_pending_with_a_pay_page(merchant, base, page):
    reply = await merchant.api("POST", "/checkout/v2/pay", base=base, json=merchant.order("ORD-1", 149_900))

    link = reply.body.pop("redirectUrl")
    start, token = link.split("?token=")
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    claims.pop("jti")
    assert reply.status == 200
    assert start == merchant.url + page
    assert re.fullmatch(r"OMO270115133000\d{10}", reply.body.pop("orderId"))  # 13:30 in India
    assert reply.body == {"state": "PENDING", "expireAt": NOW_MS + 900_000}
    assert claims == {
        "expiresOn": NOW_MS + 900_000,
        "merchantId": "SANDBOXMERCHANT",
        "merchantOrderId": "ORD-1",
    }


ACCEPTED = {
    "least": {"amount": 100, "expireAfter": 300},
    "most": {"merchantOrderId": "x" * 63, "amount": 10**11, "expireAfter": 3600},
    "nulls, as the SDK sends them": {
        "expireAfter": None,
        "metaInfo": None,
        "disablePaymentRetry": None,
        "prefillUserLoginDetails": None,
        **flow(message=None, paymentModeConfig=None),
    },
    "all udfs": {
        "metaInfo": {"udf1": "₹ free text " * 20, "udf10": "x" * 256, "udf11": "a_B-1+@." * 6, "udf15": "z"}
    },
    "a null udf": {"metaInfo": {"udf1": None}},
    "no retry, top level": {"disablePaymentRetry": True},
    "no retry, in the flow": flow(disablePaymentRetry=True),
    "phone": {"prefillUserLoginDetails": {"phoneNumber": "9999999999"}},
    "phone with country": {"prefillUserLoginDetails": {"phoneNumber": "+919999999999"}},
    "message": flow(message="Invoice 77"),
    "modes V1": modes(
        enabledPaymentModes=[{"type": "UPI_QR"}, {"type": "CARD", "cardTypes": ["DEBIT_CARD"]}]
    ),
    "modes V1 named": modes(version="V1", disabledPaymentModes=[{"type": "NET_BANKING"}]),
    "modes V2": modes(version="V2", enabledPaymentModes=[{"type": "UPI", "flows": ["INTENT", "QR"]}]),
    "modes with a null list": modes(enabledPaymentModes=[{"type": "UPI_QR"}], disabledPaymentModes=None),
}
REFUSED = {
    "no id": {"merchantOrderId": None},
    "empty id": {"merchantOrderId": ""},
    "number as id": {"merchantOrderId": 7},
    "id with a dot": {"merchantOrderId": "ORD.1"},
    "id with a space": {"merchantOrderId": "ORD 1"},
    "id with a line break": {"merchantOrderId": "ORD-1\n"},
    "id with a letter that is not ASCII": {"merchantOrderId": "ORDÉ"},
    "id of 64": {"merchantOrderId": "x" * 64},
    "amount too small": {"amount": 99},
    "amount below nothing": {"amount": -149_900},
    "amount as text": {"amount": "149900"},
    "amount as fraction": {"amount": 1499.5},
    "amount as float": {"amount": 149_900.0},
    "amount true": {"amount": True},
    "no amount": {"amount": None},
    "expireAfter too short": {"expireAfter": 299},
    "expireAfter too long": {"expireAfter": 3601},
    "expireAfter as text": {"expireAfter": "900"},
    "expireAfter as float": {"expireAfter": 900.0},
    "expireAfter true": {"expireAfter": True},
    "metaInfo as list": {"metaInfo": []},
    "udf16": {"metaInfo": {"udf16": "x"}},
    "udf0": {"metaInfo": {"udf0": "x"}},
    "other key in metaInfo": {"metaInfo": {"invoice": "x"}},
    "udf as number": {"metaInfo": {"udf1": 1}},
    "udf1 blank": {"metaInfo": {"udf1": " "}},
    "udf11 empty": {"metaInfo": {"udf11": ""}},
    "udf10 of 257": {"metaInfo": {"udf10": "x" * 257}},
    "udf11 of 51": {"metaInfo": {"udf11": "x" * 51}},
    "udf11 with a space": {"metaInfo": {"udf11": "a b"}},
    "udf15 with a slash": {"metaInfo": {"udf15": "a/b"}},
    "v1 callbackUrl": {"callbackUrl": URL},
    "v1 currency": {"currency": "INR"},
    "unknown parameter": {"note": None},
    "retry as text": {"disablePaymentRetry": "true"},
    "phone too short": {"prefillUserLoginDetails": {"phoneNumber": "12345"}},
    "phone with letters": {"prefillUserLoginDetails": {"phoneNumber": "99999abcde"}},
    "prefill with more": {"prefillUserLoginDetails": {"email": "a@b.c"}},
    "no flow": {"paymentFlow": None},
    "flow as list": {"paymentFlow": []},
    "no type": flow(type=None),
    "other type": flow(type="PG"),
    "blank message": flow(message=""),
    "unknown in flow": flow(color="red"),
    "no urls": flow(merchantUrls=None),
    "no redirectUrl": flow(merchantUrls={}),
    "relative redirectUrl": flow(merchantUrls={"redirectUrl": "/back"}),
    "script as redirectUrl": flow(merchantUrls={"redirectUrl": "javascript:alert(1)"}),
    "redirectUrl with a line break": flow(merchantUrls={"redirectUrl": "http://shop.test/\r\nX: y"}),
    "redirectUrl with a control character": flow(merchantUrls={"redirectUrl": "http://shop.test/\x01"}),
    "redirectUrl with a NUL": flow(merchantUrls={"redirectUrl": "http://shop.test/\0"}),
    "redirectUrl with half a character": flow(merchantUrls={"redirectUrl": "http://shop.test/\ud800"}),
    "redirectUrl without host": flow(merchantUrls={"redirectUrl": "http://"}),
    "unknown in urls": flow(merchantUrls={"redirectUrl": URL, "cancelUrl": URL}),
    "modes both": modes(enabledPaymentModes=[{"type": "UPI_QR"}], disabledPaymentModes=[{"type": "CARD"}]),
    "modes not a list": modes(enabledPaymentModes={"type": "UPI_QR"}),
    "mode without type": modes(enabledPaymentModes=[{}]),
    "mode as text": modes(enabledPaymentModes=["UPI_QR"]),
    "mode of V2 in V1": modes(enabledPaymentModes=[{"type": "UPI"}]),
    "mode of V1 in V2": modes(version="V2", enabledPaymentModes=[{"type": "UPI_QR"}]),
    "version 3": modes(version="V3", enabledPaymentModes=[{"type": "UPI_QR"}]),
    "card type": modes(enabledPaymentModes=[{"type": "CARD", "cardTypes": ["GIFT"]}]),
    "card types for UPI": modes(enabledPaymentModes=[{"type": "UPI_QR", "cardTypes": ["DEBIT_CARD"]}]),
}


@pytest.mark.parametrize("changes", ACCEPTED.values(), ids=ACCEPTED.keys())
async def test_pay_when_the_body_keeps_to_the_documents_then_accepted(merchant, changes):
    reply = await merchant.api("POST", "/checkout/v2/pay", json=merchant.order() | changes)

    assert (reply.status, reply.headers.get("X-Sandbox-Reason")) == (200, None)


@pytest.mark.parametrize("changes", REFUSED.values(), ids=REFUSED.keys())
async def test_pay_when_the_body_breaks_a_rule_then_refused_and_not_stored(merchant, changes):
    reply = await merchant.api("POST", "/checkout/v2/pay", json=merchant.order() | changes)

    assert (reply.status, reply.body) == (400, BAD_REQUEST)
    assert reply.headers["X-Sandbox-Reason"] != ""
    assert await merchant.orders_known() == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"amount": NaN}', b"[" * 100_000])
async def test_pay_when_the_body_is_no_json_object_then_bad_request(merchant, body):
    merchant.authorization = f"O-Bearer {(await merchant.token()).body['access_token']}"
    headers = {"Authorization": merchant.authorization, "Content-Type": "application/json"}

    reply = await merchant.call("POST", "/apis/pg-sandbox/checkout/v2/pay", data=body, headers=headers)

    assert (reply.status, reply.body) == (400, BAD_REQUEST)


async def test_pay_when_form_encoded_then_not_mapped(merchant):
    reply = await merchant.api("POST", "/checkout/v2/pay", data={"merchantOrderId": "ORD-1"})

    assert (reply.status, reply.body) == (400, {"message": "Bad Request - Api Mapping Not Found"})


@pytest.mark.parametrize(
    ("switch", "status", "code"),
    [
        ("BAD_REQUEST", 400, "BAD_REQUEST"),
        ("INVALID_TRANSACTION_ID", 417, "INVALID_TRANSACTION_ID"),
        ("INVALID_MERCHANT_ORDER_ID", 417, "INVALID_MERCHANT_ORDER_ID"),
        ("ORDER_ALREADY_EXISTS", 400, "ORDER_ALREADY_EXISTS"),
    ],
)
async def test_pay_when_the_id_was_used_then_refused_and_the_stored_order_stays(
    merchant, switch, status, code
):
    await merchant.pay("ORD-1", 149_900)
    before = await merchant.status()
    await merchant.switch(duplicate_answer=switch)

    reply = await merchant.pay("ORD-1", 200)

    assert (reply.status, reply.body["code"]) == (status, code)
    assert (await merchant.status()).body == before.body


async def test_pay_when_expire_after_is_left_out_then_900_seconds(merchant):
    reply = await merchant.pay(expireAfter=None)

    assert reply.body["expireAt"] == NOW_MS + 900_000


async def test_pay_when_expire_after_is_not_honoured_then_48_hours(merchant):
    await merchant.switch(honour_expire_after=False)

    reply = await merchant.pay(expireAfter=300)

    assert reply.body["expireAt"] == NOW_MS + 48 * 3_600_000


async def test_pay_when_empty_udfs_are_allowed_then_accepted(merchant):
    await merchant.switch(empty_udf="accept")

    reply = await merchant.pay(metaInfo={"udf1": "", "udf11": ""})

    assert reply.status == 200


async def test_pay_when_only_five_udfs_are_known_then_the_sixth_is_refused(merchant):
    await merchant.switch(udf_count=5)

    replies = [await merchant.pay(f"ORD-{n}", metaInfo={f"udf{n}": "x"}) for n in (5, 6)]

    assert [reply.status for reply in replies] == [200, 400]


async def test_sdk_order_needs_no_return_address_and_answers_a_token(merchant):
    body = merchant.order() | {"paymentFlow": {"type": "PG_CHECKOUT", "merchantUrls": {"redirectUrl": None}}}

    reply = await merchant.api("POST", "/checkout/v2/sdk/order", json=body)

    assert reply.status == 200
    assert sorted(reply.body) == ["expireAt", "orderId", "state", "token"]
    assert (await merchant.status()).body["orderId"] == reply.body["orderId"]


@pytest.mark.parametrize(
    ("path", "constraints", "status"),
    [
        ("/checkout/v2/sdk/order", None, 200),  # the SDK sends it (§11)
        ("/checkout/v2/sdk/order", [{"type": "ACCOUNT"}], 400),  # Custom Checkout
        ("/checkout/v2/pay", None, 400),
    ],
)
async def test_constraints_are_taken_as_a_null_in_the_sdks_call_only(merchant, path, constraints, status):
    reply = await merchant.api("POST", path, json=merchant.order(constraints=constraints))

    assert reply.status == status
