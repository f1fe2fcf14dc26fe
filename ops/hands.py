"""What a person may do about an order: ask PhonePe now, refund, book anyway, mark as settled.

Each is confirmed on a page of its own and done by `payments.byhand` or `payments.refunds`, which record who did it.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from catalog.money import in_rupees, rupees
from ops import access
from ops.access import staff_page
from ops.forms import ReasonForm, RefundForm
from payments import byhand, completion, refunds
from payments.errors import Refusal
from payments.models import PaymentOrder
from payments.refunds import left_to_refund
from payments.states import OPEN, REFUND_OPEN, Attention, Fulfilment, Status

VERIFY_WAITS_S = 5.0


@dataclass(frozen=True, slots=True)
class Button:
    """A step that this person may take now, and the page that confirms it."""

    label: str
    url: str


def buttons(order: PaymentOrder, *, refundable_paise: int, user: Any) -> list[Button]:
    """The steps that make sense for the order as it stands and that `user` has the right to, the best first."""
    steps: list[Button] = []
    is_undelivered = order.status == Status.SUCCESS and order.fulfilment == Fulfilment.DUE
    if user.has_perm(access.VERIFY) and (order.status != Status.SUCCESS or is_undelivered):
        label = "Try to book again" if is_undelivered else "Ask PhonePe now"
        steps.append(Button(label, _url("verify", order)))
    if user.has_perm(access.REFUND) and refundable_paise > 0:
        steps.append(Button("Refund …", _url("refund", order)))
    is_held = order.attention == Attention.UNFULFILLABLE and refundable_paise == order.amount
    if user.has_perm(access.BOOK) and is_held:
        steps.append(Button("Book anyway …", _url("book", order)))
    if user.has_perm(access.SETTLE) and order.attention not in ("", Attention.FULFILMENT_FAILED):
        steps.append(Button("Mark as settled …", _url("settle", order)))
    return steps


def refundable(order: PaymentOrder) -> int:
    """Paise that a new refund could give back now: 0 while another one is under way."""
    if order.refunds.filter(state__in=REFUND_OPEN).exists():
        return 0
    return left_to_refund(order)


def known(merchant_order_id: str) -> PaymentOrder:
    """The order of this id. Raises Http404."""
    order = completion.find(merchant_order_id)
    if order is None:
        raise Http404("There is no such order.")
    return order


@staff_page(access.VERIFY)
@require_http_methods(["GET", "POST"])
def verify(request: HttpRequest, merchant_order_id: str) -> HttpResponse:
    """Ask PhonePe about the order now, or book it again when its money is in."""
    order = known(merchant_order_id)
    if request.method == "GET":
        return render(request, "ops/verify.html", {"order": order, "is_paid": order.status == Status.SUCCESS})
    by = request.user.get_username()
    try:
        order = byhand.verify(order.merchant_order_id, by=by, within_s=VERIFY_WAITS_S)
    except Refusal as refusal:
        return _refused(request, order, refusal)
    messages.success(request, f"Done. The payment is {order.status}{_and_then(order)}.")
    return _to_order(order)


@staff_page(access.SETTLE)
@require_http_methods(["GET", "POST"])
def settle(request: HttpRequest, merchant_order_id: str) -> HttpResponse:
    """Mark as settled what needed a person, with the reason."""
    order = known(merchant_order_id)
    form = ReasonForm(request.POST or None)
    # What the person decides about, also when the reason has to be entered again.
    seen = request.POST.get("seen", order.attention)
    if request.method == "GET" or not form.is_valid():
        ends_the_hold = order.status in OPEN and byhand.settling_ends_the_hold(order)
        context = {"order": order, "form": form, "seen": seen, "ends_the_hold": ends_the_hold}
        return render(request, "ops/settle.html", context)
    by, reason = request.user.get_username(), form.cleaned_data["reason"]
    try:
        byhand.settle_attention(order.merchant_order_id, by=by, reason=reason, seen=seen, now=timezone.now())
    except Refusal as refusal:
        return _refused(request, order, refusal)
    messages.success(request, "Marked as settled.")
    return _to_order(order)


@staff_page(access.REFUND)
@require_http_methods(["GET", "POST"])
def refund(request: HttpRequest, merchant_order_id: str) -> HttpResponse:
    """Give money back: first how much and why, then once more with the sum to confirm, then it is done."""
    order = known(merchant_order_id)
    left = refundable(order)
    form = RefundForm(request.POST or None)
    context = {"order": order, "form": form, "left_paise": left}
    if request.method == "GET" or not form.is_valid():
        return render(request, "ops/refund.html", context)
    amount, reason = form.amount_paise(left_paise=left), form.cleaned_data["reason"]
    if request.POST.get("sure") != "yes":
        key = secrets.token_urlsafe(16)  # the button may be pressed twice
        context |= {"amount": amount, "amount_text": in_rupees(amount), "reason": reason, "key": key}
        return render(request, "ops/refund_sure.html", context)
    try:
        made = refunds.request(
            order.merchant_order_id,
            amount_paise=amount,
            reason=reason,
            requested_by=request.user.get_username(),
            idempotency_key=request.POST.get("key", "")[:64],
            now=timezone.now(),
        )
    except Refusal as refusal:
        return _refused(request, order, refusal)
    messages.success(request, f"Refund of {rupees(made.amount)} recorded. PhonePe is told within seconds.")
    return _to_order(order)


@staff_page(access.BOOK)
@require_http_methods(["GET", "POST"])
def book(request: HttpRequest, merchant_order_id: str) -> HttpResponse:
    """Let the shop try once more to deliver what it refused, with the reason."""
    order = known(merchant_order_id)
    form = ReasonForm(request.POST or None, label="Why can it be delivered now?")
    if request.method == "GET" or not form.is_valid():
        return render(request, "ops/book.html", {"order": order, "form": form})
    by, reason = request.user.get_username(), form.cleaned_data["reason"]
    try:
        order = byhand.book_anyway(order.merchant_order_id, by=by, reason=reason, now=timezone.now())
    except Refusal as refusal:
        return _refused(request, order, refusal)
    if order.fulfilment == Fulfilment.BOOKED:
        messages.success(request, f"Booked as {order.fulfilment_reference}.")
    else:
        messages.error(request, "The shop has not booked it. The last lines below say why.")
    return _to_order(order)


def _and_then(order: PaymentOrder) -> str:
    return f" and booked as {order.fulfilment_reference}" if order.fulfilment == Fulfilment.BOOKED else ""


def _refused(request: HttpRequest, order: PaymentOrder, refusal: Refusal) -> HttpResponse:
    messages.error(request, f"Nothing was done. {refusal.message}")
    return _to_order(order)


def _to_order(order: PaymentOrder) -> HttpResponse:
    return redirect("ops:order", order.merchant_order_id)


def _url(step: str, order: PaymentOrder) -> str:
    return reverse(f"ops:{step}", args=[order.merchant_order_id])
