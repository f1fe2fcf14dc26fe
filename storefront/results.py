"""Where a payment stands: booked, pending, failed. These pages need no session and show no personal data.

UPI apps open them in another browser than the one the customer ordered in.
"""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from bookings.models import Booking
from cart.carts import find_cart
from cart.models import Cart
from payments.errors import NotFound
from payments.models import PaymentOrder
from payments.pages import destination
from payments.states import Status
from storefront.orders import may_try_again, outcome, refunds_to_tell, telling


@never_cache
@require_safe
def booked(request: HttpRequest, booking_id: str) -> HttpResponse:
    """The booking. Its number can be guessed, so name and address are shown to its owner and staff alone."""
    booking = Booking.objects.filter(booking_id=booking_id).first()
    if booking is None:
        raise Http404("There is no such booking.")
    context = {
        "booking": booking,
        "is_mine": _is_mine(booking, request.user),
        "refunds": refunds_to_tell(booking.cart_id),
    }
    return render(request, "storefront/booked.html", context)


@never_cache
@require_safe
def pending(request: HttpRequest, cart_id: str) -> HttpResponse:
    """What is known while PhonePe has not spoken; moves on by itself when it has."""
    order = telling(cart_id)
    if order is None:
        return _to_cart(request, cart_id)
    if order.is_final:
        return HttpResponseRedirect(destination(order))
    context = {"order": order, "bought": order.snapshot, "is_paid": order.status == Status.SUCCESS}
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


def _is_mine(booking: Booking, user: object) -> bool:
    if user.is_staff:
        return True
    return booking.owner_id is not None and booking.owner_id == user.pk
