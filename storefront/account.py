"""For signed-in customers."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from bookings.models import Booking
from storefront.orders import returned_among


@never_cache
@require_safe
@login_required
def my_bookings(request: HttpRequest) -> HttpResponse:
    """The customer's own bookings, the newest first."""
    bookings = Booking.objects.filter(owner=request.user)
    context = {"bookings": bookings, "returned": returned_among(bookings)}
    return render(request, "storefront/my_bookings.html", context)
