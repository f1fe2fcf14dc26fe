"""Order and transaction status (§4)."""

import pytest

NOW_MS = 1_800_000_000_000
EXPIRED = ("FAILED", "TXN_NOT_COMPLETED", "ORDER_EXPIRED")


def ending(body):
    return body["state"], body.get("errorCode"), body.get("detailedErrorCode")


async def test_status_when_nobody_tried_then_pending_without_attempts(merchant):
    created = await merchant.pay(metaInfo={"udf1": "invoice 77"})

    reply = await merchant.status(query="?details=true&errorContext=true")

    assert (reply.status, reply.body) == (
        200,
        {
            "orderId": created.body["orderId"],
            "state": "PENDING",
            "amount": 149_900,
            "expireAt": NOW_MS + 900_000,
            "metaInfo": {"udf1": "invoice 77"},
            "paymentDetails": [],
        },
    )


async def test_status_when_paid_by_upi_then_completed_with_rail_and_instrument(merchant):
    created = await merchant.pay()
    await merchant.customer("success")

    body = (await merchant.status()).body

    [attempt] = body.pop("paymentDetails")
    rail = {"type": "UPI", "vpa": "12****78@ybl"}
    rail |= {name: attempt["rail"][name] for name in ("utr", "upiTransactionId")}
    instrument = {
        "type": "ACCOUNT",
        "maskedAccountNumber": "******1234",
        "accountType": "SAVINGS",
        "accountHolderName": "John Doe",
    }
    assert body == {
        "orderId": created.body["orderId"],
        "state": "COMPLETED",
        "amount": 149_900,
        "payableAmount": 149_900,
        "feeAmount": 0,
        "expireAt": NOW_MS + 900_000,
        "metaInfo": {},
    }
    assert attempt == {
        "transactionId": attempt["transactionId"],
        "paymentMode": "UPI_QR",
        "timestamp": NOW_MS,
        "amount": 149_900,
        "payableAmount": 149_900,
        "feeAmount": 0,
        "state": "COMPLETED",
        "rail": rail,
        "instrument": instrument,
        "splitInstruments": [{"amount": 149_900, "rail": rail, "instrument": instrument}],
    }
    assert (len(rail["utr"]), attempt["transactionId"][:8]) == (12, "OM270115")


@pytest.mark.parametrize(
    ("mode", "rail", "instrument"),
    [
        ("UPI_INTENT", "UPI", "ACCOUNT"),
        ("UPI_COLLECT", "UPI", "ACCOUNT"),
        ("CARD", "PG", "CREDIT_CARD"),
        ("NET_BANKING", "PG", "NET_BANKING"),
    ],
)
async def test_status_when_paid_otherwise_then_rail_and_instrument_fit(merchant, mode, rail, instrument):
    await merchant.pay()
    await merchant.customer("success", paymentMode=mode)

    [attempt] = (await merchant.status()).body["paymentDetails"]

    assert (attempt["paymentMode"], attempt["rail"]["type"], attempt["instrument"]["type"]) == (
        mode,
        rail,
        instrument,
    )


async def test_status_when_failed_then_error_context_only_on_request(merchant):
    await merchant.pay()
    await merchant.customer("failure")

    plain = (await merchant.status(query="?errorContext=false")).body
    full = (await merchant.status(query="?errorContext=TRUE")).body

    context = full.pop("errorContext")
    assert ending(plain) == ("FAILED", "TXN_NOT_COMPLETED", "TXN_AUTO_FAILED")
    assert full == plain
    assert context == {
        "errorCode": "TXN_NOT_COMPLETED",
        "detailedErrorCode": "TXN_AUTO_FAILED",
        "source": "OTHERS",
        "stage": "AUTHORIZATION",
        "description": "Payment failed at the bank",
    }


async def test_status_when_cancelled_on_the_page_then_failed_without_attempts(merchant):
    await merchant.pay()
    await merchant.customer("cancel")

    body = (await merchant.status()).body

    assert ending(body) == ("FAILED", "TXN_CANCELLED", "ORDER_CANCELLED_BY_USER")
    assert body["paymentDetails"] == []


@pytest.mark.parametrize(
    ("query", "states"),
    [
        ("", ["COMPLETED"]),
        ("?details=False", ["COMPLETED"]),
        ("?details=true", ["FAILED", "COMPLETED"]),
        ("?details=True", ["FAILED", "COMPLETED"]),
    ],
)
async def test_status_when_a_second_attempt_succeeded_then_details_shows_both(merchant, query, states):
    await merchant.pay()
    await merchant.customer("retry")
    between = ending((await merchant.status()).body)
    await merchant.customer("success")

    body = (await merchant.status(query=query)).body

    assert between == ("PENDING", None, None)
    assert [attempt["state"] for attempt in body["paymentDetails"]] == states
    assert body["state"] == "COMPLETED"


async def test_status_when_the_bank_is_silent_then_pending_and_the_same_attempt_ends_later(merchant):
    await merchant.pay()
    await merchant.customer("pending")
    waiting = (await merchant.status(query="?details=true")).body
    await merchant.customer("success")

    done = (await merchant.status(query="?details=true")).body

    assert [a["state"] for a in waiting["paymentDetails"]] == ["PENDING"]
    assert [a["state"] for a in done["paymentDetails"]] == ["COMPLETED"]
    assert waiting["paymentDetails"][0]["transactionId"] == done["paymentDetails"][0]["transactionId"]


async def test_status_when_retry_is_disabled_then_the_first_failure_is_the_last(merchant):
    await merchant.pay(disablePaymentRetry=True)

    await merchant.customer("retry")

    assert (await merchant.status()).body["state"] == "FAILED"


async def test_status_when_the_time_is_over_then_expired_to_the_millisecond(merchant):
    await merchant.pay(expireAfter=300)
    await merchant.advance(299.999)
    before = (await merchant.status()).body
    await merchant.advance(0.001)

    after = (await merchant.status()).body

    assert [ending(before), ending(after)] == [("PENDING", None, None), EXPIRED]
    assert after["paymentDetails"] == []


async def test_status_when_expired_with_a_pending_attempt_then_that_failed_too(merchant):
    await merchant.pay(expireAfter=300)
    await merchant.customer("pending")

    await merchant.advance(300)

    body = (await merchant.status()).body
    assert [ending(body), ending(body["paymentDetails"][0])] == [EXPIRED, EXPIRED]


async def test_status_when_paid_in_time_then_expiry_changes_nothing(merchant):
    await merchant.pay(expireAfter=300)
    await merchant.customer("success")
    before = await merchant.status()

    await merchant.advance(301)

    assert (await merchant.status()).body == before.body


@pytest.mark.parametrize("status", [400, 404])
async def test_status_when_the_order_is_unknown_then_its_code(merchant, status):
    await merchant.switch(unknown_status=status)

    reply = await merchant.status("NOBODY")

    assert (reply.status, reply.body) == (
        status,
        {"code": "INVALID_MERCHANT_ORDER_ID", "message": "No entry found for given merchant order id"},
    )


async def test_transaction_status_shows_the_order_with_that_attempt(merchant):
    await merchant.pay()
    await merchant.customer("retry")
    await merchant.customer("success")
    first, _ = (await merchant.status(query="?details=true")).body["paymentDetails"]

    reply = await merchant.api("GET", f"/checkout/v2/transaction/{first['transactionId']}/status")

    assert (reply.body["state"], reply.body["paymentDetails"]) == ("COMPLETED", [first])


async def test_transaction_status_when_unknown_then_its_code(merchant):
    reply = await merchant.api("GET", "/checkout/v2/transaction/OM1/status")

    assert (reply.status, reply.body["code"]) == (400, "INVALID_TRANSACTION_ID")
