"""Find an order by whatever somebody has in hand: its id, cart, booking number, UTR, phone or mail."""

from __future__ import annotations

import re
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from bookings.models import Booking
from cart import rules
from ops.access import may_see_people, staff_page
from ops.people import Person, person
from payments.models import PaymentOrder, Refund

MOST = 50
LONGEST = 254


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
    return render(request, "ops/search.html", {"q": wanted, "hits": hits, "most": MOST})


def find(wanted: str) -> list[PaymentOrder]:
    """Up to `MOST` orders that fit a text exactly, the newest first; upper and lower case do not matter."""
    if not wanted or "\0" in wanted:
        return []
    orders = PaymentOrder.objects.filter(_fitting(wanted))
    return list(orders.order_by("-created_at", "-pk")[:MOST])


def _fitting(wanted: str) -> Q:
    if "@" in wanted:
        return _of_person("email", wanted)
    fitting = _of_ids(wanted)
    try:
        return fitting | _of_person("phone", rules.phone(wanted))
    except ValueError:
        return fitting


def _of_ids(wanted: str) -> Q:
    fitting = Q(merchant_order_id__in=[wanted, wanted.upper()]) | Q(cart_id=_cart(wanted))
    if re.fullmatch(r"BK-[0-9A-F]{8}", wanted.upper()):
        booked = Booking.objects.filter(booking_id=wanted.upper()).values_list("merchant_order_id", flat=True)
        return fitting | Q(merchant_order_id__in=list(booked))
    if wanted.upper().startswith("OKR-"):
        refunded = Refund.objects.filter(merchant_refund_id=wanted.upper()).values_list("order_id", flat=True)
        return fitting | Q(pk__in=list(refunded))
    return fitting | Q(utr=wanted) | Q(gateway_order_id=wanted)


def _of_person(field: str, value: str) -> Q:
    """Orders whose booking names the person, or whose snapshot does (those that were never booked)."""
    booked = Booking.objects.filter(**{f"{field}__iexact": value}).order_by("-pk")
    ids = list(booked.values_list("merchant_order_id", flat=True)[:MOST])
    return Q(merchant_order_id__in=ids) | Q(**{f"snapshot__{field}__iexact": value})


def _cart(wanted: str) -> str:
    try:
        return str(UUID(wanted))
    except ValueError:
        return wanted


def _hits(orders: list[PaymentOrder], *, plain: bool) -> list[Hit]:
    ids = [order.merchant_order_id for order in orders]
    bookings = {b.merchant_order_id: b for b in Booking.objects.filter(merchant_order_id__in=ids)}
    return [Hit(o, person(o.snapshot, bookings.get(o.merchant_order_id), plain=plain)) for o in orders]
