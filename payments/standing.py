"""What the front end is told about a cart's payment: the object of `contract.md`, read from the order alone."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from payments.models import PaymentOrder
from payments.states import Fulfilment


@dataclass(frozen=True, slots=True)
class Standing:
    """How a cart's payment stands. `payment_amount` is rupees as a decimal string; instants are aware.

    `auto_verified` is true once PhonePe itself has answered the server about this order.
    """

    cart_id: str
    payment_status: str
    payment_amount: str
    merchant_order_id: str
    booking_created: bool
    booking_id: str | None
    cart_status: str
    payment_created_at: datetime
    payment_completed_at: datetime | None
    auto_verified: bool

    def as_json(self) -> dict[str, Any]:
        """The same with the instants as ISO 8601 texts, spelled as the JSON endpoints spell them."""
        instants = {
            "payment_created_at": _text(self.payment_created_at),
            "payment_completed_at": self.payment_completed_at and _text(self.payment_completed_at),
        }
        return asdict(self) | instants


def of(order: PaymentOrder, *, cart_status: str) -> Standing:
    """The standing of one order; `cart_status` is the shop's word for its cart."""
    booked = order.fulfilment == Fulfilment.BOOKED
    return Standing(
        cart_id=order.cart_id,
        payment_status=order.status,
        payment_amount=rupees(order.amount),
        merchant_order_id=order.merchant_order_id,
        booking_created=booked,
        booking_id=order.fulfilment_reference if booked else None,
        cart_status=cart_status,
        payment_created_at=order.created_at,
        payment_completed_at=order.completed_at,
        auto_verified=order.answered_at is not None,
    )


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def rupees(paise: int) -> str:
    """Paise as rupees with two decimals, "1499.00", without a float on the way."""
    return f"{paise // 100}.{paise % 100:02d}"
