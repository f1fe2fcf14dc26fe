"""The wire reference row by row, §4 to §7: what the client makes of each, over real HTTP.

Refusals and nonsense common to all calls stand in test_pg_answers; here is what the tables name.
"""

import json

import pytest

from phonepe_pg import Misconfigured, OutcomeUnknown, Rejected, UnknownOrder, UnknownRefund, read_webhook
from tests.phonepe_pg.real_bodies import COMPLETED, FAILED, PENDING
from tests.phonepe_pg.stub_gateway import PAYMENT, REFUND, answer

# §4.2: every mode of `paymentDetails[]`, and a rail and an instrument of each kind with all of their keys.
MODES = [
    *("UPI_INTENT", "UPI_COLLECT", "UPI_QR", "CARD", "NET_BANKING"),
    *("TOKEN", "PPE_INTENT", "UPI_AUTO_PAY", "WALLET", "EMI", "SOMETHING_NEW"),
]
RAILS = [
    {"type": "UPI", "utr": "455069731511", "upiTransactionId": "YBL369f", "vpa": "12****78@ybl"},
    {"type": "PG", "transactionId": "1", "authorizationCode": "2", "serviceTransactionId": "3"},
    {"type": "PPI_WALLET"},
    {"type": "PPI_EGV"},
    {"type": "NEW_RAIL", "x": [1]},
]
BANK = {"bankTransactionId": "1", "bankId": "SBIN", "brn": "2", "arn": "3"}
INSTRUMENTS = [
    {
        "type": "ACCOUNT",
        "maskedAccountNumber": "**1",
        "ifsc": "S",
        "accountHolderName": "J",
        "accountType": "X",
    },
    {
        "type": "CREDIT_CARD",
        **BANK,
        "geoScope": "DOMESTIC",
        "cardNetwork": "VISA",
        "maskedCardNumber": "4***",
    },
    {"type": "DEBIT_CARD", **BANK},
    {"type": "NET_BANKING", **BANK},
    {"type": "WALLET", "walletId": "W"},
    {"type": "EGV", "cardNumber": "6", "programId": "P"},
    {"type": "CREDIT_LINE", "maskedAccountNumber": "**1", "bankId": "B", "providerAccountType": "T"},
    {"type": "NEW_INSTRUMENT", "x": None},
]

# §7.3: errorCode → the detailed codes that the table maps to it.
FAILURES = {
    "TXN_NOT_COMPLETED": ("TXN_AUTO_FAILED", "ORDER_EXPIRED", "REQUEST_TIME_OUT", "U69"),
    "TXN_AUTO_FAILED": ("TIMED_OUT",),
    "TXN_CANCELLED": ("ORDER_CANCELLED_BY_USER", "ZA", "REQUEST_DECLINE_BY_REQUESTEE"),
    "INSUFFICIENT_BALANCE": ("Z9", "IE", "INSUFFICIENT_FUNDS"),
    "INVALID_MPIN": ("ZM",),
    "MPIN_LIMIT_BREACHED": ("Z6",),
    "MPIN_NOT_SET": ("AM",),
    "BANK_TECHNICAL_ISSUE": ("U90", "UT", "U28", "XB", "XY", "S96"),
    "BANK_NOT_ABLE_TO_PROCESS": ("XT", "IR"),
    "TXN_FREQ_LIMIT_BREACHED": ("Z7",),
    "TXN_LIMIT_BREACHED": ("Z8", "U03", "ZU"),
    "TXN_BLOCKED": ("K1", "XP", "U16_NPCI_TXNRISK_1", "INTERNAL_SECURITY_BLOCK_1", "BF_1", "BL_1", "CR_016"),
    "ACCOUNT_NOT_ELIGIBLE": ("B3",),
    "ACCOUNT_BLOCKED": ("YE",),
    "ACCOUNT_DOES_NOT_EXIST": ("XH",),
    "ACCOUNT_INACTIVE": ("ZX", "SD"),
    "TXN_NOT_ALLOWED": ("B1", "YC", "U54", "SA", "ZG"),
    "INVALID_VPA": ("ZH",),
    "REQUEST_NOT_FOUND": ("NO",),
    "INVALID_REQUEST": ("T14",),
    "DEVICE_FINGERPRINT_MISMATCH": ("U66",),
    "TECHNICAL_ISSUE": ("U80", "U86"),
    "REFUND_BREACHED": ("BF_034",),
    "VALIDATION_ERROR": ("ZD",),
    "SERVER_ERROR": ("NPCI_SERVER_ERROR",),
    "OTHERS": ("PG_ERROR",),
    "AUTHORIZATION_FAILED": ("AUTHORIZATION_FAILED",),
    "AUTHORIZATION_ERROR": ("ZM",),
    "PAYMENT_ERROR": ("XC",),
    "TXN_STATUS_AWAITED": ("TXN_STATUS_AWAITED",),
    "PENDING": ("PENDING",),
    "SUCCESS": ("SUCCESS",),
}
PAIRS = [(code, detailed) for code, all_detailed in FAILURES.items() for detailed in all_detailed]


@pytest.mark.parametrize("mode", MODES)
async def test_4_2_every_payment_mode_is_told_as_it_is(stub, client, mode):
    paid = {"transactionId": "OM1", "paymentMode": mode, "state": "COMPLETED", "amount": 1000}
    stub.says(answer(200, COMPLETED | {"paymentDetails": [paid]}))

    status = await client.order_status("ORD-1")

    assert (status.completed, status.paid_attempt.payment_mode) == (True, mode)


@pytest.mark.parametrize("rail", RAILS, ids=lambda rail: rail["type"])
@pytest.mark.parametrize("instrument", INSTRUMENTS, ids=lambda instrument: instrument["type"])
async def test_4_2_every_rail_and_instrument_is_kept_and_decides_nothing(stub, client, rail, instrument):
    part = {"amount": 1000, "rail": rail, "instrument": instrument}
    whole = {"transactionId": "OM1", "state": "COMPLETED", "rail": rail, "instrument": instrument}
    body = PENDING | {"paymentDetails": [whole | {"splitInstruments": [part]}]}
    stub.says(answer(200, body))

    status = await client.order_status("ORD-1")

    assert status.pending
    assert status.attempts[0].utr == rail.get("utr", "")
    assert status.raw == body


@pytest.mark.parametrize(
    "extra",
    [
        {"payableAmount": 1000, "feeAmount": None, "currency": "INR"},
        {"payableAmount": None, "feeAmount": 17},
        {"merchantId": "M1", "merchantOrderId": "ORD-1"},
        {"metaInfo": None, "paymentDetails": None, "errorContext": None},
        {"errorCode": "", "detailedErrorCode": ""},
        {"success": False},  # §7.1: never tested
    ],
    ids=repr,
)
async def test_4_2_optional_fields_change_nothing(stub, client, extra):
    stub.says(answer(200, COMPLETED | extra))

    status = await client.order_status("ORD-1")

    assert (status.completed, status.amount_paise, status.error_code) == (True, 1000, "")


@pytest.mark.parametrize(
    ("code", "detailed"),
    [
        ("TXN_NOT_COMPLETED", "ORDER_EXPIRED"),
        ("TXN_CANCELLED", "ORDER_CANCELLED_BY_USER"),
        ("TXN_NOT_COMPLETED", "TXN_AUTO_FAILED"),
    ],
)
async def test_4_3_failed_without_any_attempt(stub, client, code, detailed):
    context = {"errorCode": code, "detailedErrorCode": detailed, "source": "CUSTOMER", "stage": "UNKNOWN"}
    body = {"orderId": "OMO1", "state": "FAILED", "amount": 200, "paymentDetails": []}
    stub.says(
        answer(200, body | {"errorCode": code, "detailedErrorCode": detailed}),
        answer(200, body | {"errorContext": context}),
    )

    for status in (await client.order_status("ORD-1"), await client.order_status("ORD-1")):
        assert (status.failed, status.attempts, status.amount_paise) == (True, (), 200)
        assert (status.error_code, status.detailed_error_code) == (code, detailed)


@pytest.mark.parametrize("http_status", [400, 404, 417, 422])
@pytest.mark.parametrize(
    "code",
    ["INVALID_MERCHANT_ORDER_ID", "INVALID_TRANSACTION_ID", "TRANSACTION_NOT_FOUND", "ORDER_NOT_FOUND"],
)
async def test_4_4_unknown_order_by_its_code_on_any_4xx(stub, client, http_status, code):
    stub.says(answer(http_status, {"code": code, "message": "No entry found"}))

    with pytest.raises(UnknownOrder) as caught:
        await client.order_status("ORD-1")

    assert caught.value.code == code


@pytest.mark.parametrize("state", ["PENDING", "COMPLETED", "FAILED", "EXPIRED", "CREATED", "ON_HOLD"])
@pytest.mark.parametrize("attempts", [[], ["FAILED"], ["COMPLETED"], ["FAILED", "COMPLETED"]])
async def test_4_5_only_the_root_state_decides(stub, client, state, attempts):
    details = [{"transactionId": f"OM{n}", "state": told} for n, told in enumerate(attempts)]
    stub.says(answer(200, PENDING | {"state": state, "paymentDetails": details}))

    status = await client.order_status("ORD-1")

    decided = (state == "COMPLETED", state == "FAILED", state not in ("COMPLETED", "FAILED"))
    assert (status.completed, status.failed, status.pending) == decided
    assert [attempt.state for attempt in status.attempts] == attempts


@pytest.mark.parametrize(
    ("http_status", "code", "error"),
    [
        (400, "BAD_REQUEST", Rejected),
        (400, "REFUND_AMOUNT_EXCEEDS_ORIGINAL", Rejected),
        (401, "AUTHORIZATION_FAILED", Misconfigured),
        (402, "", Rejected),
        (403, "FORBIDDEN", Misconfigured),
        (400, "REFUND_FOR_TXN_OLDER_THAN_LIMIT", Rejected),
        (400, "REFUND_BREACHED", Rejected),
        (400, "EXCESS_REFUND_AMOUNT", Rejected),
        (400, "REFUND_NOT_ALLOWED", Rejected),
        (400, "INVALID_REFUND_REQUEST_FIELDS", Rejected),
        (400, "ORIGINAL_TXN_NOT_FOUND", Rejected),
        (409, "", OutcomeUnknown),
        (500, "INTERNAL_SERVER_ERROR", OutcomeUnknown),
        (500, "TIMED_OUT", OutcomeUnknown),
    ],
)
async def test_5_refund_that_is_refused(stub, client, http_status, code, error):
    stub.says(answer(http_status, {"success": False, "code": code}))

    with pytest.raises(error) as caught:
        await client.refund(REFUND)

    assert (type(caught.value), caught.value.code) == (error, code)


@pytest.mark.parametrize(
    ("http_status", "code", "error"),
    [
        *((status, "INVALID_MERCHANT_REFUND_ID", UnknownRefund) for status in (400, 404, 422)),
        (400, "INVALID_REFUND_ID", UnknownRefund),
        (400, "TRANSACTION_NOT_FOUND", UnknownRefund),
        (400, "ORIGINAL_TXN_NOT_FOUND", UnknownRefund),
        (409, "CONFLICT", Rejected),
    ],
)
async def test_5_2_refund_that_nobody_knows(stub, client, http_status, code, error):
    stub.says(answer(http_status, {"code": code}))

    with pytest.raises(Rejected) as caught:
        await client.refund_status("R-1")

    assert (type(caught.value), caught.value.code) == (error, code)


async def test_5_2_refund_status_as_it_is_printed(stub, client):
    part = {"amount": 1234, "rail": {"type": "UPI"}, "instrument": {"type": "ACCOUNT"}}
    detail = {
        "transactionId": "OMR7878098045517540996",
        "paymentMode": "UPI_QR",
        "timestamp": 1730869961754,
        "amount": 1234,
        "state": "COMPLETED",
        "rail": {"type": "UPI", "utr": "586756785"},
        "instrument": {"type": "ACCOUNT"},
        "splitInstruments": [part],
    }
    body = {
        "originalMerchantOrderId": "ORD-1",
        "refundId": "OMR7878098045517540996",
        "amount": 1234,
        "state": "COMPLETED",
        "timestamp": 1730869961754,
        "currency": "INR",
        "errorCode": "",
        "detailedErrorCode": "",
        "feesReversalAmount": 0,
        "adjustedDiscountAmount": None,
        "refundableAmount": 0,
        "merchantRefundId": "R-1",
        "paymentDetails": [detail],
    }
    stub.says(answer(200, body))

    status = await client.refund_status("R-1")

    assert (status.completed, status.amount_paise, status.error_code) == (True, 1234, "")
    assert (status.refund_id, status.original_merchant_order_id) == ("OMR7878098045517540996", "ORD-1")
    assert status.raw == body


@pytest.mark.parametrize("where", ["root", "details"])
async def test_5_2_failed_refund_says_why(stub, client, where):
    why = {"errorCode": "REFUND_BREACHED", "detailedErrorCode": "BF_034"}
    body = {"refundId": "OMR1", "amount": 1000, "state": "FAILED", "paymentDetails": [{"state": "FAILED"}]}
    stub.says(answer(200, body | (why if where == "root" else {"paymentDetails": [why]})))

    status = await client.refund_status("R-1")

    assert (status.failed, status.error_code, status.detailed_error_code) == (True, *why.values())


@pytest.mark.parametrize(
    ("event", "old", "state"),
    [
        ("checkout.order.completed", "CHECKOUT_ORDER_COMPLETED", "COMPLETED"),
        ("checkout.order.failed", "CHECKOUT_ORDER_FAILED", "FAILED"),
        ("checkout.transaction.attempt.failed", "CHECKOUT_TRANSACTION_ATTEMPT_FAILED", "PENDING"),
        ("pg.refund.accepted", "PG_REFUND_ACCEPTED", "CONFIRMED"),
        ("pg.refund.completed", "PG_REFUND_COMPLETED", "COMPLETED"),
        ("pg.refund.failed", "PG_REFUND_FAILED", "FAILED"),
        ("pg.order.completed", "", "COMPLETED"),
        ("subscription.paused", "", "ACTIVE"),
        ("settlement.processed", "", ""),
        ("order.split.settlement.done", "", ""),
    ],
)
def test_6_3_every_event_by_either_name(event, old, state):
    payload = {"merchantOrderId": "ORD-1", "state": state}

    new = read_webhook(json.dumps({"event": event, "type": old, "payload": payload}).encode())
    by_type = read_webhook(json.dumps({"type": old, "payload": payload}).encode())

    assert (new.event, new.merchant_order_id, new.state) == (event, "ORD-1", state)
    assert by_type.event == (event if old else "")


@pytest.mark.parametrize("wrapped", [True, False])
def test_6_4_failed_refund_without_its_own_id_is_known_by_the_gateways(wrapped):
    told = {"originalMerchantOrderId": "ORD-1", "refundId": "OMR1", "state": "FAILED", "amount": 1000}
    body = {"event": "pg.refund.failed", "payload": told} if wrapped else told

    webhook = read_webhook(json.dumps(body).encode())

    assert (webhook.merchant_refund_id, webhook.refund_id) == ("", "OMR1")
    assert (webhook.merchant_order_id, webhook.state) == ("ORD-1", "FAILED")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"success": False, "code": "C", "message": "m", "data": {}}, "C"),
        ({"code": "C", "message": "m"}, "C"),
        ({"code": "C", "errorCode": "E", "message": "m", "context": {"error_description": "d"}}, "E"),
        ({"errorCode": "PR000", "message": "Bad Request"}, "PR000"),
        ({"code": None, "errorCode": None, "message": None}, ""),
        ({"code": 404, "message": ["m"]}, "404"),
        (b"", ""),
        (b"<html>400</html>", ""),
        (b'"R999"', ""),
    ],
    ids=str,
)
async def test_7_1_code_out_of_every_shape_of_refusal(stub, client, body, code):
    stub.says(answer(422, body))

    for call in (client.create_payment(PAYMENT), client.order_status("ORD-1"), client.refund(REFUND)):
        with pytest.raises(Rejected) as caught:
            await call
        assert (type(caught.value), caught.value.code, caught.value.http_status) == (Rejected, code, 422)


@pytest.mark.parametrize(("code", "detailed"), PAIRS)
async def test_7_3_every_failure_code_is_told_and_decides_nothing(stub, client, code, detailed):
    why = {"errorCode": code, "detailedErrorCode": detailed}
    states = ("FAILED", "PENDING", "COMPLETED")
    stub.says(*(answer(200, FAILED | why | {"state": state}) for state in states))

    told = [await client.order_status("ORD-1") for _ in states]

    assert [(t.failed, t.pending, t.completed) for t in told] == [
        (True, False, False),
        (False, True, False),
        (False, False, True),
    ]
    assert {(t.error_code, t.detailed_error_code) for t in told} == {(code, detailed)}
