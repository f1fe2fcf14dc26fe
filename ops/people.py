"""Whose booking it is, as much of it as the reader may know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bookings.models import Booking

DOTS = "•••"


@dataclass(frozen=True, slots=True)
class Person:
    """A customer's name, mail, phone and address; "" where the order does not say."""

    name: str = ""
    email: str = ""
    phone: str = ""
    address: str = ""

    def masked(self) -> Person:
        """Enough to recognise somebody on the phone, too little to reach or name anybody."""
        return Person(
            name=" ".join(f"{word[0]}{DOTS}" for word in self.name.split()),
            email=_masked_email(self.email),
            phone=f"{DOTS} {self.phone[-4:]}" if self.phone else "",
            address=DOTS if self.address else "",
        )


def person(snapshot: Mapping[str, Any], booking: Booking | None, *, plain: bool) -> Person:
    """Whom the booking (else the order's snapshot) names, masked unless `plain`."""
    if booking is not None:
        found = Person(booking.name, booking.email, booking.phone, booking.address)
    else:
        found = Person(*(str(snapshot.get(field) or "") for field in ("name", "email", "phone", "address")))
    return found if plain else found.masked()


def cart(cart_id: str, *, plain: bool) -> str:
    """The cart's id, unless `plain` its beginning: whoever has the whole id has a guest's cart."""
    return cart_id if plain else f"{cart_id[:8]}…"


def _masked_email(email: str) -> str:
    if not email:
        return ""
    box, _, host = email.rpartition("@")
    return f"{box[:1]}{DOTS}@{host}"
