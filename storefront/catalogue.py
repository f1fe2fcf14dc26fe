"""What can be booked, and the form with which a cart begins."""

from __future__ import annotations

from typing import Any

from django.db.models import Min, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from cart.carts import find_cart, open_cart
from cart.models import Cart
from cart.slots import SlotFull
from catalog.models import Puja
from payments.errors import NotFound
from storefront.forms import OrderForm

FULL = "This time is fully booked. Please choose another one."
LOOK = "look"  # the button that asks which times are free, and orders nothing


@require_safe
def catalogue(request: HttpRequest) -> HttpResponse:
    """All pujas, each with its lowest price."""
    lowest = Min("packages__price_paise", filter=Q(packages__is_active=True))
    pujas = Puja.objects.offered().annotate(from_paise=lowest)
    return render(request, "storefront/catalogue.html", {"pujas": pujas})


@require_http_methods(["GET", "HEAD", "POST"])
def puja(request: HttpRequest, slug: str) -> HttpResponse:
    """One puja with its packages; a form sent well becomes a cart, a look at a day only shows its free times."""
    chosen = get_object_or_404(Puja.objects.offered(), slug=slug)
    if LOOK in request.POST:
        form = OrderForm(puja=chosen, now=timezone.now(), initial=request.POST.dict())
    else:
        form = OrderForm(request.POST or None, puja=chosen, now=timezone.now(), initial=_known(request))
    if form.is_bound and form.is_valid():
        cart = _open(form, user=request.user)
        if cart is not None:
            return redirect("storefront:cart", cart_id=cart.cart_id)
    status = 422 if form.is_bound else 200
    return render(request, "storefront/puja.html", {"puja": chosen, "form": form}, status=status)


def _open(form: OrderForm, *, user: Any) -> Cart | None:
    """The form's cart; None when the time is full, which the form then says."""
    values = dict(form.cleaned_data)
    package = values.pop("package")
    try:
        return open_cart(package_id=package.pk, user=user, **values)
    except SlotFull:  # its message is English; what is free stands beside the date
        form.add_error("time", FULL)
        return None


def _known(request: HttpRequest) -> dict[str, Any]:
    """What need not be typed again: the cart that the customer comes back from, or the account's name."""
    try:
        cart = find_cart(request.GET.get("cart", ""), user=request.user)
    except NotFound:
        return _account(request)
    fields = ("date", "name", "email", "phone", "address")
    known = {field: getattr(cart, field) for field in fields}
    return known | {"package": cart.package_id, "time": cart.time.strftime("%H:%M")}


def _account(request: HttpRequest) -> dict[str, Any]:
    if not request.user.is_authenticated:
        return {}
    return {"name": request.user.get_full_name(), "email": request.user.email}
