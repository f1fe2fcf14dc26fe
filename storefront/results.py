"""Where a payment stands: booked, pending, failed. These pages need no session, and without the key of the
confirmation mail they show no personal data.

UPI apps open them in another browser than the one the customer ordered in.
"""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from bookings.calendar import invitation
from bookings.letters import receipt
from bookings.links import opens
from bookings.models import Booking
from cart.carts import find_cart
from cart.models import Cart
from payments.errors import NotFound
from payments.models import PaymentOrder
from payments.pages import destination
from storefront.orders import (
    can_be_paid,
    is_fully_returned,
    may_try_again,
    money_notes,
    outcome,
    telling,
    wait,
)


@never_cache
@require_safe
def booked(request: HttpRequest, booking_id: str) -> HttpResponse:
    """The booking. Its number can be guessed, so name and address are shown to its owner, to staff, and to
    whoever has the link of the confirmation mail."""
    booking = _find(booking_id)
    order = PaymentOrder.objects.named(booking.merchant_order_id).first()
    is_mine = _is_mine(booking, request)
    context = {
        "booking": booking,
        "is_mine": is_mine,
        "receipt": receipt(order) if is_mine else [],
        "key": request.GET.get("key", "") if is_mine else "",
        "notes": money_notes(booking),
        "is_returned": is_fully_returned(booking),
    }
    return render(request, "storefront/booked.html", context)


@never_cache
@require_safe
def calendar(request: HttpRequest, booking_id: str) -> HttpResponse:
    """The booking's date as a calendar file, for those who may see its address."""
    booking = _find(booking_id)
    if not _is_mine(booking, request):
        raise Http404("There is no such booking.")
    headers = {"Content-Disposition": f'attachment; filename="{booking.booking_id}.ics"'}
    return HttpResponse(invitation(booking), content_type="text/calendar; charset=utf-8", headers=headers)


@never_cache
@require_safe
def pending(request: HttpRequest, cart_id: str) -> HttpResponse:
    """What is known while nothing is final; moves on by itself when something is."""
    order = telling(cart_id)
    if order is None:
        return _to_cart(request, cart_id)
    if order.is_final:
        return HttpResponseRedirect(destination(order))
    context = {
        "order": order,
        "bought": order.snapshot,
        "wait": wait(order),
        "can_be_paid": can_be_paid(order),
    }
    return render(request, "storefront/pending.html", context)


@never_cache
@require_safe
def failed(request: HttpRequest, cart_id: str) -> HttpResponse:
    """What happened, what happens to the money, and a way to try again when that cannot pay twice."""
    order = telling(cart_id)
    if order is None:
        return _to_cart(request, cart_id)
    if destination(order) != f"/payment-failed/{cart_id}":
        return HttpResponseRedirect(destination(order))
    context = {
        "order": order,
        "bought": order.snapshot,
        "outcome": outcome(order),
        "again": _again(request, order) if may_try_again(cart_id) else "",
    }
    return render(request, "storefront/failed.html", context)


def _find(booking_id: str) -> Booking:
    booking = Booking.objects.filter(booking_id=booking_id).first()
    if booking is None:
        raise Http404("There is no such booking.")
    return booking


def _to_cart(request: HttpRequest, cart_id: str) -> HttpResponse:
    """Nothing has been paid or tried yet: to the cart, if there is one for this visitor."""
    try:
        found = find_cart(cart_id, user=request.user)
    except NotFound as refusal:
        raise Http404(refusal.message) from refusal
    return redirect("storefront:cart", cart_id=found.cart_id)


def _again(request: HttpRequest, order: PaymentOrder) -> str:
    """How this visitor can try again: "pay", "sign in" (another browser than the customer's), or not at all."""
    try:
        found = find_cart(order.cart_id, user=request.user)
    except NotFound:
        return "" if request.user.is_authenticated else "sign in"
    return "pay" if found.status == Cart.Status.OPEN else ""


def _is_mine(booking: Booking, request: HttpRequest) -> bool:
    user = request.user
    is_owner = booking.owner_id is not None and booking.owner_id == user.pk
    return user.is_staff or is_owner or opens(booking, request.GET.get("key", ""))
