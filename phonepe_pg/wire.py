"""Every fact of the protocol, and no I/O: build requests, read answers (wire reference §1–§7).

The `read_*` functions return a typed result or raise one of `phonepe_pg.errors`, whatever the bytes are.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlencode

from phonepe_pg import lenient, rules
from phonepe_pg.answers import Answer, error_of, is_success, refusal, state_object
from phonepe_pg.errors import Malformed, Misconfigured, Rejected, Unavailable, UnknownOrder, UnknownRefund
from phonepe_pg.masking import MASK
from phonepe_pg.types import (
    FAILED,
    Attempt,
    CreatedOrder,
    Credentials,
    OrderStatus,
    PaymentRequest,
    RefundRequest,
    RefundStatus,
    is_web_address,
)

# "INVALID_TRANSACTION_ID" for unknown ids is one source's word (§4.4); the last two are v1's and emulators'.
_UNKNOWN_ORDER = frozenset(
    {"INVALID_MERCHANT_ORDER_ID", "INVALID_TRANSACTION_ID", "ORDER_NOT_FOUND", "TRANSACTION_NOT_FOUND"}
)
# Undocumented (§5.2). The id is the call's only input and its form was checked, so BAD_REQUEST means the id.
_UNKNOWN_REFUND = frozenset(
    {
        "INVALID_MERCHANT_REFUND_ID",
        "INVALID_REFUND_ID",
        "INVALID_TRANSACTION_ID",
        "REFUND_NOT_FOUND",
        "TRANSACTION_NOT_FOUND",
        "ORIGINAL_TXN_NOT_FOUND",
        "NOT_FOUND",
        "BAD_REQUEST",
    }
)
_DUPLICATE = {
    "pay": frozenset({"INVALID_TRANSACTION_ID", "INVALID_MERCHANT_ORDER_ID"}),
    "refund": frozenset({"INVALID_TRANSACTION_ID", "INVALID_MERCHANT_REFUND_ID"}),
}
_MAX_TOKEN_LIFE_S = 30 * 86_400

What = Literal["token", "pay", "order_status", "refund", "refund_status"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP request without its base URL and authorization; `what`, `merchant_*_id` are for the record."""

    what: What
    method: Literal["GET", "POST"]
    path: str
    host: Literal["pg", "oauth"] = "pg"
    headers: Mapping[str, str] = field(repr=False, default_factory=dict)
    body: bytes | None = field(repr=False, default=None)
    merchant_order_id: str = ""
    merchant_refund_id: str = ""


@dataclass(frozen=True, slots=True)
class Token:
    """An access token and how many seconds it lives from its receipt."""

    value: str = field(repr=False)
    lifetime_s: float


def token(credentials: Credentials) -> Request:
    """Ask for an access token (§2.1): a form, not JSON. Raises Misconfigured when a credential is missing."""
    form = {
        "client_id": credentials.client_id,
        "client_version": str(credentials.client_version),
        "client_secret": credentials.client_secret,
        "grant_type": "client_credentials",
    }
    for name, value in form.items():
        if not value:
            raise Misconfigured(f"{name} is empty", sent=False)
    return Request(
        what="token",
        method="POST",
        path="/v1/oauth/token",
        host="oauth",
        headers={"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"},
        body=urlencode(form).encode(),
    )


def payment(request: PaymentRequest) -> Request:
    """Create an order (§3.1). Raises InvalidRequest. Nothing blank and nothing undocumented is sent."""
    rules.check_payment(request)
    flow: dict[str, Any] = {"type": "PG_CHECKOUT", "merchantUrls": {"redirectUrl": request.redirect_url}}
    body: dict[str, Any] = {
        "merchantOrderId": request.merchant_order_id,
        "amount": request.amount_paise,
        "expireAfter": request.expire_after_s,
        "paymentFlow": flow,
    }
    if request.message.strip():
        flow["message"] = request.message
    if meta := {name: value for name, value in request.meta.items() if value.strip()}:
        body["metaInfo"] = meta
    if request.disable_payment_retry is not None:
        body["disablePaymentRetry"] = bool(request.disable_payment_retry)
    return _post("pay", "/checkout/v2/pay", body, merchant_order_id=request.merchant_order_id)


def order_status(merchant_order_id: str) -> Request:
    """Ask what became of an order, with every attempt and the reason of a failure (§4.1)."""
    rules.check_id("merchant_order_id", merchant_order_id)
    path = f"/checkout/v2/order/{merchant_order_id}/status?details=true&errorContext=true"
    return _get("order_status", path, merchant_order_id=merchant_order_id)


def refund(request: RefundRequest) -> Request:
    """Give money back (§5.1). Raises InvalidRequest."""
    rules.check_refund(request)
    body = {
        "merchantRefundId": request.merchant_refund_id,
        "originalMerchantOrderId": request.original_merchant_order_id,
        "amount": request.amount_paise,
    }
    return _post(
        "refund",
        "/payments/v2/refund",
        body,
        merchant_order_id=request.original_merchant_order_id,
        merchant_refund_id=request.merchant_refund_id,
    )


def refund_status(merchant_refund_id: str) -> Request:
    """Ask what became of a refund (§5.2)."""
    rules.check_id("merchant_refund_id", merchant_refund_id)
    path = f"/payments/v2/refund/{merchant_refund_id}/status"
    return _get("refund_status", path, merchant_refund_id=merchant_refund_id)


def read_token(answer: Answer) -> Token:
    """Read a token (§2.2, §2.4). Misconfigured on a 4xx but 429 and 408, else RateLimited or Unavailable."""
    if not is_success(answer):
        error = refusal("token", answer)
        if isinstance(error, Rejected):
            raise error_of(Misconfigured, answer, str(error), code=error.code)
        raise error
    try:
        found = lenient.json_object(answer.body)
    except ValueError as problem:
        raise error_of(Unavailable, answer, f"token: the answer is {problem}") from None
    value = found.get("access_token")
    # It goes into a header, where a line break or a space would be somebody else's header.
    if (
        not isinstance(value, str)
        or not value.isascii()
        or not value.isprintable()
        or " " in value
        or not value
    ):
        raise error_of(Unavailable, answer, "token: the answer holds no usable access_token")
    return Token(value, _lifetime_s(found))


def read_created_order(answer: Answer) -> CreatedOrder:
    """Read the answer to a payment (§3.3)."""
    found = state_object("pay", answer)
    order_id, url = lenient.text(found.get("orderId")), found.get("redirectUrl")
    if not order_id:
        raise error_of(Malformed, answer, "pay: the answer holds no orderId")
    if not isinstance(url, str) or not is_web_address(url):
        raise error_of(Malformed, answer, "pay: the answer holds no usable redirectUrl")
    return CreatedOrder(
        order_id=order_id,
        state=found["state"],
        expire_at=lenient.instant(found.get("expireAt")),
        redirect_url=url,
        raw=found | {"redirectUrl": MASK},
    )


def read_order_status(answer: Answer, *, merchant_order_id: str = "") -> OrderStatus:
    """Read an order's status (§4). UnknownOrder by its code on any 4xx.

    Malformed when the answer names another order than `merchant_order_id` (it usually names none).
    """
    found = state_object("order_status", answer, unknown=UnknownOrder, codes=_UNKNOWN_ORDER)
    _require_same(answer, found, "merchantOrderId", merchant_order_id)
    attempts = tuple(_attempt(item) for item in lenient.objects(found.get("paymentDetails")))
    return OrderStatus(
        order_id=lenient.text(found.get("orderId")),
        state=found["state"],
        amount_paise=_amount("order_status", answer, found),
        expire_at=lenient.instant(found.get("expireAt")),
        error_code=_why(found, "errorCode"),
        detailed_error_code=_why(found, "detailedErrorCode"),
        attempts=attempts,
        raw=found,
    )


def read_refund(answer: Answer) -> RefundStatus:
    """Read the answer to a refund (§5.1)."""
    return _refund(answer, state_object("refund", answer))


def read_refund_status(answer: Answer, *, merchant_refund_id: str = "") -> RefundStatus:
    """Read a refund's status (§5.2). UnknownRefund by its code on any 4xx, or on a 404 with any code."""
    found = state_object("refund_status", answer, unknown=UnknownRefund, codes=_UNKNOWN_REFUND, any_404=True)
    _require_same(answer, found, "merchantRefundId", merchant_refund_id)
    return _refund(answer, found)


def looks_like_a_duplicate(request: Request, error: Rejected) -> bool:
    """Whether a refused pay or refund may have been refused because the same id is there already (§3.4)."""
    if error.http_status in (409, 417) or "ALREADY" in error.code or "DUPLICATE" in error.code:
        return True
    return error.code in _DUPLICATE.get(request.what, ())


def _get(what: What, path: str, **ids: Any) -> Request:
    return Request(what=what, method="GET", path=path, headers={"Accept": "application/json"}, **ids)


def _post(what: What, path: str, body: Mapping[str, Any], **ids: Any) -> Request:
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    return Request(
        what=what, method="POST", path=path, headers=headers, body=json.dumps(body).encode(), **ids
    )


def _lifetime_s(found: Mapping[str, Any]) -> float:
    """From `issued_at` to `expires_at`, so that a skewed clock does not matter (§2.3); else `expires_in`.

    Without either the token is good for this moment only; a 401 repairs the rest.
    """
    issued, expires, within = (found.get(name) for name in ("issued_at", "expires_at", "expires_in"))
    life = within if type(within) is int else 0
    if type(issued) is int and type(expires) is int:
        life = expires - issued
    return float(min(max(life, 0), _MAX_TOKEN_LIFE_S))


def _require_same(answer: Answer, found: Mapping[str, Any], name: str, asked: str) -> None:
    named = found.get(name)
    if asked and isinstance(named, str) and named and named != asked:
        raise error_of(Malformed, answer, f"the answer is about another {name} than was asked")


def _amount(what: What, answer: Answer, found: Mapping[str, Any]) -> int | None:
    try:
        return lenient.paise(found.get("amount"))
    except ValueError as problem:
        raise error_of(Malformed, answer, f"{what}: {problem}") from None


def _refund(answer: Answer, found: Mapping[str, Any]) -> RefundStatus:
    return RefundStatus(
        refund_id=lenient.text(found.get("refundId")),
        state=found["state"],
        amount_paise=_amount("refund", answer, found),
        original_merchant_order_id=lenient.text(found.get("originalMerchantOrderId")),
        error_code=_why(found, "errorCode"),
        detailed_error_code=_why(found, "detailedErrorCode"),
        raw=found,
    )


def _why(found: Mapping[str, Any], name: str) -> str:
    """An error code from the root, else from errorContext, else (on FAILED) the last attempt (§4.2, §6.4)."""
    told = lenient.text(found.get(name)) or lenient.text(lenient.mapping(found.get("errorContext")).get(name))
    if told or found["state"] != FAILED:
        return told
    attempts = lenient.objects(found.get("paymentDetails"))
    return lenient.text(attempts[-1].get(name)) if attempts else ""


def _attempt(item: Mapping[str, Any]) -> Attempt:
    try:
        amount = lenient.paise(item.get("amount"))
    except ValueError:
        amount = None  # for display only: not worth losing the order's state over
    return Attempt(
        transaction_id=lenient.text(item.get("transactionId")),
        payment_mode=lenient.text(item.get("paymentMode")),
        state=lenient.text(item.get("state")),
        amount_paise=amount,
        at=lenient.instant(item.get("timestamp")),
        error_code=lenient.text(item.get("errorCode")),
        detailed_error_code=lenient.text(item.get("detailedErrorCode")),
        utr=_utr(item),
    )


def _utr(item: Mapping[str, Any]) -> str:
    """The bank's reference, in `rail` or, for split payments, in one of the parts (§4.2)."""
    parts = [item, *lenient.objects(item.get("splitInstruments"))]
    found = (lenient.text(lenient.mapping(part.get("rail")).get("utr")) for part in parts)
    return next(filter(None, found), "")
