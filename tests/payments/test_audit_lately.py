"""A run between two whole audits looks at what was touched, forgets no break, and leaves no gap behind it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from payments import audit, claims
from payments.models import AuditRun, PaymentEvent, PaymentOrder
from payments.states import Source, Status
from tests import make

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 11, 24, 6, 30, tzinfo=UTC)  # in Asia/Kolkata
NIGHT = NOON - timedelta(hours=8, minutes=30)  # half past three


@pytest.fixture(autouse=True)
def shop(plug):
    plug("delivers")


@pytest.fixture
def by_day(settings):
    """The whole audit is half a day away, whatever the time is."""
    night = timezone.localtime() + timedelta(hours=12)
    settings.PAYMENTS = settings.PAYMENTS | {"WHOLE_AUDIT_AT": f"{night:%H:%M}"}


def noted(at: datetime, *, is_whole: bool = True, **fields) -> AuditRun:
    return AuditRun.objects.create(at=at, took_ms=1, is_whole=is_whole, **({"broken": {}} | fields))


def broken(*, ago: timedelta = timedelta(), **fields) -> PaymentOrder:
    """An order without evidence of its payment, last touched so long ago."""
    values = {"fulfilment": "BOOKED", "next_check_at": None, "completed_at": timezone.now() - ago}
    order = make.order(Status.SUCCESS, age_s=ago.total_seconds(), **values | fields)
    moved = {"kind": "moved", "from_status": "INITIATED", "to_status": "SUCCESS"}
    PaymentEvent.objects.create(order=order, at=order.created_at, **moved)
    return order


def run_at(now: datetime) -> tuple[bool, dict[str, int]]:
    made = audit.run(now=now)
    return made.is_whole, made.findings


@pytest.mark.usefixtures("by_day")
def test_an_old_break_is_found_by_the_whole_audit_and_told_by_each_run_until_it_is_mended():
    now, an_hour = timezone.now(), timedelta(hours=1)
    order = broken(ago=timedelta(days=2))
    noted(now - an_hour)
    missed = run_at(now)
    AuditRun.objects.update(is_whole=False)

    told = [run_at(now + an_hour * hour) for hour in range(1, 5)]
    PaymentOrder.objects.filter(pk=order.pk).update(gateway_state="COMPLETED")
    mended = [run_at(now + an_hour * hour) for hour in range(5, 7)]

    is_found = {"paid_without_evidence": 1}
    assert missed == (False, {})
    assert told == [(True, is_found)] + 3 * [(False, is_found)]
    assert mended == [(False, {}), (False, {})]


@pytest.mark.usefixtures("by_day")
def test_what_broke_before_a_run_that_failed_is_found_by_the_next_one(monkeypatch):
    now = timezone.now()
    noted(now - timedelta(hours=1))
    broken(ago=timedelta(minutes=50))
    with monkeypatch.context() as failing:
        failing.setattr(audit, "_was_dealt_with", lambda *arguments: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            audit.run(now=now - timedelta(minutes=30))

    found = run_at(now)

    assert (found, AuditRun.objects.count()) == ((False, {"paid_without_evidence": 1}), 2)


@pytest.mark.usefixtures("by_day")
def test_a_rule_that_breaks_by_waiting_is_found_broken_when_its_time_is_over():
    now = timezone.now()
    noted(now - timedelta(minutes=1))
    broken(ago=timedelta(minutes=11), fulfilment="DUE", gateway_state="COMPLETED")

    assert run_at(now) == (False, {"paid_without_delivery": 1})


@pytest.mark.parametrize(
    ("runs", "is_whole"),
    [
        ([], True),
        ([(NIGHT, True)], False),
        ([(NIGHT, True), (NOON, False)], False),
        ([(NIGHT - timedelta(seconds=1), True), (NOON, False)], True),
        ([(NIGHT, False)], True),
    ],
)
def test_the_first_run_of_a_day_from_the_wanted_time_on_is_whole(runs, is_whole):
    for at, was_whole in runs:
        noted(at, is_whole=was_whole)

    assert run_at(NOON)[0] == is_whole


def test_a_run_after_one_of_an_older_release_is_whole():
    noted(NIGHT, broken=None)

    assert run_at(NOON)[0]


def test_the_time_of_the_whole_audit_may_be_set(settings):
    settings.PAYMENTS = settings.PAYMENTS | {"WHOLE_AUDIT_AT": "12:00"}
    noted(NIGHT)

    before, at = run_at(NOON - timedelta(minutes=1)), run_at(NOON)

    assert (before[0], at[0]) == (False, True)


def test_only_the_last_run_keeps_where_to_look_again():
    order = broken()

    first, second = audit.run(now=NOON), audit.run(now=NOON + timedelta(minutes=5))

    first.refresh_from_db()
    assert (first.broken, second.broken) == (None, {"paid_without_evidence": [order.merchant_order_id]})
    assert first.findings == second.findings == {"paid_without_evidence": 1}


def touched() -> list[int]:
    return audit._Lately(AuditRun(at=timezone.now(), broken={}))._touched_within(timedelta(0))


def ask(order: PaymentOrder, state: str, next_check_at: datetime | None) -> None:
    now = timezone.now()
    (claimed,) = claims.claim_due(now=now, limit=1)
    assert claimed.pk == order.pk
    claims.put_back([claims.Waiting(claimed, make.answer(state), Source.CHECKER, next_check_at)], now=now)


@pytest.mark.parametrize(
    ("state", "is_watched", "is_touched"),
    [("PENDING", True, False), ("PENDING", False, True), ("COMPLETED", True, True)],
)
def test_an_answer_that_leaves_an_order_waiting_as_before_is_no_change(state, is_watched, is_touched):
    order = make.order(age_s=3600)
    ask(order, state, timezone.now() + timedelta(hours=1) if is_watched else None)

    assert touched() == ([order.pk] if is_touched else [])


def test_more_touched_orders_than_fit_into_a_statement_are_all_looked_at(monkeypatch):
    monkeypatch.setattr(audit, "AT_ONCE", 2)
    orders = [broken() for _ in range(5)]

    found = audit.audit(repair=False, now=timezone.now(), last=AuditRun(at=timezone.now(), broken={}))

    assert sorted(f.merchant_order_id for f in found) == sorted(o.merchant_order_id for o in orders)


PERCENT = audit.Question(
    "odd", "A sign of a percentage is no parameter.", "SELECT cart_id FROM payments_order WHERE id % 1 = 0"
)


def test_a_question_with_a_percent_sign_is_asked_as_it_is_written(monkeypatch):
    order = make.order()
    monkeypatch.setattr(
        audit, "QUESTIONS", (audit.Question(PERCENT.name, "", PERCENT.sql, lately=audit.CARTS),)
    )

    whole, lately = (
        audit.audit(repair=False, now=timezone.now(), last=last)
        for last in (None, AuditRun(at=timezone.now(), broken={}))
    )

    assert whole == lately
    assert order.cart_id in [finding.merchant_order_id for finding in whole]
