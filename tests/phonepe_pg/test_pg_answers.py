"""Every answer of §4–§7 over real HTTP: what it becomes."""

from datetime import UTC, datetime

import pytest

from phonepe_pg import (
    Malformed,
    Misconfigured,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    Unavailable,
    UnknownOrder,
    UnknownRefund,
)
from tests.phonepe_pg.real_bodies import (
    BAD_REQUEST,
    COMPLETED,
    CREATED,
    FAILED,
    HTML,
    NO_MAPPING,
    NO_MAPPING_404,
    PENDING,
    SERVER_ERROR,
    TOO_MANY,
    UNAUTHORIZED,
    UNKNOWN,
    USED,
)
from tests.phonepe_pg.stub_gateway import PAY_PAGE, PAYMENT, REFUND, answer

# http status, body, error of a read, the gateway's code
COMMON = [
    (400, BAD_REQUEST, Rejected, "BAD_REQUEST"),
    (400, {"errorCode": "PR000", "message": "Bad Request"}, Rejected, "PR000"),
    (400, NO_MAPPING, Misconfigured, ""),
    (400, NO_MAPPING_404, Misconfigured, "404"),
    (400, HTML, Rejected, ""),
    (400, b"", Rejected, ""),
    (401, UNAUTHORIZED, Misconfigured, "AUTHORIZATION_FAILED"),
    (401, {"errorCode": "PR004", "message": "Unauthorized"}, Misconfigured, "PR004"),
    (401, b"", Misconfigured, ""),
    (402, {"code": "NOT_ELIGIBLE"}, Rejected, "NOT_ELIGIBLE"),
    (403, {"code": "FORBIDDEN"}, Misconfigured, "FORBIDDEN"),
    (404, {"code": "KEY_NOT_CONFIGURED"}, Misconfigured, "KEY_NOT_CONFIGURED"),
    (404, b"not found", Misconfigured, ""),
    (408, b"", Unavailable, ""),
    (410, {"code": "GONE"}, Rejected, "GONE"),
    (422, {"code": "INVALID"}, Rejected, "INVALID"),
    (429, TOO_MANY, RateLimited, "TOO_MANY_REQUESTS"),
    (429, b"slow down", RateLimited, ""),
    (400, TOO_MANY, RateLimited, "TOO_MANY_REQUESTS"),
    (500, SERVER_ERROR, Unavailable, "INTERNAL_SERVER_ERROR"),
    (500, UNKNOWN, Unavailable, "INVALID_MERCHANT_ORDER_ID"),
    (502, HTML, Unavailable, ""),
    (503, b'"R999"', Unavailable, ""),
    (504, b"", Unavailable, ""),
    (302, b"", Unavailable, ""),
    (200, HTML, Malformed, ""),
    (200, b"", Malformed, ""),
    (200, b'"R999"', Malformed, ""),
    (200, b"null", Malformed, ""),
    (200, b"[]", Malformed, ""),
    (200, b'{"state":"PENDING"', Malformed, ""),
    (200, b"[" * 100_000, Malformed, ""),
    (200, b'{"state":"PENDING","x":' + b"[" * 400 + b"]" * 400 + b"}", Malformed, ""),
    (200, b'{"state":"PENDING","amount":' + b"9" * 5000 + b"}", Malformed, ""),
    (200, b'{"state":"PENDING","state":"COMPLETED"}', Malformed, ""),
    (200, b'{"state":"PENDING","x":"\xff"}', Malformed, ""),
    (200, b'{"state":"PENDING","x":"' + b"y" * 1_100_000 + b'"}', Malformed, ""),
    (200, {"code": "SUCCESS", "success": True}, Malformed, ""),
    (200, {"state": None}, Malformed, ""),
    (200, {"state": ""}, Malformed, ""),
    (200, {"state": 1}, Malformed, ""),
    (200, {"state": "PENDING", "amount": "100"}, Malformed, ""),
    (200, {"state": "PENDING", "amount": 100.0}, Malformed, ""),
    (200, {"state": "PENDING", "amount": True}, Malformed, ""),
    (200, {"state": "PENDING", "amount": -1}, Malformed, ""),
    (200, {"state": "PENDING", "amount": 2**63}, Malformed, ""),
    (204, b"", Malformed, ""),
]
STATUS_ONLY = [
    (400, UNKNOWN, UnknownOrder, "INVALID_MERCHANT_ORDER_ID"),
    (404, UNKNOWN, UnknownOrder, "INVALID_MERCHANT_ORDER_ID"),
    (417, UNKNOWN, UnknownOrder, "INVALID_MERCHANT_ORDER_ID"),
    (422, UNKNOWN, UnknownOrder, "INVALID_MERCHANT_ORDER_ID"),
    (400, {"code": "INVALID_TRANSACTION_ID"}, UnknownOrder, "INVALID_TRANSACTION_ID"),
    (404, {"code": "SOMETHING_ELSE"}, Rejected, "SOMETHING_ELSE"),
    (200, PENDING | {"merchantOrderId": "ORD-2"}, Malformed, ""),
]
REFUND_STATUS = [
    *(row for row in COMMON if row[:2] != (400, BAD_REQUEST)),
    (400, BAD_REQUEST, UnknownRefund, "BAD_REQUEST"),
    (404, {"code": "REFUND_NOT_FOUND"}, UnknownRefund, "REFUND_NOT_FOUND"),
    (404, {"code": "WHATEVER"}, UnknownRefund, "WHATEVER"),
    (400, {"code": "INVALID_TRANSACTION_ID"}, UnknownRefund, "INVALID_TRANSACTION_ID"),
    (200, {"state": "PENDING", "merchantRefundId": "R-2"}, Malformed, ""),
]
UNCERTAIN = (Unavailable, Malformed, RateLimited)
CREATES = [
    (status, body, OutcomeUnknown if error in UNCERTAIN else error, code)
    for status, body, error, code in COMMON
]
PAY = [
    # A pay answer holds no amount: whatever stands there is not looked at.
    *(row for row in CREATES if not (row[0] == 200 and isinstance(row[1], dict) and "amount" in row[1])),
    (417, USED, OutcomeUnknown, "INVALID_TRANSACTION_ID"),
    (417, UNKNOWN, OutcomeUnknown, "INVALID_MERCHANT_ORDER_ID"),
    (400, {"code": "ORDER_ALREADY_EXISTS"}, OutcomeUnknown, "ORDER_ALREADY_EXISTS"),
    (400, USED, OutcomeUnknown, "INVALID_TRANSACTION_ID"),
    (409, b"", OutcomeUnknown, ""),
    (200, {k: v for k, v in CREATED.items() if k != "redirectUrl"}, OutcomeUnknown, ""),
    (200, CREATED | {"redirectUrl": "javascript:alert(1)"}, OutcomeUnknown, ""),
    (200, CREATED | {"redirectUrl": "https://a b"}, OutcomeUnknown, ""),
    (200, CREATED | {"orderId": None}, OutcomeUnknown, ""),
]
REFUNDS = [
    *CREATES,
    (400, {"code": "REFUND_AMOUNT_EXCEEDS_ORIGINAL"}, Rejected, "REFUND_AMOUNT_EXCEEDS_ORIGINAL"),
    (400, {"code": "INVALID_MERCHANT_ORDER_ID"}, Rejected, "INVALID_MERCHANT_ORDER_ID"),
    (400, {"code": "DUPLICATE_REFUND_ID"}, OutcomeUnknown, "DUPLICATE_REFUND_ID"),
    (417, b"", OutcomeUnknown, ""),
]


async def refused(call, expected, code, status):
    with pytest.raises(expected) as caught:
        await call

    assert type(caught.value) is expected
    assert (caught.value.code, caught.value.http_status) == (code, status)
    assert caught.value.sent is True
    assert len(caught.value.body) <= 2_000


@pytest.mark.parametrize(("status", "body", "error", "code"), [*COMMON, *STATUS_ONLY])
async def test_order_status_when_refused_or_senseless(stub, client, status, body, error, code):
    stub.says(answer(status, body))

    await refused(client.order_status("ORD-1"), error, code, status)


@pytest.mark.parametrize(("status", "body", "error", "code"), REFUND_STATUS)
async def test_refund_status_when_refused_or_senseless(stub, client, status, body, error, code):
    stub.says(answer(status, body))

    await refused(client.refund_status("R-1"), error, code, status)


@pytest.mark.parametrize(("status", "body", "error", "code"), PAY)
async def test_create_payment_when_refused_or_senseless(stub, client, status, body, error, code):
    stub.says(answer(status, body))

    await refused(client.create_payment(PAYMENT), error, code, status)
    assert len(stub.calls) == (2 if status == 401 else 1)


@pytest.mark.parametrize(("status", "body", "error", "code"), REFUNDS)
async def test_refund_when_refused_or_senseless(stub, client, status, body, error, code):
    stub.says(answer(status, body))

    await refused(client.refund(REFUND), error, code, status)
    assert len(stub.calls) == (2 if status == 401 else 1)


@pytest.mark.parametrize(
    ("body", "error"), [(b"{", Malformed), (b'{"code":"TOO_MANY_REQUESTS"}', RateLimited)]
)
async def test_outcome_unknown_keeps_its_cause(stub, client, body, error):
    stub.says(answer(200 if error is Malformed else 429, body, Retry_After="7"))

    with pytest.raises(OutcomeUnknown) as caught:
        await client.refund(REFUND)

    assert type(caught.value.__cause__) is error
    assert getattr(caught.value.__cause__, "retry_after", 7) == 7


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry_After": "12"}, 12.0),
        ({"Retry_After": "0"}, 0.0),
        ({"Retry_After": "99999999999999"}, 86_400.0),
        ({"Retry_After": "soon"}, None),
        ({"Retry_After": "-5"}, None),
        (
            {"Date": "Wed, 21 Oct 2015 07:28:00 GMT", "Retry_After": "Wed, 21 Oct 2015 07:28:30 GMT"},
            30.0,
        ),
        ({"Date": "Wed, 21 Oct 2015 07:28:00 GMT", "Retry_After": "Wed, 21 Oct 2015 07:00:00 GMT"}, 0.0),
        ({"Retry_After": "Wed, 21 Oct 9999999 07:00:00 GMT"}, None),
    ],
)
async def test_retry_after_in_seconds_or_as_a_date(stub, client, headers, seconds):
    stub.says(answer(429, TOO_MANY, **headers))

    with pytest.raises(RateLimited) as caught:
        await client.order_status("ORD-1")

    assert caught.value.retry_after == seconds


async def test_order_status_pending(stub, client):
    stub.says(answer(200, PENDING))

    status = await client.order_status("ORD-1")

    assert (status.pending, status.completed, status.failed) == (True, False, False)
    assert (status.order_id, status.amount_paise, status.attempts) == ("OMO2407111821482103732111", 100, ())
    assert status.expire_at == datetime(2024, 7, 11, 13, 1, 48, 208000, UTC)
    assert status.raw == PENDING


async def test_order_status_completed_after_a_failed_attempt(stub, client):
    stub.says(answer(200, COMPLETED))

    status = await client.order_status("ORD-1")

    assert (status.completed, status.amount_paise, status.error_code) == (True, 1000, "")
    assert [attempt.state for attempt in status.attempts] == ["FAILED", "COMPLETED"]
    paid = status.paid_attempt
    assert (paid.transaction_id, paid.payment_mode, paid.utr, paid.amount_paise) == (
        "OM2403282020198651071949",
        "UPI_QR",
        "455069731511",
        1000,
    )
    assert paid.at == datetime(2024, 3, 29, 6, 44, 22, 542000, UTC)


async def test_order_status_failed_tells_why(stub, client):
    stub.says(answer(200, FAILED))

    status = await client.order_status("ORD-1")

    assert (status.failed, status.error_code, status.detailed_error_code) == (True, "INVALID_MPIN", "ZM")
    assert status.paid_attempt is None


@pytest.mark.parametrize("state", ["EXPIRED", "CREATED", "completed", "SUCCESS", "COMPLETED "])
async def test_order_status_of_unknown_state_is_not_terminal(stub, client, state):
    stub.says(answer(200, COMPLETED | {"state": state}))

    status = await client.order_status("ORD-1")

    assert (status.pending, status.completed, status.failed, status.paid_attempt) == (
        True,
        False,
        False,
        None,
    )
    assert status.strange is (state not in ("EXPIRED", "CREATED"))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"errorCode": None, "detailedErrorCode": ""}, ("INVALID_MPIN", "")),
        ({"errorCode": None, "errorContext": None}, ("INVALID_MPIN", "ZM")),
        ({"errorCode": 17, "paymentDetails": {}, "errorContext": []}, ("17", "ZM")),
        ({"errorCode": [], "paymentDetails": [None, 3, []], "errorContext": "x"}, ("", "ZM")),
    ],
)
async def test_error_codes_from_wherever_they_stand(stub, client, change, expected):
    stub.says(answer(200, FAILED | change))

    status = await client.order_status("ORD-1")

    assert (status.error_code, status.detailed_error_code) == expected


async def test_nonsense_in_fields_that_do_not_decide_is_dropped(stub, client):
    details = [{"transactionId": {}, "paymentMode": "WALLET", "timestamp": 10**30, "amount": "x", "rail": []}]
    extra = {
        "expireAt": "soon",
        "paymentDetails": details,
        "new": {"deep": [1, None, True]},
        "feeAmount": None,
    }
    stub.says(answer(200, PENDING | extra))

    status = await client.order_status("ORD-1")

    (attempt,) = status.attempts
    assert (status.pending, status.expire_at) == (True, None)
    assert (attempt.transaction_id, attempt.payment_mode, attempt.at, attempt.amount_paise, attempt.utr) == (
        "",
        "WALLET",
        None,
        None,
        "",
    )


async def test_what_no_database_can_store_is_taken_out_of_raw(stub, client):
    stub.says(
        answer(200, b'{"state":"PENDING","a":NaN,"b":1e999,"c":"x\\u0000y","d":"\\ud800","e":[-Infinity]}')
    )

    status = await client.order_status("ORD-1")

    assert status.raw == {"state": "PENDING", "a": None, "b": None, "c": "x\ufffdy", "d": "?", "e": [None]}


async def test_utr_of_a_split_payment(stub, client):
    split = {
        "state": "COMPLETED",
        "splitInstruments": [{"rail": None}, {"rail": {"type": "UPI", "utr": "77"}}],
    }
    stub.says(answer(200, COMPLETED | {"paymentDetails": [split]}))

    assert (await client.order_status("ORD-1")).paid_attempt.utr == "77"


async def test_create_payment_gives_the_pay_page(stub, client):
    stub.says(answer(200, CREATED | {"new": 1}))

    created = await client.create_payment(PAYMENT)

    assert (created.order_id, created.state, created.redirect_url) == ("OMO1", "PENDING", PAY_PAGE)
    assert created.expire_at == datetime(2024, 3, 31, 6, 44, 22, 542000, UTC)
    assert created.raw == CREATED | {"new": 1, "redirectUrl": "***"}


@pytest.mark.parametrize("state", ["PENDING", "CONFIRMED", "CREATED", "COMPLETED", "FAILED"])
async def test_refund_and_its_status(stub, client, state):
    body = {"refundId": "OMR7878098045517540996", "amount": 1000, "state": state, "errorCode": ""}
    stub.says(answer(200, body), answer(200, body | {"originalMerchantOrderId": "ORD-1", "errorCode": "X"}))

    given, status = await client.refund(REFUND), await client.refund_status("R-1")

    assert (given.refund_id, given.amount_paise, given.state) == ("OMR7878098045517540996", 1000, state)
    assert (given.completed, given.failed) == (state == "COMPLETED", state == "FAILED")
    assert given.pending is (state not in ("COMPLETED", "FAILED"))
    assert (status.original_merchant_order_id, status.error_code) == ("ORD-1", "X")
