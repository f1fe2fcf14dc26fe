"""OkPuja as the engine's tests see it: orders that its own fulfilment delivers, and what it delivered."""

from __future__ import annotations

from typing import Any

from bookings.models import Booking
from payments.models import PaymentOrder
from payments.states import Status
from tests import make


def order(status: Status = Status.INITIATED, **fields: Any) -> PaymentOrder:
    """An order as checkout would have left it, for a cart of its own."""
    return make.order(status, **fields)


def delivered(reference: str) -> list[tuple[str, str]]:
    """Of what was delivered for `reference`: by which order, under which number."""
    made = Booking.objects.filter(cart_id=reference)
    return [(booking.merchant_order_id, booking.booking_id) for booking in made]
