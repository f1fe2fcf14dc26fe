"""What is sent, byte for byte (§1–§5), and what is refused before it is sent."""

import json
from dataclasses import replace
from urllib.parse import parse_qs

import pytest

from phonepe_pg import Credentials, Hosts, InvalidRequest, Misconfigured, PhonePeError
from tests.phonepe_pg.stub_gateway import PAY_PAGE, PAYMENT, REFUND, SECRET, TOKEN, answer

CREATED = {"orderId": "OMO1", "state": "PENDING", "expireAt": 1, "redirectUrl": PAY_PAGE}


async def test_token_is_asked_for_with_a_form(stub, client):
    stub.says(answer(200, CREATED))

    await client.create_payment(PAYMENT)

    (seen,) = stub.token_calls
    assert (seen.method, seen.path) == ("POST", "/apis/pg-sandbox/v1/oauth/token")
    assert seen.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert "Authorization" not in seen.headers
    assert parse_qs(seen.body.decode()) == {
        "client_id": ["client-7"],
        "client_version": ["1"],
        "client_secret": [SECRET],
        "grant_type": ["client_credentials"],
    }


async def test_payment_as_small_as_possible(stub, client):
    stub.says(answer(200, CREATED))

    await client.create_payment(PAYMENT)

    (seen,) = stub.calls
    assert (seen.method, seen.path, seen.query) == ("POST", "/apis/pg-sandbox/checkout/v2/pay", {})
    assert seen.headers["Authorization"] == f"O-Bearer {TOKEN}-1"
    assert seen.headers["Content-Type"] == "application/json"
    assert seen.headers["User-Agent"].startswith("phonepe_pg/")
    assert json.loads(seen.body) == {
        "merchantOrderId": "ORD-1",
        "amount": 150_000,
        "expireAfter": 900,
        "paymentFlow": {
            "type": "PG_CHECKOUT",
            "merchantUrls": {"redirectUrl": "https://shop.example/back/ORD-1"},
        },
    }


async def test_payment_with_a_blank_message_leaves_it_out(stub, client):
    """PhonePe refuses blank values (wire reference §3.1)."""
    stub.says(answer(200, CREATED))

    await client.create_payment(replace(PAYMENT, meta={"udf1": " "}, message=" "))

    body = json.loads(stub.calls[0].body)
    assert ("metaInfo" in body, "message" in body["paymentFlow"]) == (False, False)


async def test_payment_with_everything_leaves_empty_values_out(stub, client):
    stub.says(answer(200, CREATED))
    meta = {"udf1": "पूजा 77", "udf2": "", "udf3": " \t", "udf11": "a_b-c+d@e.f", "udf15": ""}

    await client.create_payment(
        replace(PAYMENT, meta=meta, message="Invoice 77", disable_payment_retry=False)
    )

    body = json.loads(stub.calls[0].body)
    assert body["metaInfo"] == {"udf1": "पूजा 77", "udf11": "a_b-c+d@e.f"}
    assert body["paymentFlow"]["message"] == "Invoice 77"
    assert body["disablePaymentRetry"] is False


async def test_order_status_asks_for_details_and_reasons(stub, client):
    stub.says(answer(200, {"state": "PENDING"}))

    await client.order_status("ORD_9-z")

    (seen,) = stub.calls
    assert (seen.method, seen.path) == ("GET", "/apis/pg-sandbox/checkout/v2/order/ORD_9-z/status")
    assert seen.query == {"details": "true", "errorContext": "true"}
    assert seen.body == b""


async def test_refund_and_its_status(stub, client):
    stub.says(answer(200, {"state": "PENDING"}))

    await client.refund(REFUND)
    await client.refund_status("R-1")

    post, get = stub.calls
    assert (post.method, post.path) == ("POST", "/apis/pg-sandbox/payments/v2/refund")
    assert json.loads(post.body) == {
        "merchantRefundId": "R-1",
        "originalMerchantOrderId": "ORD-1",
        "amount": 1000,
    }
    assert (get.method, get.path) == ("GET", "/apis/pg-sandbox/payments/v2/refund/R-1/status")


BAD_IDS = ["", "x" * 64, "a b", "a/b", "a?b", "ओम", "a\n", "..", None, 7]


@pytest.mark.parametrize(
    "change",
    [
        *({"merchant_order_id": bad} for bad in BAD_IDS),
        *({"amount_paise": bad} for bad in (99, 0, -100, 100.0, "100", True, None, 2**63)),
        *({"expire_after_s": bad} for bad in (299, 3601, 900.0, "900", True, None)),
        *(
            {"redirect_url": bad}
            for bad in ("", "/back", "ftp://a/b", "https://", "https://a/ b", "http://[", None)
        ),
        {"meta": {"udf16": "x"}},
        {"meta": {"udf0": "x"}},
        {"meta": {"UDF1": "x"}},
        {"meta": {"udf1": 7}},
        {"meta": {"udf1": None}},
        {"meta": {"udf10": "x" * 257}},
        {"meta": {"udf11": "x" * 51}},
        {"meta": {"udf11": "two words"}},
        {"message": None},
    ],
    ids=repr,
)
async def test_payment_that_breaks_a_rule_is_not_sent(stub, client, change):
    with pytest.raises(InvalidRequest) as caught:
        await client.create_payment(replace(PAYMENT, **change))

    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, PhonePeError)
    assert caught.value.sent is False
    assert (stub.calls, stub.token_calls) == ([], [])


@pytest.mark.parametrize("bad", BAD_IDS, ids=repr)
async def test_bad_ids_never_reach_a_path(stub, client, bad):
    with pytest.raises(InvalidRequest):
        await client.order_status(bad)
    with pytest.raises(InvalidRequest):
        await client.refund_status(bad)
    with pytest.raises(InvalidRequest):
        await client.refund(replace(REFUND, merchant_refund_id=bad))
    with pytest.raises(InvalidRequest):
        await client.refund(replace(REFUND, original_merchant_order_id=bad))

    assert (stub.calls, stub.token_calls) == ([], [])


@pytest.mark.parametrize("amount", [0, -1, 1.0, "1", True, None])
async def test_refund_of_a_bad_amount_is_not_sent(stub, client, amount):
    with pytest.raises(InvalidRequest):
        await client.refund(replace(REFUND, amount_paise=amount))

    assert stub.calls == []


async def test_limits_themselves_are_accepted(stub, client):
    stub.says(answer(200, CREATED))
    meta = {"udf1": "x" * 256, "udf11": "y" * 50}

    await client.create_payment(replace(PAYMENT, merchant_order_id="x" * 63, amount_paise=100, meta=meta))
    await client.create_payment(replace(PAYMENT, expire_after_s=300))
    await client.create_payment(replace(PAYMENT, expire_after_s=3600))

    assert len(stub.calls) == 3


def test_hosts_of_both_environments():
    sandbox, production = Hosts.of("sandbox"), Hosts.of("production")

    assert sandbox.pg == sandbox.oauth == "https://api-preprod.phonepe.com/apis/pg-sandbox"
    assert production.pg == "https://api.phonepe.com/apis/pg"
    assert production.oauth == "https://api.phonepe.com/apis/identity-manager"


@pytest.mark.parametrize("bad", ["", "api.phonepe.com", "ftp://x", None])
def test_hosts_that_are_no_address_are_refused(bad):
    with pytest.raises(Misconfigured):
        Hosts(pg=bad, oauth="https://x")
    with pytest.raises(Misconfigured):
        Hosts(pg="https://x", oauth=bad)
    with pytest.raises(Misconfigured):
        Hosts.of("UAT")


async def test_token_and_calls_go_to_their_own_hosts(stub, make_client):
    stub.says(answer(200, {"state": "PENDING"}))
    client = make_client(hosts=Hosts(pg=f"{stub.base}/pg/", oauth=f"{stub.base}/identity-manager/"))

    await client.order_status("ORD-1")

    assert stub.token_calls[0].path == "/apis/pg-sandbox/identity-manager/v1/oauth/token"
    assert stub.calls[0].path == "/apis/pg-sandbox/pg/checkout/v2/order/ORD-1/status"


@pytest.mark.parametrize("missing", [("", "s", "1"), ("c", "", "1"), ("c", "s", "")])
async def test_missing_credentials_are_named_and_nothing_is_sent(stub, make_client, missing):
    client = make_client(credentials=Credentials(*missing))

    with pytest.raises(Misconfigured, match=r"client_(id|secret|version) is empty") as caught:
        await client.create_payment(PAYMENT)

    assert caught.value.sent is False
    assert (stub.calls, stub.token_calls) == ([], [])
