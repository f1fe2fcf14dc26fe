"""From the cart to PhonePe's page."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from cart.carts import find_cart
from cart.models import Cart
from cart.payable import NEW_DATE, NOT_OFFERED, hindrance, payable
from cart.slots import TAKEN_BY_OTHERS
from catalog.money import rupees
from payments import checkout
from payments.errors import AlreadyPaid, NotFound, Refusal
from payments.models import PaymentOrder
from payments.pages import destination
from payments.states import Fulfilment, Status
from storefront.orders import telling


class SeeOther(HttpResponseRedirect):
    """After a POST: go there with GET."""

    status_code = 303


@never_cache
@require_safe
def cart(request: HttpRequest, cart_id: UUID) -> HttpResponse:
    """The summary with the way to pay; a cart that is paid for leads to where it stands."""
    found = _find(request, cart_id)
    order = telling(str(cart_id))
    if order is not None and _is_paid(order):
        return HttpResponseRedirect(destination(order))
    return _summary(request, found, order)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def pay(request: HttpRequest, cart_id: UUID) -> HttpResponse:
    """Open the payment and send the customer to PhonePe's page, or say calmly why that cannot be now."""
    if request.method != "POST":  # reloaded, or come back to after the language was changed
        return redirect("storefront:cart", cart_id=cart_id)
    found = _find(request, cart_id)
    trouble = _new_price(found, seen_total=request.POST.get("total", ""))
    if trouble:
        return _summary(request, found, telling(str(cart_id)), trouble=trouble, status=409)
    try:
        order = checkout.start(payable(found)).order
    except AlreadyPaid:
        return SeeOther(destination(_telling_or_404(cart_id)))
    except Refusal as refusal:
        order = telling(str(cart_id))
        return _summary(request, found, order, trouble=refusal.message, status=refusal.status)
    # Without a page the checker was faster than the creation's answer: the order is watched, and told about.
    return SeeOther(order.pay_page_url or destination(order))


def _find(request: HttpRequest, cart_id: UUID) -> Cart:
    try:
        return find_cart(str(cart_id), user=request.user)
    except NotFound as refusal:
        raise Http404(refusal.message) from refusal


def _telling_or_404(cart_id: UUID) -> PaymentOrder:
    order = telling(str(cart_id))
    if order is None:
        raise Http404("No payment has been started for this cart.")
    return order


def _is_paid(order: PaymentOrder) -> bool:
    return order.status == Status.SUCCESS and order.fulfilment != Fulfilment.UNFULFILLABLE


def _new_price(found: Cart, *, seen_total: str) -> str:
    """What to say when the customer saw another price than the one a new payment would take; "" when not."""
    is_open = PaymentOrder.objects.open().filter(cart_id=str(found.cart_id)).exists()
    if not seen_total or seen_total == str(found.total_paise) or is_open:
        return ""
    return _("The price is now %(amount)s. Please check it once more before you pay.") % {
        "amount": rupees(found.total_paise)
    }


def _summary(
    request: HttpRequest, found: Cart, order: PaymentOrder | None, *, trouble: str = "", status: int = 200
) -> HttpResponse:
    begun = order if order is not None and not order.is_final else None
    is_in_doubt = PaymentOrder.objects.in_doubt().filter(cart_id=str(found.cart_id)).exists()
    if is_in_doubt:
        trouble = checkout.IN_DOUBT
    elif not begun and not trouble:
        trouble = hindrance(found, now=timezone.localtime())
    context = {
        "cart": found,
        "total": begun.amount if begun else found.total_paise,
        "begun": begun,
        "trouble": trouble,
        "is_in_doubt": is_in_doubt,
        "is_over": trouble in (NEW_DATE, NOT_OFFERED, TAKEN_BY_OTHERS),
    }
    return render(request, "storefront/cart.html", context, status=status)
