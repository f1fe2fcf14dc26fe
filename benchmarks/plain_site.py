"""The status endpoint as one would write it first, for gunicorn: Django's ORM under the same settings.

Two queries and a dictionary; it knows no attempts, no owners and no verification.
"""

from __future__ import annotations

import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.shortcuts import get_object_or_404
from django.urls import path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "okpuja.settings")
application = get_wsgi_application()
settings.ROOT_URLCONF = __name__

from cart.models import Cart  # noqa: E402
from payments.models import PaymentOrder  # noqa: E402


def status(request: HttpRequest, cart_id: str) -> JsonResponse:
    """The contract's object, by the cart and its newest order."""
    cart = get_object_or_404(Cart, cart_id=cart_id)
    order = PaymentOrder.objects.filter(cart_id=cart_id).order_by("-created_at").first()
    assert order
    data = {
        "cart_id": cart_id,
        "payment_status": order.status,
        "payment_amount": f"{order.amount / 100:.2f}",
        "merchant_order_id": order.merchant_order_id,
        "booking_created": order.fulfilment == "BOOKED",
        "booking_id": order.fulfilment_reference or None,
        "cart_status": cart.status,
        "payment_created_at": order.created_at,
        "payment_completed_at": order.completed_at,
        "auto_verified": order.answered_at is not None,
    }
    return JsonResponse({"success": True, "data": data})


urlpatterns = [path("api/payments/cart/<str:cart_id>/status/", status)]
