"""Open a cart, find it for those who may see it, and mark it booked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, time
from typing import Any
from uuid import UUID

from django.db import connection
from django.utils import timezone

from cart import slots
from cart.models import Cart
from catalog.models import Package
from payments.errors import NotFound

UNKNOWN_CART = "There is no such cart."


def open_cart(
    *, package_id: int, date: date, time: time, name: str, email: str, phone: str, address: str, user: Any
) -> Cart:
    """Make a cart of values that `cart.rules` has let through; it belongs to `user` when signed in.

    Raises NotFound when the package does not exist or is not offered any more, and SlotFull when the time
    is full now. Nothing is kept for a cart before its payment is begun.
    """
    package = Package.objects.offered().select_related("puja").filter(pk=package_id).first()
    if package is None:
        raise NotFound("There is no such package.")
    slots.refuse_full(slots.When(package.puja_id, date, time), now=timezone.localtime())
    return Cart.objects.create(
        owner=user if user.is_authenticated else None,
        package=package,
        date=date,
        time=time,
        name=name,
        email=email,
        phone=phone,
        address=address,
    )


def find_cart(reference: str, *, user: Any) -> Cart:
    """The cart with its package and puja, if this user may see it.

    A guest's cart opens to whoever has its id, a customer's to that customer and to staff. Raises NotFound
    for everybody else, and for unknown and malformed ids: the answer tells nothing.
    """
    cart_id = _as_uuid(reference)
    cart = cart_id and Cart.objects.select_related("package__puja").filter(cart_id=cart_id).first()
    if not cart or not may_see(cart.owner_id, user):
        raise NotFound(UNKNOWN_CART)
    return cart


def mark_booked(reference: str, *, paid_paise: int) -> bool:
    """Close the cart with what was paid for it; whether there was such an open cart. Safe to repeat."""
    cart_id = _as_uuid(reference)
    if cart_id is None:
        return False
    open_carts = Cart.objects.filter(cart_id=cart_id, status=Cart.Status.OPEN)
    return bool(open_carts.update(status=Cart.Status.BOOKED, price_paise=paid_paise))


def mark_many_booked(paid_paise: Mapping[str, int]) -> None:
    """As `mark_booked`, of many carts by their reference. References that are no cart's are passed over."""
    rows = [
        {"cart_id": str(cart), "paise": paid_paise[name]} for name in paid_paise if (cart := _as_uuid(name))
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE cart_cart c SET status = 'BOOKED', price_paise = p.paise
            FROM jsonb_to_recordset(%s::jsonb) AS p(cart_id uuid, paise bigint)
            WHERE c.cart_id = p.cart_id AND c.status = 'OPEN'
            """,
            [json.dumps(rows)],
        )


def may_see(owner_id: int | None, user: Any) -> bool:
    """Whether this user may see a cart of this owner (None: a guest's, whose id is the key to it)."""
    return owner_id is None or user.is_staff or owner_id == user.pk


def _as_uuid(reference: str) -> UUID | None:
    try:
        return UUID(reference)
    except ValueError:
        return None
