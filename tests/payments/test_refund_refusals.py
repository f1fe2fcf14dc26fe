"""Refunds that PhonePe refuses, forbids or calls used: when that stands, and when a person hears of it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from payments import refunds
from payments.models import PaymentEvent, Refund
from tests.payments.refunding import at_phonepe, calls, jobs, paid_order, pursue, request

pytestmark = pytest.mark.django_db(transaction=True)


def test_pursue_a_refused_refund_fails_and_calls_a_person(sandbox):
    order = paid_order()
    sandbox.register({"merchantOrderId": order.merchant_order_id, "amount": 100, "state": "COMPLETED"})
    made = request(order)

    failed = pursue(made)

    order.refresh_from_db()
    assert (failed.state, failed.error_code, order.attention) == ("FAILED", "BAD_REQUEST", "refund_failed")
    assert len(jobs()) == 1  # the first; no further look
    assert refunds.left_to_refund(order) == 149900


def test_pursue_when_a_repeat_is_refused_and_nothing_is_known_yet_waits_before_it_gives_up(sandbox):
    order = paid_order()
    sandbox.register({"merchantOrderId": order.merchant_order_id, "amount": 100, "state": "COMPLETED"})
    made = request(order)
    Refund.objects.filter(pk=made.pk).update(sent_at=timezone.now())

    waiting = pursue(made)
    Refund.objects.filter(pk=made.pk).update(sent_at=timezone.now() - timedelta(minutes=11))
    failed = pursue(made)

    assert (waiting.state, failed.state) == ("DUE", "FAILED")


def test_pursue_a_refund_that_is_forbidden_fails_at_once_and_calls_a_person(sandbox):
    order = paid_order(sandbox)
    made = request(order)
    sandbox.fault("refund", "refused", status=403, code="FORBIDDEN")

    failed = pursue(made)

    order.refresh_from_db()
    assert (failed.state, failed.error_code, order.attention) == ("FAILED", "FORBIDDEN", "refund_failed")
    assert (calls(sandbox), len(jobs())) == ((1, 1), 1)  # no further look


def test_pursue_when_everything_is_forbidden_asks_and_does_not_repeat(sandbox):
    """It may be the way to PhonePe that forbids: nothing says that the first call made no refund."""
    order = paid_order(sandbox)
    made = request(order)
    for call in ("refund", "refund_status"):
        sandbox.fault(call, "refused", status=403, code="FORBIDDEN")

    waiting = [pursue(made, attempt=n).state for n in range(3)]

    assert (waiting, calls(sandbox)) == (["DUE"] * 3, (1, 3))


def test_pursue_when_an_id_is_called_used_and_unknown_gives_up_only_when_no_call_can_still_arrive(sandbox):
    """Wire reference §7.2: INVALID_TRANSACTION_ID is said of ids that are there, and of those that are not."""
    order = paid_order(sandbox)
    made = request(order)
    sandbox.fault("refund", "refused", status=400, code="INVALID_TRANSACTION_ID")

    waiting = [pursue(made).state, pursue(made, attempt=1).state]
    told = order.events.filter(kind=PaymentEvent.Kind.REFUND).latest("id").detail
    Refund.objects.filter(pk=made.pk).update(sent_at=timezone.now() - timedelta(minutes=11))
    failed = pursue(made, attempt=2)

    order.refresh_from_db()
    assert (waiting, told["code"]) == (["DUE", "DUE"], "INVALID_TRANSACTION_ID")
    assert (failed.state, failed.error_code) == ("FAILED", "INVALID_TRANSACTION_ID")
    assert order.attention == "refund_failed"


def test_pursue_when_an_id_is_called_used_finds_the_refund_that_is_there(sandbox):
    order = paid_order(sandbox)
    made = request(order)
    Refund.objects.filter(pk=made.pk).update(sent_at=timezone.now())
    sandbox.fault("refund_status", "refused", status=404, code="REFUND_NOT_FOUND", count=1)
    sandbox.fault("refund", "stored_then_error", count=1)
    pursue(made)
    sandbox.fault("refund_status", "refused", status=404, code="REFUND_NOT_FOUND", count=1)
    sandbox.fault("refund", "refused", status=417, code="INVALID_TRANSACTION_ID", count=1)

    known = pursue(made, attempt=1)

    assert known.state == "PENDING"
    assert at_phonepe(sandbox, order) == [(made.merchant_refund_id, 149900)]


def test_refund_that_a_person_must_mend_the_set_up_for_needs_one_after_minutes_until_it_is_taken_in(sandbox):
    order = paid_order(sandbox)
    made = request(order)
    sandbox.fault("refund", "refused", status=404, code="KEY_NOT_CONFIGURED")

    soon = pursue(made).order.attention
    Refund.objects.filter(pk=made.pk).update(created_at=timezone.now() - timedelta(minutes=11))
    later = pursue(made, attempt=1).order.attention
    sandbox.call("DELETE", "faults")
    sandbox.fault("refund_status", "server_error", count=1)
    still = pursue(made, attempt=2).order.attention
    taken_in = pursue(made, attempt=3)

    assert (soon, later, still) == ("", "refund_stuck", "refund_stuck")
    assert (taken_in.state, taken_in.order.attention) == ("PENDING", "")


def test_pursue_when_the_question_itself_is_refused_is_no_failure(sandbox):
    sandbox.settings(refund_confirm_after=600)
    made = request(paid_order(sandbox))
    pursue(made)
    sandbox.fault("refund_status", "rate_limited", count=1)
    sandbox.fault("refund_status", "html_200", count=1)

    kept = [pursue(made).state, pursue(made).state]

    assert kept == ["PENDING", "PENDING"]


def test_pursue_without_credentials_changes_nothing_and_comes_back(sandbox, settings):
    made = request(paid_order(sandbox))
    settings.PHONEPE_CLIENT_ID = ""

    kept = pursue(made)

    assert (kept.state, len(jobs())) == ("DUE", 2)
