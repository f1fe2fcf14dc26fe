"""A small asynchronous client for the PhonePe Payment Gateway v2 (Standard Checkout). See README.md."""

from phonepe_pg.client import VERSION as __version__
from phonepe_pg.client import Client
from phonepe_pg.errors import (
    InvalidRequest,
    Malformed,
    Misconfigured,
    OutcomeUnknown,
    PhonePeError,
    RateLimited,
    Rejected,
    Unavailable,
    UnknownOrder,
    UnknownRefund,
)
from phonepe_pg.types import (
    Attempt,
    CallRecord,
    CreatedOrder,
    Credentials,
    Hosts,
    OrderStatus,
    PaymentRequest,
    RefundRequest,
    RefundStatus,
    Webhook,
)
from phonepe_pg.webhook import authorization_is_genuine, read_webhook, signature_is_genuine

__all__ = [
    "Attempt",
    "CallRecord",
    "Client",
    "CreatedOrder",
    "Credentials",
    "Hosts",
    "InvalidRequest",
    "Malformed",
    "Misconfigured",
    "OrderStatus",
    "OutcomeUnknown",
    "PaymentRequest",
    "PhonePeError",
    "RateLimited",
    "RefundRequest",
    "RefundStatus",
    "Rejected",
    "Unavailable",
    "UnknownOrder",
    "UnknownRefund",
    "Webhook",
    "__version__",
    "authorization_is_genuine",
    "read_webhook",
    "signature_is_genuine",
]
