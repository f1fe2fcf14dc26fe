"""What a stuck order of another system was for: its cart, if that is here, or what its row tells."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.utils import timezone

from cart import rules, slots
from cart.models import Cart
from cart.payable import snapshot
from catalog.models import Package
from payments.errors import NotFound
from payments.shop import Payable

UNKNOWN = "it is not known what was bought"
OVER = "the time that was bought is over"
NEEDED = ("package_id", "date", "time", "name", "email", "phone", "address")


def find(reference: str, columns: Mapping[str, str]) -> Payable:
    """The cart of this reference, or one made up of the columns `NEEDED`, as something that was paid for.

    Hindered when its time is over or given to others: then only the money can go back. Raises NotFound when
    there is no such cart and a column is missing or says nothing that a cart could hold.
    """
    cart = _known(reference) or _made_up(reference, columns)
    when = slots.When(cart.package.puja_id, cart.date, cart.time)
    is_over = datetime.combine(cart.date, cart.time) <= timezone.localtime().replace(tzinfo=None)
    is_gone = slots.is_gone(reference, when)
    hindrance = OVER if is_over else slots.GONE if is_gone else ""
    return Payable(reference, cart.total_paise, snapshot=snapshot(cart), hindrance=hindrance)


def _known(reference: str) -> Cart | None:
    try:
        return Cart.objects.select_related("package__puja").filter(cart_id=UUID(reference)).first()
    except ValueError:
        return None


def _made_up(reference: str, columns: Mapping[str, str]) -> Cart:
    """A cart that is not saved: the booking needs its content alone."""
    if not all(columns.get(name, "").strip() for name in NEEDED):
        raise NotFound(UNKNOWN)
    try:
        content: dict[str, Any] = {
            "date": date.fromisoformat(columns["date"].strip()),
            "time": rules.clock(columns["time"].strip()[:5]),
            "name": rules.name(columns["name"]),
            "email": rules.email(columns["email"]),
            "phone": rules.phone(columns["phone"]),
            "address": rules.address(columns["address"]),
        }
        package = Package.objects.select_related("puja").filter(pk=int(columns["package_id"])).first()
    except ValueError as wrong:
        raise NotFound(f"{UNKNOWN}: {wrong}") from wrong
    if package is None:
        raise NotFound(f"{UNKNOWN}: there is no package {columns['package_id']}")
    return Cart(package=package, **content)
