"""The shop of the model test: a slot with few places, and a fulfilment that can be told to misbehave.

Bookings are the real ones; places are rows, so that a rollback takes them back like anything else.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.utils import timezone

from bookings import fulfilment, many
from payments.errors import NotPayable, Unfulfillable
from payments.models import Checker
from payments.shop import PaidOrder, Payable

PLACES = 2
KEPT, TAKEN = "kept for ", "taken by "
mood = ""  # "raises", "refuses" or ""


def behave(how: str = "") -> None:
    """What the fulfilment does from now on."""
    global mood
    mood = how


def hold(payable: Payable) -> None:
    if not _is_here(KEPT + payable.reference) and not _is_here(TAKEN + payable.reference):
        if not _has_room():
            raise NotPayable("All places are taken.")
        _write(KEPT + payable.reference)


def release(reference: str) -> None:
    Checker.objects.filter(name=KEPT + reference).delete()


def fulfil(paid: PaidOrder) -> str:
    booking = fulfilment.fulfil(paid)  # refuses a second order of a cart before a place is looked for
    if mood == "raises":
        raise RuntimeError("a bug of the shop's")
    if mood == "refuses":
        raise Unfulfillable("The shop has changed its mind.")
    if not _is_here(TAKEN + paid.reference):
        if not _is_here(KEPT + paid.reference) and not _has_room():
            raise Unfulfillable("The slot is gone.")
        release(paid.reference)
        _write(TAKEN + paid.reference)
    return booking


def fulfil_many(paid: Sequence[PaidOrder]) -> dict[str, str]:
    """Those whose place is kept; a shop that misbehaves does so after it has written."""
    plain = [order for order in paid if _is_here(KEPT + order.reference)]
    booked = many.book(plain)
    for order in plain:
        release(order.reference)
        _write(TAKEN + order.reference)
    if mood:
        raise RuntimeError("a bug of the shop's")
    return booked


def kept() -> set[str]:
    return _names(KEPT)


def taken() -> set[str]:
    return _names(TAKEN)


def _has_room() -> bool:
    return len(kept()) + len(taken()) < PLACES


def _is_here(name: str) -> bool:
    return Checker.objects.filter(name=name).exists()


def _names(prefix: str) -> set[str]:
    names = Checker.objects.filter(name__startswith=prefix).values_list("name", flat=True)
    return {name.removeprefix(prefix) for name in names}


def _write(name: str) -> None:
    now = timezone.now()
    Checker.objects.create(name=name, started_at=now, seen_at=now, interval_s=1)
