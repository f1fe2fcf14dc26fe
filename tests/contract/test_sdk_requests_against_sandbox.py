"""What PhonePe's SDK 3.0.1 sends, byte for byte as captured (§11), must be taken by the emulator.

`make conformance` runs the SDK itself; this holds its requests where the SDK is not installed.
"""

import pytest

HEADERS = {
    "User-Agent": "python-requests/2.31.0",
    "Accept": "application/json",
    "x-source": "API",
    "x-source-version": "V2",
    "x-source-platform": "BACKEND_PYTHON_SDK",
    "x-source-platform-version": "3.0.1",
    "Content-Type": "application/json",
}
TOKEN = (
    b"client_id=SANDBOX_CLIENT&client_secret=sandbox-secret&grant_type=client_credentials&client_version=1"
)
PAY = (
    b'{"merchantOrderId": "ORD-1", "amount": 149900, "metaInfo": null, "paymentFlow": {"type": "PG_CHECKOUT",'
    b' "message": null, "merchantUrls": {"redirectUrl": "http://127.0.0.1/back/ORD-1"}, "paymentModeConfig":'
    b' null}, "expireAfter": 900, "disablePaymentRetry": null}'
)
SDK_ORDER = (
    b'{"merchantOrderId": "ORD-1", "amount": 149900, "metaInfo": null, "paymentFlow": {"type": "PG_CHECKOUT",'
    b' "message": null, "merchantUrls": {"redirectUrl": null}, "paymentModeConfig": null}, "constraints":'
    b' null, "expireAfter": null, "disablePaymentRetry": null}'
)
REFUND = b'{"merchantRefundId": "R-1", "amount": 149900, "originalMerchantOrderId": "ORD-1"}'


async def authorized(sandbox):
    form = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
    url = f"{sandbox.root}/apis/pg-sandbox/v1/oauth/token"
    async with sandbox.session.post(url, data=TOKEN, headers=form) as answer:
        token = await answer.json()
    return HEADERS | {"Authorization": f"{token['token_type']} {token['access_token']}"}


async def asked(sandbox, method, path, body=None):
    """The JSON of an answer that must be 200."""
    url = f"{sandbox.root}/apis/pg-sandbox{path}"
    headers = await authorized(sandbox)
    async with sandbox.session.request(method, url, data=body, headers=headers) as answer:
        assert answer.status == 200, (await answer.text(), answer.headers.get("X-Sandbox-Reason"))
        return await answer.json()


@pytest.mark.parametrize(
    ("path", "body", "given"),
    [
        ("/checkout/v2/pay", PAY, {"orderId", "state", "expireAt", "redirectUrl"}),
        ("/checkout/v2/sdk/order", SDK_ORDER, {"orderId", "state", "expireAt", "token"}),
    ],
)
async def test_order_with_the_nulls_of_the_sdk_is_taken(sandbox, path, body, given):
    answer = await asked(sandbox, "POST", path, body)

    assert set(answer) == given
    assert answer["state"] == "PENDING"


@pytest.mark.parametrize(
    ("asks", "attempts"), [("details=False", 1), ("details=True", 2), ("details=true", 2)]
)
async def test_booleans_of_python_are_read(sandbox, asks, attempts):
    await asked(sandbox, "POST", "/checkout/v2/pay", PAY)
    await sandbox.does("orders/ORD-1/outcome", outcome="retry")
    await sandbox.does("orders/ORD-1/outcome", outcome="success")

    status = await asked(sandbox, "GET", f"/checkout/v2/order/ORD-1/status?{asks}")

    assert (status["state"], len(status["paymentDetails"])) == ("COMPLETED", attempts)


async def test_refund_and_its_status_are_answered(sandbox):
    await asked(sandbox, "POST", "/checkout/v2/pay", PAY)
    await sandbox.does("orders/ORD-1/outcome", outcome="success")

    taken = await asked(sandbox, "POST", "/payments/v2/refund", REFUND)
    status = await asked(sandbox, "GET", "/payments/v2/refund/R-1/status")

    assert taken == {"refundId": status["refundId"], "amount": 149_900, "state": "PENDING"}
    assert status["originalMerchantOrderId"] == "ORD-1"
