"""What `payments` asks of the cart: what a reference stands for, what it costs, what a booking will need."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.utils import timezone, translation

from cart import carts, rules, slots
from cart.carts import find_cart
from cart.models import Cart
from payments.errors import NotFound
from payments.shop import Payable

NEW_DATE = "The chosen time has passed. Please choose a new one."
NOT_OFFERED = "This package is not offered any more. Please choose another one."


def find(reference: str, *, user: Any) -> Payable:
    """The cart as something to pay for. Raises payments.errors.NotFound for unknown, malformed and foreign ids."""
    return payable(find_cart(reference, user=user))


def status(reference: str, *, snapshot: Mapping[str, Any], delivered: bool, user: Any) -> str:
    """The cart's status, by its order alone: no query, and for a guest's cart not even a look at who asks.

    Raises payments.errors.NotFound for whoever may not see it. The owner never changes, and a cart is booked
    in the transaction that delivers its order.
    """
    if "owner_id" not in snapshot:  # an order of another system, say
        return find(reference, user=user).status
    if not carts.may_see(snapshot["owner_id"], user):
        raise NotFound(carts.UNKNOWN_CART)
    return Cart.Status.BOOKED if delivered else Cart.Status.OPEN


def payable(cart: Cart) -> Payable:
    """A cart's amount of this moment, what hinders its payment, and a snapshot for the booking (JSON types only)."""
    return Payable(
        reference=str(cart.cart_id),
        amount_paise=cart.total_paise,
        status=cart.status,
        hindrance=hindrance(cart, now=timezone.localtime()),
        snapshot=snapshot(cart),
    )


def snapshot(cart: Cart) -> dict[str, Any]:
    """What a booking will need, and `cart.slots` before it; JSON types only."""
    return {
        "puja": cart.package.puja.name,
        "puja_id": cart.package.puja_id,
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
        "language": translation.get_language(),
    }


def hindrance(cart: Cart, *, now: datetime) -> str:
    """Why no new payment may be begun for this cart; "" when one may. `now` is Asia/Kolkata."""
    if not (cart.package.is_active and cart.package.puja.is_active):
        return NOT_OFFERED
    try:
        rules.moment(cart.date, cart.time, now=now.replace(tzinfo=None))
    except ValueError:
        return NEW_DATE
    when = slots.When(cart.package.puja_id, cart.date, cart.time)
    is_gone = cart.status == Cart.Status.OPEN and slots.is_gone(str(cart.cart_id), when)
    return slots.TAKEN_BY_OTHERS if is_gone else ""
