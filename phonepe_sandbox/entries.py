"""What the book holds: orders, attempts, refunds, and the events that webhooks tell."""

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from phonepe_sandbox.offer import EVERYTHING, Offer

OrderState = Literal["PENDING", "COMPLETED", "FAILED"]
RefundState = Literal["PENDING", "CONFIRMED", "COMPLETED", "FAILED"]
Outcome = Literal["success", "failure", "retry", "pending", "cancel"]


class Failure(NamedTuple):
    """Why a payment failed, with what `errorContext` adds (§4.2, §7.3)."""

    error_code: str
    detailed_error_code: str
    source: str
    stage: str
    description: str


EXPIRED = Failure(
    "TXN_NOT_COMPLETED", "ORDER_EXPIRED", "CUSTOMER", "PRE_AUTHENTICATION", "Order expired before it was paid"
)
CANCELLED = Failure(
    "TXN_CANCELLED",
    "ORDER_CANCELLED_BY_USER",
    "CUSTOMER",
    "PRE_AUTHENTICATION",
    "Customer cancelled the order on the payment page",
)
AUTO_FAILED = Failure(
    "TXN_NOT_COMPLETED", "TXN_AUTO_FAILED", "OTHERS", "AUTHORIZATION", "Payment failed at the bank"
)


class Plan(NamedTuple):
    """What will become of an order by itself: a customer's answer to a UPI request, a late authorisation."""

    at_ms: int
    what: Literal["success", "failure", "late_success"]
    webhook: bool = True


@dataclass(slots=True)
class Attempt:
    """One try to pay; `paymentDetails[i]` of §4.2."""

    transaction_id: str
    payment_mode: str
    timestamp_ms: int
    amount: int
    state: OrderState
    utr: str
    upi_transaction_id: str
    failure: Failure | None = None
    card: str = "CREDIT_CARD"  # which kind, when it is one


@dataclass(slots=True)
class Order:
    """One merchant order; times are epoch milliseconds, money is paise."""

    merchant_order_id: str
    order_id: str
    amount: int
    created_at_ms: int
    expire_at_ms: int
    page_token: str
    redirect_url: str | None
    meta_info: dict[str, str] = field(default_factory=dict)
    message: str | None = None
    retry_allowed: bool = True
    layout: str = "sandbox"  # which URL layout it was created through: decides the look of its pay link
    offer: Offer = EVERYTHING
    phone: str | None = None
    plan: Plan | None = None
    state: OrderState = "PENDING"
    failure: Failure | None = None
    paid_at_ms: int | None = None
    attempts: list[Attempt] = field(default_factory=list)
    refunds: list["Refund"] = field(default_factory=list)
    reported_amount: int | None = None  # what the gateway says was paid, when a test wants it to differ

    @property
    def told_amount(self) -> int:
        """The sum that answers and webhooks carry."""
        return self.amount if self.reported_amount is None else self.reported_amount

    @property
    def refundable(self) -> int:
        """Paise that are neither given back nor on their way (§5.1)."""
        return self.amount - sum(r.amount for r in self.refunds if r.state != "FAILED")


@dataclass(slots=True)
class Refund:
    """One refund; PENDING → CONFIRMED → COMPLETED or FAILED (§5.2)."""

    merchant_refund_id: str
    refund_id: str
    merchant_order_id: str
    amount: int
    timestamp_ms: int
    payment_mode: str
    utr: str
    state: RefundState = "PENDING"
    due_ms: int = 0  # when it moves on

    def is_of(self, new: "NewRefund") -> bool:
        """Whether a request asks for this very refund."""
        return (self.merchant_order_id, self.amount) == (new.merchant_order_id, new.amount)


@dataclass(frozen=True, slots=True)
class Event:
    """Something a webhook may tell about (§6.3)."""

    name: str
    order: Order
    state: str  # at that moment: the order or refund may have moved on before the webhook leaves
    refund: Refund | None = None
    by_expiry: bool = False
    webhook: bool = True


@dataclass(frozen=True, slots=True)
class NewOrder:
    """A pay request that passed §3.1."""

    merchant_order_id: str
    amount: int
    redirect_url: str | None
    expire_after: int | None = None
    meta_info: dict[str, str] = field(default_factory=dict)
    message: str | None = None
    retry_allowed: bool = True
    offer: Offer = EVERYTHING
    phone: str | None = None


@dataclass(frozen=True, slots=True)
class NewRefund:
    """A refund request that passed §5.1's rules on its fields."""

    merchant_refund_id: str
    merchant_order_id: str
    amount: int


Json = dict[str, Any]
