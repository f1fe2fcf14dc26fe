"""What the shop plugs in by `settings.PAYMENTS`: what is to be paid for, and how it is delivered.

PAYMENTS = {
    "FULFIL": "bookings.fulfilment.fulfil",   # PaidOrder → the shop's reference (a booking number)
    "PAYABLE": "cart.payable.find",           # (reference, user) → Payable, or errors.NotFound
    "UNFULFILLABLE": "refund",                # or "hold": what to do with money that buys nothing
}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from django.conf import settings
from django.utils.module_loading import import_string

from payments.errors import NotFound
from payments.models import PaymentOrder


@dataclass(frozen=True, slots=True)
class Payable:
    """Something of the shop's that can be paid for. `snapshot` is frozen on the order at checkout.

    `hindrance` is a sentence for the customer when it cannot be paid for any more (its date is over, say):
    no new payment is opened then, but one that is open goes on.
    """

    reference: str
    amount_paise: int
    status: str = ""
    snapshot: Mapping[str, Any] = field(default_factory=dict)
    hindrance: str = ""


@dataclass(frozen=True, slots=True)
class PaidOrder:
    """What the fulfilment function gets: the money is in, `snapshot` says what it was for."""

    merchant_order_id: str
    reference: str
    amount_paise: int
    snapshot: Mapping[str, Any]
    completed_at: datetime

    @classmethod
    def of(cls, order: PaymentOrder) -> PaidOrder:
        assert order.completed_at
        return cls(order.merchant_order_id, order.cart_id, order.amount, order.snapshot, order.completed_at)


def fulfil(paid: PaidOrder) -> str:
    """Call the shop's function inside the settling transaction; its reference for the delivery.

    Raises errors.Unfulfillable when the shop refuses for good, and whatever else the function raises.
    """
    return str(import_string(settings.PAYMENTS["FULFIL"])(paid))


def find_payable(reference: str, *, user: Any) -> Payable:
    """What `reference` stands for, if this user may see it. Raises errors.NotFound."""
    path = settings.PAYMENTS.get("PAYABLE")
    if not path:
        raise NotFound("This shop takes no payments by reference.")
    if "\0" in reference:  # whatever text somebody put into an address; PostgreSQL refuses this one
        raise NotFound("There is nothing of this reference.")
    return cast(Payable, import_string(path)(reference, user=user))


def refunds_unfulfillable() -> bool:
    """Whether money that buys nothing goes back by itself; else it waits for a person."""
    return bool(settings.PAYMENTS.get("UNFULFILLABLE", "refund") == "refund")
