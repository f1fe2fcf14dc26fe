"""Bodies as PhonePe writes them: answers (§2-§5), errors (§7) and webhooks (§6.4)."""

import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass, field
from typing import Any

from phonepe_sandbox.entries import Attempt, Event, Json, Order, Refund
from phonepe_sandbox.settings import Settings
from phonepe_sandbox.tokens import Token


@dataclass(slots=True)
class Answer:
    """An HTTP answer in the making; `body` is JSON unless `raw` is set."""

    status: int
    body: Any = None
    raw: bytes | None = None
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)

    def encoded(self) -> bytes:
        if self.raw is not None:
            return self.raw
        return json.dumps(self.body, separators=(",", ":")).encode()


# -- errors (§7) --------------------------------------------------------------------------

DUPLICATE_STATUS = {
    "BAD_REQUEST": 400,
    "ORDER_ALREADY_EXISTS": 400,
    "INVALID_TRANSACTION_ID": 417,
    "INVALID_MERCHANT_ORDER_ID": 417,
}


INPUTS = "Please check the inputs you have provided."


def bad_request(reason: str) -> Answer:
    """§3.4. PhonePe's body does not say why; a header of ours does, out of the wire format's way."""
    body = {"code": "BAD_REQUEST", "message": INPUTS}
    # A header takes no line break and latin-1 only, and the reason may quote what was sent.
    plain = reason.encode("ascii", "backslashreplace").decode()
    return Answer(
        400, body, headers={"X-Sandbox-Reason": "".join(c if c.isprintable() else "?" for c in plain)[:300]}
    )


def duplicate_order(settings: Settings) -> Answer:
    """§10.1: four readings of one event."""
    code = settings.duplicate_answer
    if code == "BAD_REQUEST":
        return bad_request("merchantOrderId was used before")
    body = {"success": False, "code": code, "message": "Order ID has already been used"}
    return Answer(DUPLICATE_STATUS[code], body)


def mapping_not_found() -> Answer:
    """§2.4: wrong path, method or content type."""
    return Answer(400, {"message": "Bad Request - Api Mapping Not Found"})


def gateway_refusal() -> Answer:
    """§2.4: refused before the service saw it."""
    return Answer(400, {"errorCode": "PR000", "message": "Bad Request"})


def invalid_client(settings: Settings) -> Answer:
    """§2.4, §10.17."""
    body = {
        "code": "INVALID_CLIENT",
        "errorCode": "OIM000",
        "message": f"Bad Request: Invalid Client, trackingId: {secrets.token_hex(3)[:5]}",
        "context": {"error_description": "Client authentication failure"},
    }
    return Answer(settings.bad_client_status, body)


def refused(status: int, code: str, shape: str) -> Answer:
    """A refusal in any of the shapes of §7.1: PG service, auth service, API gateway."""
    match shape:
        case "auth":
            names = {"code": code, "errorCode": code, "message": f"{code}: {INPUTS}", "context": {}}
            return Answer(status, names)
        case "gateway":
            return Answer(status, {"errorCode": code, "message": GATEWAY_TEXT.get(status, "Bad Request")})
        case "mapping":
            return Answer(status, mapping_not_found().body)
        case _:
            return Answer(status, {"success": False, "code": code, "message": INPUTS, "data": {}})


GATEWAY_TEXT = {401: "Unauthorized", 403: "Forbidden", 404: "Not Found"}


def authorization_failed() -> Answer:
    """§7.2."""
    text = "Authorization failed [message = Please check the authorization token and try again]"
    return Answer(401, {"success": False, "code": "AUTHORIZATION_FAILED", "message": text, "data": {}})


def too_many_requests(retry_after: int | None = None) -> Answer:
    """§7.2; Retry-After is not documented, so it is sent only on request."""
    body = {
        "success": False,
        "code": "TOO_MANY_REQUESTS",
        "message": "Too many requests. Please try again.",
        "data": {},
    }
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return Answer(429, body, headers=headers)


def server_error(status: int = 500) -> Answer:
    """§3.4."""
    text = "There is an error trying to process your transaction at the moment. Please try again in a while."
    return Answer(status, {"code": "INTERNAL_SERVER_ERROR", "message": text})


def unknown_order(settings: Settings) -> Answer:
    """§4.4, §10.2."""
    text = "No entry found for given merchant order id"
    return Answer(settings.unknown_status, {"code": settings.unknown_order_code, "message": text})


def unknown_transaction(settings: Settings) -> Answer:
    """By analogy with §4.4; the code is the one §7.2 knows."""
    text = "No entry found for given transaction id"
    return Answer(settings.unknown_status, {"code": "INVALID_TRANSACTION_ID", "message": text})


def unknown_refund(settings: Settings) -> Answer:
    """Undocumented (§5.2): a 4xx and a code, by analogy with §4.4."""
    text = "No entry found for given merchant refund id"
    return Answer(settings.unknown_status, {"code": "INVALID_MERCHANT_REFUND_ID", "message": text})


# -- answers ------------------------------------------------------------------------------


def token(issued: Token, settings: Settings) -> Answer:
    """§2.2: seconds, and both issued_at and expires_at, which the SDK needs."""
    body: Json = {
        "access_token": issued.value,
        "encrypted_access_token": issued.value,
        "expires_in": issued.expires_at - issued.issued_at,
        "issued_at": issued.issued_at,
        "expires_at": issued.expires_at,
        "session_expires_at": issued.expires_at,
        "token_type": "O-Bearer",
    }
    if settings.expires_in == "zero":
        body["expires_in"] = 0
    elif settings.expires_in == "absent":
        del body["expires_in"]
    return Answer(200, body)


def created(order: Order, settings: Settings, *, pay_page: str | None) -> Answer:
    """§3.3; without a pay page it is the answer to the mobile SDK's create-order call (§1)."""
    body = {
        "orderId": order.order_id,
        "state": order.state,
        settings.expire_at_name: order.expire_at_ms,
    }
    link = {"token": order.page_token} if pay_page is None else {"redirectUrl": pay_page}
    return Answer(200, body | link)


def test_state(order: Order) -> str:
    """§10.19: the states that only test payloads hold."""
    if order.state == "PENDING" and not order.attempts:
        return "CREATED"
    expired = order.failure is not None and order.failure.detailed_error_code == "ORDER_EXPIRED"
    return "EXPIRED" if expired else order.state


def order_status(order: Order, attempts: list[Attempt], *, error_context: bool = False) -> Json:
    """§4.2, §4.3; `attempts` are those to show."""
    body: Json = {"orderId": order.order_id, "state": order.state, "amount": order.told_amount}
    if order.state == "COMPLETED":
        body |= {"payableAmount": order.told_amount, "feeAmount": 0}
    body["expireAt"] = order.expire_at_ms
    if order.failure is not None:
        body["errorCode"] = order.failure.error_code
        body["detailedErrorCode"] = order.failure.detailed_error_code
    body["metaInfo"] = order.meta_info
    body["paymentDetails"] = [payment_detail(attempt) for attempt in attempts]
    if order.failure is not None and error_context:
        body["errorContext"] = {
            "errorCode": order.failure.error_code,
            "detailedErrorCode": order.failure.detailed_error_code,
            "source": order.failure.source,
            "stage": order.failure.stage,
            "description": order.failure.description,
        }
    return body


def payment_detail(attempt: Attempt) -> Json:
    """One of `paymentDetails` (§4.2); rail and instrument are known once the money moved."""
    detail: Json = {
        "transactionId": attempt.transaction_id,
        "paymentMode": attempt.payment_mode,
        "timestamp": attempt.timestamp_ms,
        "amount": attempt.amount,
    }
    if attempt.state == "COMPLETED":
        rail, instrument = _rail(attempt), _instrument(attempt)
        split = {"amount": attempt.amount, "rail": rail, "instrument": instrument}
        detail |= {"payableAmount": attempt.amount, "feeAmount": 0, "state": attempt.state}
        return detail | {"rail": rail, "instrument": instrument, "splitInstruments": [split]}
    detail["state"] = attempt.state
    if attempt.failure is not None:
        detail["errorCode"] = attempt.failure.error_code
        detail["detailedErrorCode"] = attempt.failure.detailed_error_code
    return detail


def _rail(attempt: Attempt) -> Json:
    if attempt.payment_mode.startswith("UPI"):
        return {
            "type": "UPI",
            "utr": attempt.utr,
            "upiTransactionId": attempt.upi_transaction_id,
            "vpa": "12****78@ybl",
        }
    if attempt.payment_mode == "WALLET":
        return {"type": "PPI_WALLET"}
    return {
        "type": "PG",
        "transactionId": attempt.utr,
        "authorizationCode": attempt.utr[:6],
        "serviceTransactionId": f"PG{attempt.utr}",
    }


def _instrument(attempt: Attempt) -> Json:
    bank = {
        "bankTransactionId": attempt.utr,
        "bankId": "SBIN",
        "brn": f"B{attempt.utr[:8]}",
        "arn": attempt.utr,
    }
    if attempt.payment_mode == "CARD":
        return {"type": attempt.card, **bank}
    if attempt.payment_mode.endswith("NET_BANKING"):
        return {"type": "NET_BANKING", **bank}
    if attempt.payment_mode == "WALLET":
        return {"type": "WALLET", "walletId": f"W{attempt.utr}"}
    if attempt.payment_mode == "EMI":
        return {"type": "CREDIT_CARD", **bank}
    return {
        "type": "ACCOUNT",
        "maskedAccountNumber": "******1234",
        "accountType": "SAVINGS",
        "accountHolderName": "John Doe",
    }


def refund_accepted(refund: Refund) -> Answer:
    """§5.1."""
    return Answer(200, {"refundId": refund.refund_id, "amount": refund.amount, "state": refund.state})


def refund_status(refund: Refund, state: str) -> Json:
    """§5.2."""
    body: Json = {
        "originalMerchantOrderId": refund.merchant_order_id,
        "refundId": refund.refund_id,
        "amount": refund.amount,
        "state": state,
        "timestamp": refund.timestamp_ms,
        "currency": "INR",
        "paymentDetails": [_refund_detail(refund, state)],
    }
    if state == "FAILED":
        body |= {"errorCode": "REFUND_BREACHED", "detailedErrorCode": "BF_034"}
    return body


def _refund_detail(refund: Refund, state: str) -> Json:
    rail: Json = {"type": "UPI" if refund.payment_mode.startswith("UPI") else "PG"}
    if state == "COMPLETED" and rail["type"] == "UPI":
        rail["utr"] = refund.utr
    instrument = {"type": "ACCOUNT"}
    return {
        "transactionId": refund.refund_id,
        "paymentMode": refund.payment_mode,
        "timestamp": refund.timestamp_ms,
        "amount": refund.amount,
        "state": state,
        "rail": rail,
        "instrument": instrument,
        "splitInstruments": [{"amount": refund.amount, "rail": rail, "instrument": instrument}],
    }


# -- webhooks (§6) ------------------------------------------------------------------------


def webhook_credential(username: str, password: str) -> str:
    """The constant Authorization header of SHA mode: bare lower-case hex (§6.2)."""
    return hashlib.sha256(f"{username}:{password}".encode()).hexdigest()


def webhook_headers(body: bytes, settings: Settings, *, hmac_mode: bool, genuine: bool) -> dict[str, str]:
    """What makes a callback believable (§6.2), or fails to."""
    if hmac_mode or settings.webhook_auth == "HMAC":
        secret = settings.webhook_hmac_secret if genuine else "somebody-elses-secret"
        signature = hmac.digest(secret.encode(), body, hashlib.sha256).hex()
        return {
            "x-phonepe-checksum-signature": signature,
            "x-phonepe-checksum-key-id": settings.webhook_hmac_key_id,
        }
    pair = (settings.webhook_username, settings.webhook_password) if genuine else ("somebody", "else12345")
    credential = webhook_credential(*pair)
    forms = {"hex": credential, "prefixed": f"SHA256 {credential}", "upper": credential.upper()}
    return {"Authorization": forms[settings.webhook_header_form]}


def webhook(event: Event, settings: Settings) -> Json:
    """The body of a callback (§6.4); unlike Order Status it names merchant and merchantOrderId."""
    names: Json = {"merchantId": settings.merchant_id}
    if event.refund is not None:
        names["merchantRefundId"] = event.refund.merchant_refund_id
        told = refund_status(event.refund, event.state)
    else:
        names["merchantOrderId"] = event.order.merchant_order_id
        told = order_status(event.order, event.order.attempts[-1:]) | {"state": event.state}
        # While the order was still PENDING it had no reason of its own (§4.2); some samples never have one (§6.4).
        if event.state == "PENDING" or settings.webhook_error_codes == "attempt":
            told = {
                name: value for name, value in told.items() if name not in ("errorCode", "detailedErrorCode")
            }
    old_type = event.name.replace(".", "_").upper()  # deprecated, still sent (§6.3)
    return {"event": event.name, "type": old_type, "payload": names | told}
