"""A paid order → a booking, once. `payments` calls `fulfil` when the money is in."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any

import structlog
from django.contrib.auth import get_user_model
from django.db import IntegrityError, connection, transaction
from django.db.models import Q
from django.utils import timezone
from procrastinate.contrib.django import app as jobs

from bookings.models import Booking
from cart import carts, slots
from payments.errors import Unfulfillable
from payments.shop import PaidOrder

log = structlog.get_logger(__name__)

CONFIRM = "bookings.send_confirmation"
TRIES = 5  # a second collision of two random numbers in a row is already unheard of
IN_TIME = timedelta(minutes=65)  # longer than PAYMENT_EXPIRE_AFTER: whoever began to pay in time is booked
OVER = "The time of the puja was over when the payment was confirmed."
BOOKED_BY_ANOTHER = "This cart has already been booked by another payment."


def fulfil(paid: PaidOrder) -> str:
    """Book what was paid for and return the booking number. Safe to repeat: one booking per order.

    The content comes from the snapshot alone, frozen when the customer started to pay. The caller holds the
    transaction; the confirmation mail is deferred in it, so there is a mail exactly if there is a booking.
    Raises Unfulfillable when another order has booked the cart, the payment was confirmed after the puja's time,
    or that was given to somebody else: what was written until then is for the caller to undo.
    """
    made = _find(paid)
    if made is not None:
        return made.booking_id
    if is_over(paid):
        raise Unfulfillable(OVER)
    booking, is_new = _book(paid)
    if is_new:
        slots.take(paid)
        carts.mark_booked(paid.reference, paid_paise=paid.amount_paise)
        jobs.configure_task(CONFIRM).defer(booking_id=booking.booking_id)
        transaction.on_commit(  # what a savepoint takes back was not booked
            lambda: log.info("puja booked", order=paid.merchant_order_id, booking=booking.booking_id),
            robust=True,
        )
    return booking.booking_id


def _find(paid: PaidOrder) -> Booking | None:
    """This order's booking, or None. Raises Unfulfillable when the cart's booking is another order's."""
    either = Q(merchant_order_id=paid.merchant_order_id) | Q(cart_id=paid.reference)
    bookings = list(Booking.objects.filter(either))
    for booking in bookings:
        if booking.merchant_order_id == paid.merchant_order_id:
            return booking
    if bookings:
        raise Unfulfillable(BOOKED_BY_ANOTHER)
    return None


def _book(paid: PaidOrder) -> tuple[Booking, bool]:
    """Insert the booking; whether it is new. The unique indexes decide who comes first.

    Who loses a race waits at the index until the winner has committed, and then sees its booking. A refusal
    without a booking to show was a number that is taken, or a customer deleted meanwhile: look again.
    """
    frozen = content(paid)
    for attempt in range(1, TRIES + 1):
        try:
            with transaction.atomic():
                booking = Booking.objects.create(**frozen | {"owner_id": _living(frozen["owner_id"])})
                # The foreign key is checked at commit by default, too late to save the record of the money.
                connection.check_constraints()
                return booking, True
        except IntegrityError:
            made = _find(paid)
            if made is not None:
                return made, False
            if attempt == TRIES:
                raise
    raise AssertionError("unreachable")


def is_over(paid: PaidOrder) -> bool:
    """Whether the payment was confirmed after the puja's time, by more than `IN_TIME`.

    How long booking takes, should it fail at first, does not count.
    """
    starts_at = timezone.make_aware(datetime.combine(*_moment(paid)))
    return paid.completed_at > starts_at + IN_TIME


def _moment(paid: PaidOrder) -> tuple[date, time]:
    return date.fromisoformat(paid.snapshot["date"]), time.fromisoformat(paid.snapshot["time"])


def content(paid: PaidOrder) -> dict[str, Any]:
    """The columns of the booking, from the snapshot alone; its `owner_id` may be gone since."""
    frozen = paid.snapshot
    on, at = _moment(paid)
    return {
        "cart_id": paid.reference,
        "merchant_order_id": paid.merchant_order_id,
        "amount": paid.amount_paise,
        "owner_id": frozen.get("owner_id"),
        "date": on,
        "time": at,
        **{field: frozen[field] for field in ("puja", "package", "name", "email", "phone", "address")},
    }


def _living(user_id: int | None) -> int | None:
    """The signed-in customer, unless the account is gone since."""
    is_here = user_id is not None and get_user_model().objects.filter(pk=user_id).exists()
    return user_id if is_here else None
