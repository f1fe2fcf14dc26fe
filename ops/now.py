"""The first page: whether all is well, in a sentence, and the figures behind it."""

from __future__ import annotations

from collections.abc import Iterator

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from ops import health
from ops.access import staff_page
from ops.health import Health, Today
from ops.words import grouped, some, span

LATE_S = 60.0  # a due order is asked about within seconds while a checker runs
MANY_FAILED_PERCENT = 20.0
AUDIT_LATE_S = 900.0  # three of its runs
MANY_UNANNOUNCED = 5  # as the alert PaymentsWebhookSilence
FEW_CALLS = 5  # too few to speak of a rate


@staff_page()
@require_safe
def now(request: HttpRequest) -> HttpResponse:
    """How all is. The page reads itself again every few seconds."""
    found = health.read(timezone.now())
    troubles = list(_troubles(found))
    context = {"here": "now", "health": found, "troubles": troubles, "verdict": verdict(found, troubles)}
    return render(request, "ops/now.html", context)


def verdict(found: Health, troubles: list[str]) -> str:
    """One sentence for somebody who has no time."""
    return f"{_today(found)}; {_paying(found)}; {_needed(found, troubles)}."


def _today(found: Health) -> str:
    today = found.today
    if not today.paid:
        return "No payment has come in today"
    if today.open:
        settled = grouped(today.paid - today.open)
        return f"{settled} of {some(today.paid, 'payment', 'payments')} of today {_is(today)} settled"
    if today.paid == 1:
        return "The one payment of today is settled"
    return f"All {some(today.paid, 'payment', 'payments')} of today are settled"


def _is(today: Today) -> str:
    return "is" if today.paid - today.open == 1 else "are"


def _paying(found: Health) -> str:
    if not found.paying:
        return "nobody is paying just now"
    return f"{some(found.paying, 'customer is', 'customers are')} paying now"


def _needed(found: Health, troubles: list[str]) -> str:
    if found.attention:
        return f"{some(found.attention, 'payment needs', 'payments need')} you"
    return "see below what is wrong" if troubles else "nothing needs you"


def _troubles(found: Health) -> Iterator[str]:
    """What is wrong with the machinery, and what to do, each in a sentence or two."""
    if not found.checkers:
        yield (
            "No payment checker is running: payments are found only when customers come back."
            " Start okpuja-payment-checker on any machine."
        )
    if found.is_breaker_open:
        yield (
            "PhonePe does not answer, so calls pause and are tried again by themselves. Nothing is lost."
            " See PhonePe's status page."
        )
    if found.overdue_s > LATE_S:
        yield (
            f"{some(found.due, 'payment waits', 'payments wait')} to be asked about, the oldest for"
            f" {span(found.overdue_s)}. Start another checker, or see why the running ones are slow."
        )
    calls = found.calls
    if calls.count >= FEW_CALLS and calls.failed_percent > MANY_FAILED_PERCENT:
        yield f"{calls.failed_percent:.0f} % of the calls to PhonePe failed in the last hour."
    yield from _auditors(found)
    if found.unannounced >= MANY_UNANNOUNCED:
        yield (
            f"{some(found.unannounced, 'payment', 'payments')} came in the last hour, and not one webhook. They are"
            " found by asking, so customers wait longer. manage.py payments_doctor says whether webhooks can come in."
        )
    if found.failed_jobs:
        jobs = ", ".join(f"{job['task_name']} ({job['count']})" for job in found.failed_jobs)
        yield f"Jobs gave up for good: {jobs}. See the checker's log, mend the cause and retry them."


def _auditors(found: Health) -> Iterator[str]:
    """What the auditor found last, and its silence, which is no good news."""
    if found.audit_silent_s > AUDIT_LATE_S:
        ago = (found.now - found.audit.at).total_seconds() if found.audit else 0.0
        last = f"last ran {span(ago)} ago" if found.audit else "has never run"
        yield (
            f"The auditor {last}. It is a job of the checkers and runs every five minutes: see the checker's log,"
            " or run manage.py payment_audit."
        )
    if found.audit and found.audit.findings:
        rules = ", ".join(f"{name} ({count})" for name, count in sorted(found.audit.findings.items()))
        yield f"The auditor found broken rules: {rules}. manage.py payment_audit names the orders."
