"""Callbacks from the gateway (wire reference §6): is the sender genuine, and what does it hint at."""

import hashlib
import hmac

from phonepe_pg import lenient
from phonepe_pg.errors import Malformed
from phonepe_pg.types import Webhook

_MODERN = {
    "CHECKOUT_ORDER_COMPLETED": "checkout.order.completed",
    "CHECKOUT_ORDER_FAILED": "checkout.order.failed",
    "CHECKOUT_TRANSACTION_ATTEMPT_FAILED": "checkout.transaction.attempt.failed",
    "PG_REFUND_ACCEPTED": "pg.refund.accepted",
    "PG_REFUND_COMPLETED": "pg.refund.completed",
    "PG_REFUND_FAILED": "pg.refund.failed",
}


def authorization_is_genuine(header: str | None, *, username: str, password: str) -> bool:
    """Compare an Authorization header with sha256("username:password") in constant time (§6.2).

    An optional `SHA256` prefix, any case and white space around are accepted; an empty pair accepts
    nothing. The header is constant and does not cover the body: True proves knowledge of the pair,
    not that the body is true. Never raises.
    """
    if not header or not username or not password:
        return False
    given = header.strip().lower().removeprefix("sha256").strip(" \t:=()")
    expected = hashlib.sha256(f"{username}:{password}".encode("utf-8", "replace")).hexdigest()
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())


def signature_is_genuine(signature: str | None, body: bytes, *, secret: str) -> bool:
    """Check the newer HMAC mode: hex HMAC-SHA256 of the raw body (§6.2; header names are not certain)."""
    if not signature or not secret:
        return False
    expected = hmac.new(secret.encode("utf-8", "replace"), body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(signature.strip().lower().encode("utf-8", "replace"), expected.encode())


def read_webhook(body: bytes) -> Webhook:
    """Read a callback, wrapped in `payload` or flat, with `event` or the old `type` (§6.3, §6.4).

    Unknown events and missing fields are fine. Raises Malformed when the body is no JSON object.
    """
    try:
        found = lenient.json_object(body)
    except ValueError as problem:
        raise Malformed(
            f"webhook: the body is {problem}", body=body[:8_000].decode("utf-8", "replace")
        ) from None
    payload = lenient.mapping(found.get("payload")) or found
    event = lenient.text(found.get("event"))
    old = lenient.text(found.get("type"))
    own, original = payload.get("merchantOrderId"), payload.get("originalMerchantOrderId")
    return Webhook(
        event=event or _MODERN.get(old, old),
        merchant_order_id=lenient.text(own) or lenient.text(original),
        merchant_refund_id=lenient.text(payload.get("merchantRefundId")),
        order_id=lenient.text(payload.get("orderId")),
        refund_id=lenient.text(payload.get("refundId")),
        state=lenient.text(payload.get("state")),
        raw=found,
    )
