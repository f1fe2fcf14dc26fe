"""Find an order by whatever somebody has in hand: its id, cart, booking number, UTR, phone or mail."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass

from django.db.models import CharField, Max, Q
from django.db.models.functions import Cast
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from bookings.models import Booking
from cart import rules
from cart.models import Cart
from ops.access import may_see_people, staff_page
from ops.people import Person, person
from payments import finding
from payments.models import PaymentOrder

MOST = 50
LONGEST = 254
LATELY = 5_000  # orders
NUMBER = re.compile(r"BK-[0-9A-F]{8}")


@dataclass(frozen=True, slots=True)
class Hit:
    """An order that was found, and whose it is."""

    order: PaymentOrder
    customer: Person


@staff_page()
@require_safe
def search(request: HttpRequest) -> HttpResponse:
    """The orders that fit `?q=`, the newest first; straight to the order when an id names exactly one."""
    wanted = request.GET.get("q", "").strip()[:LONGEST]
    orders = find(wanted)
    if len(orders) == 1:
        return redirect("ops:order", orders[0].merchant_order_id)
    hits = _hits(orders, plain=may_see_people(request.user))
    return render(request, "ops/search.html", {"q": wanted, "hits": hits, "most": MOST, "lately": LATELY})


def find(wanted: str) -> list[PaymentOrder]:
    """Up to `MOST` orders that fit a text exactly, the newest first; upper and lower case do not matter."""
    if not wanted or "\0" in wanted:
        return []
    if "@" in wanted:
        return finding.newest(_of_person("email__iexact", wanted), most=MOST)
    ways = [*finding.by_id(wanted), *_of_booking(wanted)]
    with suppress(ValueError):
        ways += _of_person("phone", rules.phone(wanted))
    return finding.newest(ways, most=MOST)


def _of_booking(wanted: str) -> list[Q]:
    booked = Booking.objects.filter(booking_id=wanted.upper()).values("merchant_order_id")
    return [Q(merchant_order_id__in=booked)] if NUMBER.fullmatch(wanted.upper()) else []


def _of_person(field: str, value: str) -> list[Q]:
    """Orders whose booking names the person, or whose cart does (those that were never booked).

    Those of other systems may have neither (`rescue_orders`): the snapshot tells, of the `LATELY` last orders, since
    an index over all of them would have to be written at every ask.
    """
    booked = Booking.objects.filter(**{field: value}).values("merchant_order_id")
    wished = Cart.objects.filter(**{field: value}).values(named=Cast("cart_id", CharField()))
    last = PaymentOrder.objects.aggregate(pk=Max("pk"))["pk"] or 0
    lately = Q(pk__gt=last - LATELY, **{f"snapshot__{field}": value})
    return [Q(merchant_order_id__in=booked), Q(cart_id__in=wished), lately]


def _hits(orders: list[PaymentOrder], *, plain: bool) -> list[Hit]:
    ids = [order.merchant_order_id for order in orders]
    bookings = {b.merchant_order_id: b for b in Booking.objects.filter(merchant_order_id__in=ids)}
    return [Hit(o, person(o.snapshot, bookings.get(o.merchant_order_id), plain=plain)) for o in orders]
