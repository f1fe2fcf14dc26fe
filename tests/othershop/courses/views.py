"""The button that starts a payment, and the three pages to which the return page sends learners on."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_safe

from payments import checkout, metrics
from payments.errors import Refusal
from payments.models import PaymentOrder
from payments.states import REFUND_OPEN, RefundState
from tests.othershop.courses.models import Course
from tests.othershop.courses.payable import find, seat


@login_required
@ensure_csrf_cookie
def enrol(request: HttpRequest, course_id: int) -> HttpResponse:
    """GET: what the course costs. POST: on to PhonePe's pay page."""
    course = get_object_or_404(Course, pk=course_id)
    if request.method != "POST":
        return HttpResponse(f"{course.title}: ₹{course.price_paise / 100:.2f}")
    try:
        started = checkout.start(seat(course, request.user.pk))
    except Refusal as refusal:
        return HttpResponse(refusal.message, status=refusal.status)
    return HttpResponseRedirect(started.order.pay_page_url)


def success(request: HttpRequest, enrolment: str) -> HttpResponse:
    return HttpResponse(f"You are enrolled: {enrolment}.")


def pending(request: HttpRequest, reference: str) -> HttpResponse:
    return HttpResponse("Your payment is being confirmed. You need not stay on this page.")


def failed(request: HttpRequest, reference: str) -> HttpResponse:
    return HttpResponse("You are not enrolled. Money that was taken is given back.")


@login_required
@require_safe
def money(request: HttpRequest, reference: str) -> HttpResponse:
    """For the learner: what came of each payment for a seat, and what of the money goes back."""
    try:
        find(reference, user=request.user)
    except Refusal as refusal:
        return HttpResponse(refusal.message, status=refusal.status)
    orders = PaymentOrder.objects.filter(cart_id=reference).prefetch_related("refunds").order_by("pk")
    return HttpResponse("\n".join(_told(order) for order in orders))


def _told(order: PaymentOrder) -> str:
    refunds = order.refunds.all()
    coming = sum(refund.amount for refund in refunds if refund.state in REFUND_OPEN)
    returned = sum(refund.amount for refund in refunds if refund.state == RefundState.COMPLETED)
    return (
        f"{order.get_status_display()}; {order.get_fulfilment_display()};"
        f" ₹{coming / 100:.2f} on the way back, ₹{returned / 100:.2f} given back"
    )


@require_safe
def prometheus(request: HttpRequest) -> HttpResponse:
    """What the engine has to say to Prometheus; it reads the database, so any process may be asked."""
    return HttpResponse(metrics.exposition(), content_type=metrics.CONTENT_TYPE)
