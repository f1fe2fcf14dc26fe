"""Links that open a booking with its details to whoever got them by mail."""

from __future__ import annotations

from django.conf import settings
from django.core.signing import Signer
from django.utils.crypto import constant_time_compare

from bookings.models import Booking

_SALT = "bookings.links"


def own_page(booking: Booking) -> str:
    """The address of the booking's page, with the key that shows name and address."""
    return f"{settings.PUBLIC_URL}/booking-success/{booking.booking_id}?key={key(booking)}"


def key(booking: Booking) -> str:
    """A signature over the booking's number; it does not expire, as the mail does not."""
    return Signer(salt=_SALT).signature(booking.booking_id)


def opens(booking: Booking, given: str) -> bool:
    """Whether `given` is the booking's key, by the secret of today or one that was replaced."""
    secrets = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    keys = (Signer(key=secret, salt=_SALT).signature(booking.booking_id) for secret in secrets)
    return any(constant_time_compare(given, known) for known in keys)
