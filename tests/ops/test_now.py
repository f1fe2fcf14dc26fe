"""The first page: one sentence that is true, and what is wrong with the machinery."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.utils import timezone
from procrastinate.contrib.django import app as jobs

from ops import health, now
from payments import transitions
from payments.models import AuditRun, Checker, GatewayThrottle, PaymentOrder, WebhookDelivery
from payments.states import Source
from phonepe_pg import Unavailable, UnknownOrder
from tests import make
from tests.ops import rows

pytestmark = pytest.mark.django_db(transaction=True)

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=ZoneInfo("Asia/Kolkata"))


def checker(seen_at: datetime = NOON, **fields: Any) -> Checker:
    """A checker that has run for hours, and its auditor's run of just now."""
    audited(seen_at)
    values = {"name": "host:1", "started_at": NOON - timedelta(hours=5), "seen_at": seen_at, "interval_s": 60}
    return Checker.objects.create(**values | fields)


def audited(at: datetime, **findings: int) -> None:
    AuditRun.objects.create(at=at, took_ms=5, findings=findings)


def quiet(**fields: Any) -> PaymentOrder:
    """An order that somebody is paying at noon, not due yet."""
    return make.order(now=NOON, **{"next_check_at": NOON + timedelta(minutes=1)} | fields)


def told() -> tuple[str, list[str]]:
    found = health.read(NOON)
    troubles = list(now._troubles(found))
    return now.verdict(found, troubles), troubles


def asked(answer: Any, times: int = 1) -> None:
    order = make.order(now=NOON, next_check_at=None)
    for _ in range(times):
        transitions.record_answer(order, answer, source=Source.CHECKER, now=NOON - timedelta(minutes=1))


def test_now_when_nothing_happened_says_so():
    checker()

    assert told() == ("No payment has come in today; nobody is paying just now; nothing needs you.", [])


def test_now_when_all_is_well_says_so_in_a_sentence():
    checker()
    for _ in range(2):
        rows.booked(at=NOON - timedelta(hours=1))
    for _ in range(3):
        quiet()

    assert told() == (
        "All 2 payments of today are settled; 3 customers are paying now; nothing needs you.",
        [],
    )


def test_now_counts_from_midnight_in_kolkata():
    checker()
    rows.booked(at=NOON - timedelta(hours=12))
    rows.booked(at=NOON - timedelta(hours=12, seconds=1))

    found = health.read(NOON).today

    assert (found.paid, found.paid_paise, found.open) == (1, 149900, 0)


def test_now_when_a_paid_order_is_not_booked_says_how_many():
    checker()
    order = rows.booked(at=NOON)
    paid = {"completed_at": NOON, "fulfilment": "DUE", "next_check_at": NOON + timedelta(hours=1)}
    make.order("SUCCESS", now=NOON, **paid)

    verdict, _ = told()

    assert order.fulfilment == "BOOKED"
    assert verdict.startswith("1 of 2 payments of today is settled;")


def test_now_when_a_person_is_needed_says_so():
    checker()
    rows.undelivered(at=NOON, attention="unfulfillable")

    assert told()[0] == "0 of 1 payment of today are settled; nobody is paying just now; 1 payment needs you."


def test_now_without_a_checker_says_what_to_do():
    checker(seen_at=NOON - timedelta(seconds=121))

    verdict, troubles = told()

    assert verdict.endswith("see below what is wrong.")
    assert [t.split(":")[0] for t in troubles] == ["No payment checker is running"]
    assert [c.name for c in health.read(NOON).silent_checkers] == ["host:1"]


def test_now_with_an_open_breaker_says_that_nothing_is_lost():
    checker()
    GatewayThrottle.objects.update_or_create(
        pk=1, defaults={"rate": 5, "refilled_at": NOON, "adapted_at": NOON, "pause_s": 8, "failures": 9}
    )

    (trouble,) = told()[1]

    assert trouble.startswith("PhonePe does not answer")


@pytest.mark.parametrize(("late_s", "troubles"), [(59, 0), (61, 1)])
def test_now_speaks_of_orders_that_are_overdue(late_s, troubles):
    checker()
    quiet(next_check_at=NOON - timedelta(seconds=late_s))

    found = told()[1]

    assert len(found) == troubles
    assert health.read(NOON).overdue_s == late_s


def test_now_speaks_of_failing_calls_but_not_of_orders_that_phonepe_does_not_know():
    checker()
    asked(make.trouble(UnknownOrder("none", http_status=400), at=NOON), times=8)
    asked(make.trouble(Unavailable("down", http_status=503), at=NOON), times=2)

    before = told()[1]
    asked(make.trouble(Unavailable("down", http_status=503), at=NOON), times=2)

    calls = health.read(NOON).calls
    assert (before, calls.count, calls.failed, calls.p50_ms, calls.p99_ms) == ([], 12, 4, 5.0, 5.0)
    assert told()[1] == ["33 % of the calls to PhonePe failed in the last hour."]


def test_now_names_jobs_that_gave_up():
    checker()
    job_id = jobs.configure_task("bookings.send_confirmation").defer(booking_id="BK-00000000")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET status = 'failed' WHERE id = %s", [job_id])

    (trouble,) = told()[1]

    assert trouble.startswith("Jobs gave up for good: bookings.send_confirmation (1).")


@pytest.mark.parametrize(("ago_min", "troubles"), [(14, 0), (16, 1)])
def test_now_speaks_of_an_auditor_that_is_silent_beside_a_checker(ago_min, troubles):
    checker()
    AuditRun.objects.update(at=NOON - timedelta(minutes=ago_min))

    verdict, found = told()

    assert len(found) == troubles
    assert verdict.endswith("see below what is wrong." if troubles else "nothing needs you.")
    assert [trouble.split(".")[0] for trouble in found] == ["The auditor last ran 16 min ago"][:troubles]


@pytest.mark.parametrize(("up_min", "found"), [(14, []), (16, ["The auditor has never run"])])
def test_now_gives_a_new_checker_time_for_its_first_audit(up_min, found):
    checker(started_at=NOON - timedelta(minutes=up_min))
    AuditRun.objects.all().delete()

    assert [trouble.split(".")[0] for trouble in told()[1]] == found


def test_now_gives_a_checker_that_was_started_again_time_for_its_audit():
    checker(started_at=NOON - timedelta(minutes=14))
    AuditRun.objects.update(at=NOON - timedelta(hours=9))

    before = told()[1]
    Checker.objects.update(started_at=NOON - timedelta(minutes=16))

    assert before == []
    assert [trouble.split(".")[0] for trouble in told()[1]] == ["The auditor last ran 9 h ago"]


def test_now_without_a_checker_does_not_blame_the_auditor_too():
    checker(seen_at=NOON - timedelta(hours=1))

    assert [trouble.split(":")[0] for trouble in told()[1]] == ["No payment checker is running"]


def test_now_says_what_the_auditor_found_last_and_forgets_it_when_all_is_well_again():
    checker()
    audited(NOON + timedelta(seconds=1), unpaid_booking=2)

    verdict, (trouble,) = told()
    audited(NOON + timedelta(seconds=2))

    assert verdict.endswith("see below what is wrong.")
    assert trouble.startswith(
        "The auditor found broken rules: unpaid_booking (2). manage.py payment_audit names"
    )
    assert told()[1] == []


def test_now_speaks_of_webhooks_that_stay_away():
    checker()
    for _ in range(5):
        rows.booked(at=NOON - timedelta(minutes=5))

    verdict, (trouble,) = told()
    webhook = WebhookDelivery.objects.create(body_sha256="x", received_at=NOON - timedelta(minutes=59))

    assert verdict.endswith("see below what is wrong.")
    assert trouble.startswith("5 payments came in the last hour, and not one webhook.")
    assert told()[1] == []
    WebhookDelivery.objects.filter(pk=webhook.pk).update(received_at=NOON - timedelta(minutes=61))
    assert told()[1] == [trouble]


def test_now_page_shows_the_machinery(boss):
    at = timezone.now()
    swept_at = at - timedelta(hours=3)
    checker(seen_at=at, started_at=at - timedelta(hours=5), version="0.1.0", swept_at=swept_at)
    checker(seen_at=at - timedelta(hours=2), name="host:2", version="0.0.9")
    rows.booked()

    text = boss.get("/ops/").content.decode()

    for fact in ("The one payment of today is settled", "₹1,499.00", "1 call, 0 failed"):
        assert fact in text
    cells = [re.sub(r"<[^>]+>|\s+", " ", row).split() for row in re.findall(r"<tr>.*host:.*</tr>", text)]
    assert [cell[:2] for cell in cells] == [["host:1", "0.1.0"], ["host:2", "0.0.9"]]
    assert "3 h ago" in text
    assert "silent for 2 h" in text
