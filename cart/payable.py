"""What `payments` asks of the cart: what a reference stands for, what it costs, what a booking will need."""

from __future__ import annotations

from typing import Any

from cart.carts import find_cart
from cart.models import Cart
from payments.shop import Payable


def find(reference: str, *, user: Any) -> Payable:
    """The cart as something to pay for. Raises payments.errors.NotFound for unknown, malformed and foreign ids."""
    return payable(find_cart(reference, user=user))


def payable(cart: Cart) -> Payable:
    """A cart's amount of this moment, and a snapshot with all that a booking needs (JSON types only)."""
    return Payable(
        reference=str(cart.cart_id),
        amount_paise=cart.total_paise,
        status=cart.status,
        snapshot={
            "puja": cart.package.puja.name,
            "package": cart.package.name,
            "package_id": cart.package_id,
            "price_paise": cart.total_paise,
            "date": cart.date.isoformat(),
            "time": cart.time.strftime("%H:%M"),
            "name": cart.name,
            "email": cart.email,
            "phone": cart.phone,
            "address": cart.address,
            "owner_id": cart.owner_id,
        },
    )
