"""The button that starts a payment, and the three pages to which the return page sends learners on."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_safe

from payments import checkout, metrics
from payments.errors import Refusal
from tests.othershop.courses.models import Course
from tests.othershop.courses.payable import seat


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


@require_safe
def prometheus(request: HttpRequest) -> HttpResponse:
    """What the engine has to say to Prometheus; it reads the database, so any process may be asked."""
    return HttpResponse(metrics.exposition(), content_type=metrics.CONTENT_TYPE)
