"""A day's account as a page and as CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from catalog.money import in_rupees
from ops import reconcile
from ops.access import staff_page
from ops.reconcile import Payment, Report

MOST = 300
FIRST_DAY = date(2000, 1, 1)
HEAD = (
    "paid_at", "merchant_order_id", "phonepe_order_id", "utr", "phonepe_took", "order_amount", "booking_id",
    "booked", "refunded", "refund_under_way", "difference", "explanation",
)  # fmt: skip


@staff_page()
@require_safe
def day(request: HttpRequest) -> HttpResponse:
    """The account of `?day=` (else of today): sums by kind, and every payment that is not simply booked."""
    today = timezone.localdate()
    try:
        wanted = read_day(request.GET.get("day") or today.isoformat())
    except ValueError as error:
        return HttpResponseBadRequest(str(error))
    report = reconcile.report(wanted)
    context = {
        "here": "day",
        "report": report,
        "shown": report.differences[:MOST],
        "kinds": [(kind.value, sums) for kind, sums in report.kinds.items()],
        "before": wanted - timedelta(days=1),
        "after": wanted + timedelta(days=1) if wanted < today else None,
        "today": today,
    }
    return render(request, "ops/day.html", context)


@staff_page()
@require_safe
def day_csv(request: HttpRequest) -> HttpResponse:
    """All payments of `?day=` as CSV, sums in rupees."""
    try:
        wanted = read_day(request.GET.get("day", ""))
    except ValueError as error:
        return HttpResponseBadRequest(str(error))
    answer = HttpResponse(content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="payments-{wanted}.csv"'
    write_csv(reconcile.report(wanted), answer)
    return answer


def read_day(text: str) -> date:
    """ "2026-11-24" as a date. Raises ValueError with a sentence for people."""
    try:
        wanted = date.fromisoformat(text)
    except ValueError:
        raise ValueError("Give the day as YYYY-MM-DD, for example 2026-11-24.") from None
    if not FIRST_DAY <= wanted <= date(9998, 12, 31):
        raise ValueError("There were no payments on that day.")
    return wanted


def write_csv(report: Report, file: Any) -> None:
    """The report's payments, one a line, and the bookings without a payment."""
    writer = csv.writer(file)
    writer.writerow(HEAD)
    writer.writerows(_lines(report))


def _lines(report: Report) -> Iterator[list[object]]:
    for payment in report.payments:
        yield _line(payment)
    for booking in report.unpaid_bookings:
        booked = in_rupees(booking.booked_paise)
        yield [
            "", booking.merchant_order_id, "", "", "", "", booking.booking_id,
            booked, "", "", -booked, "NOT EXPLAINED: a booking without a payment",
        ]  # fmt: skip


def _line(payment: Payment) -> list[object]:
    taken = "" if payment.taken_paise is None else in_rupees(payment.taken_paise)
    return [
        timezone.localtime(payment.at).isoformat(timespec="seconds"),
        _as_text(payment.merchant_order_id),
        _as_text(payment.gateway_order_id),
        _as_text(payment.utr),
        taken,
        in_rupees(payment.order_paise),
        payment.booking_id or "",
        in_rupees(payment.booked_paise),
        in_rupees(payment.sent_back_paise),
        in_rupees(payment.going_back_paise),
        in_rupees(payment.difference_paise),
        payment.kind.value,
    ]


def _as_text(value: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{value}" if value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
