"""What goes in and what comes out. Amounts are integer paise, instants aware UTC, spans seconds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from phonepe_pg.errors import Misconfigured

COMPLETED: Final = "COMPLETED"
FAILED: Final = "FAILED"
# The last two stand in test payloads alone (§10 row 19).
_ORDER_STATES: Final = frozenset({"PENDING", COMPLETED, FAILED, "CREATED", "EXPIRED"})

_HOSTS: Final = {
    "sandbox": (
        "https://api-preprod.phonepe.com/apis/pg-sandbox",
        "https://api-preprod.phonepe.com/apis/pg-sandbox",
    ),
    # In production the token comes from another prefix than everything else (§1).
    "production": ("https://api.phonepe.com/apis/pg", "https://api.phonepe.com/apis/identity-manager"),
}
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Credentials:
    """API credentials from the dashboard; `client_version` is "1" in the sandbox (§2.1)."""

    client_id: str
    client_secret: str = field(repr=False)
    client_version: str = "1"


@dataclass(frozen=True, slots=True)
class Hosts:
    """Base URLs before the paths of §1: `pg` for pay, status and refund, `oauth` for the token.

    Raises Misconfigured when one is no http(s) URL. A trailing slash is dropped.
    """

    pg: str
    oauth: str

    def __post_init__(self) -> None:
        for name in ("pg", "oauth"):
            base = getattr(self, name)
            if not is_web_address(base):
                raise Misconfigured(f"the {name} host must be an http(s) URL, not {base!r}", sent=False)
            object.__setattr__(self, name, base.rstrip("/"))

    @classmethod
    def of(cls, environment: str) -> "Hosts":
        """Hosts of "sandbox" or "production" (§1); Misconfigured for any other name."""
        if environment not in _HOSTS:
            raise Misconfigured(
                f"environment must be 'sandbox' or 'production', not {environment!r}", sent=False
            )
        pg, oauth = _HOSTS[environment]
        return cls(pg=pg, oauth=oauth)


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentRequest:
    """An order to be paid (§3.1); the rules are checked when it is sent.

    `merchant_order_id`: 1–63 of [A-Za-z0-9_-], never used before. `amount_paise` ≥ 100.
    `redirect_url`: absolute, where the customer comes back to. `expire_after_s`: 300–3600.
    `meta`: udf1…udf15; no personal data, blank values are left out. `message`: shown on UPI collect.
    """

    merchant_order_id: str
    amount_paise: int
    redirect_url: str = field(repr=False)
    expire_after_s: int
    meta: Mapping[str, str] = field(default_factory=dict)
    message: str = ""
    disable_payment_retry: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatedOrder:
    """The gateway took the order (§3.3).

    `redirect_url` is the pay page: a secret of this customer, use it byte for byte, not after `expire_at`.
    `raw` is the answer with that address masked, so that it can be stored.
    """

    order_id: str
    state: str
    expire_at: datetime | None
    redirect_url: str = field(repr=False)
    raw: Mapping[str, Any] = field(repr=False, default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try of the customer to pay (`paymentDetails[]`, §4.2). For display: it never decides anything."""

    transaction_id: str = ""
    payment_mode: str = ""
    state: str = ""
    amount_paise: int | None = None
    at: datetime | None = None
    error_code: str = ""
    detailed_error_code: str = ""
    utr: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderStatus:
    """What became of an order (§4). Only `state` decides; compare `amount_paise` and `order_id` with yours.

    Error codes come from the root, else `errorContext`, else (on FAILED) the last attempt: an open set,
    for display. `amount_paise` is None when the gateway left it out.
    """

    order_id: str
    state: str
    amount_paise: int | None
    expire_at: datetime | None
    error_code: str = ""
    detailed_error_code: str = ""
    attempts: tuple[Attempt, ...] = ()
    raw: Mapping[str, Any] = field(repr=False, default_factory=dict)

    @property
    def completed(self) -> bool:
        """The money came. Final."""
        return self.state == COMPLETED

    @property
    def failed(self) -> bool:
        """No money came; late authorisation can still change that (§8)."""
        return self.state == FAILED

    @property
    def pending(self) -> bool:
        """Neither of the two: also every state this package has never heard of (§4.5)."""
        return not (self.completed or self.failed)

    @property
    def strange(self) -> bool:
        """A state that this package has never heard of: pending, and worth telling a person (§10 row 19)."""
        return self.state not in _ORDER_STATES

    @property
    def paid_attempt(self) -> Attempt | None:
        """The attempt that paid a completed order (its UTR, mode and time are for display), else None."""
        if not self.completed:
            return None
        paid = (attempt for attempt in self.attempts if attempt.state == COMPLETED)
        return max(paid, key=lambda attempt: attempt.at or _LONG_AGO, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundRequest:
    """Money to be given back (§5.1).

    `merchant_refund_id`: 1–63 of [A-Za-z0-9_-], yours, used for this refund only.
    `original_merchant_order_id`: your id of the paid order. `amount_paise` ≥ 1 (the gateway may want 100).
    """

    merchant_refund_id: str
    original_merchant_order_id: str
    amount_paise: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundStatus:
    """What became of a refund (§5.2). PENDING, CONFIRMED and states never heard of are not final."""

    refund_id: str
    state: str
    amount_paise: int | None
    original_merchant_order_id: str = ""
    error_code: str = ""
    detailed_error_code: str = ""
    raw: Mapping[str, Any] = field(repr=False, default_factory=dict)

    @property
    def completed(self) -> bool:
        """The money went back. Final."""
        return self.state == COMPLETED

    @property
    def failed(self) -> bool:
        """Final; try again with a new merchant refund id."""
        return self.state == FAILED

    @property
    def pending(self) -> bool:
        """Neither of the two."""
        return not (self.completed or self.failed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A callback as read (§6.4): a hint to ask for the status, never evidence. Absent texts are "".

    `event` is the modern name; old `type` values are translated (§6.3). For refunds `merchant_order_id`
    is the original order's.
    """

    event: str = ""
    merchant_order_id: str = ""
    merchant_refund_id: str = ""
    order_id: str = ""
    refund_id: str = ""
    state: str = ""
    raw: Mapping[str, Any] = field(repr=False, default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """One HTTP call, for metrics and logs; holds no secret.

    `what`: "token", "pay", "order_status", "refund" or "refund_status". `http_status` is None when no
    answer came; `code` is the gateway's code on a refusal; `error` the class name of what was raised.
    """

    what: str
    http_status: int | None
    code: str
    merchant_order_id: str
    took_s: float
    merchant_refund_id: str = ""
    error: str = ""


def is_web_address(url: object) -> bool:
    """Whether `url` is an absolute http(s) URL of printable characters without spaces."""
    if not isinstance(url, str) or not url.isprintable() or " " in url:
        return False
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False
