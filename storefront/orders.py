"""How a cart's payment stands, and the words for it."""

from __future__ import annotations

from dataclasses import dataclass

from payments.models import PaymentOrder, Refund
from payments.states import Fulfilment, RefundState, Status


def telling(cart_id: str) -> PaymentOrder | None:
    """The order that speaks for a cart, or None when no payment was ever begun."""
    return PaymentOrder.objects.filter(cart_id=cart_id).telling_first().first()


def may_try_again(cart_id: str) -> bool:
    """Whether a new payment may be begun: none of the cart's orders is open or paid."""
    orders = PaymentOrder.objects.filter(cart_id=cart_id)
    return not orders.open().exists() and not orders.filter(status=Status.SUCCESS).exists()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What to tell the customer: a heading, what happened, and what happens to the money."""

    heading: str
    happened: str
    money: str


CANCELLED_CODES = ("ORDER_CANCELLED_BY_USER", "TXN_CANCELLED", "CANCELLED_BY_USER")
NOT_TAKEN = "No money has been taken for this booking."
COMES_BACK = (
    "If your account shows a debit all the same, your bank or PhonePe returns it by itself, usually within a"
    " few days."
)
STILL_WATCHED = "Should the payment reach us late, we book your puja and mail you."

CANCELLED = Outcome("You cancelled the payment", "You left the payment page before paying.", NOT_TAKEN)
FAILED = Outcome("The payment did not go through", "PhonePe told us that the payment failed.", COMES_BACK)
EXPIRED = Outcome(
    "The time to pay is over",
    "No payment arrived in the time that was set for it.",
    f"If your account shows a debit, do not worry: we keep asking PhonePe. {STILL_WATCHED}",
)
NOT_STARTED = Outcome(
    "The payment was not started", "We could not open the payment page, so nobody could pay.", NOT_TAKEN
)
_UNDELIVERABLE = "Your payment arrived, but this booking could not be made any more."
GOING_BACK = Outcome(
    "Your money is on its way back",
    _UNDELIVERABLE,
    "The whole amount is being returned to where it came from. That usually takes a few days.",
)
GONE_BACK = Outcome(
    "Your money has been returned",
    _UNDELIVERABLE,
    "The whole amount has been sent back to where it came from. Your bank may take a few days to show it.",
)
HELD = Outcome(
    "We will contact you about your money",
    _UNDELIVERABLE,
    "Your money is safe. A person looks at it and returns it or finds another date with you.",
)


def outcome(order: PaymentOrder) -> Outcome:
    """The words for an order that did not end in a booking."""
    if order.fulfilment == Fulfilment.UNFULFILLABLE:
        return _refunded(order)
    if order.status == Status.FAILED and order.failure_code in CANCELLED_CODES:
        return CANCELLED
    return {Status.EXPIRED: EXPIRED, Status.CANCELLED: NOT_STARTED}.get(Status(order.status), FAILED)


def _refunded(order: PaymentOrder) -> Outcome:
    refund = Refund.objects.filter(order=order).order_by("-pk").first()
    if refund is None or refund.state == RefundState.FAILED:
        return HELD
    return GONE_BACK if refund.state == RefundState.COMPLETED else GOING_BACK


def refunds_to_tell(cart_id: str) -> list[Refund]:
    """Money of a booked cart that goes or went back: of a second payment, or of the booking itself."""
    refunds = Refund.objects.filter(order__cart_id=cart_id).exclude(state=RefundState.FAILED)
    return list(refunds.select_related("order").order_by("pk"))
