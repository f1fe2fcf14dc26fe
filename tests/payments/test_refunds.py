"""Giving money back: sent once, asked about when in doubt, and what follows from its end."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from payments import inbox, refunds
from payments.models import Checker, PaymentEvent, PaymentOrder, Refund
from phonepe_pg import RefundStatus
from tests.at_once import at_once
from tests.payments.refunding import at_phonepe, calls, jobs, paid_order, pursue, pursue_to_its_end, request

pytestmark = pytest.mark.django_db(transaction=True)


# -- bringing it to its end ---------------------------------------------------------------


def test_pursue_sends_the_refund_once_and_follows_it_to_its_end(sandbox):
    sandbox.settings(refund_confirm_after=60, refund_complete_after=60)
    order = paid_order(sandbox)
    made = request(order, 50000)

    states = [pursue(made).state]
    for _ in range(2):
        sandbox.call("POST", "clock", {"advance": 60})
        states.append(pursue(made, attempt=1).state)

    assert states == ["PENDING", "CONFIRMED", "COMPLETED"]
    made.refresh_from_db()
    assert (made.completed_at is not None, made.gateway_refund_id[:3]) == (True, "OMR")
    assert at_phonepe(sandbox, order) == [(made.merchant_refund_id, 50000)]
    assert calls(sandbox)[0] == 1


def test_pursue_comes_back_later_and_later_with_one_place_in_the_queue(sandbox):
    order = paid_order(sandbox)
    made = request(order)
    ProcrastinateJob.objects.all()

    pursue(made)
    pursue(made)

    assert jobs() == [
        ({"refund_id": made.pk, "attempt": 0}, 0),
        ({"refund_id": made.pk, "attempt": 1}, 2),
    ]


def test_pursue_a_final_refund_asks_nobody(sandbox):
    made = request(paid_order(sandbox))
    Refund.objects.filter(pk=made.pk).update(state="COMPLETED")

    pursue(made)

    assert calls(sandbox) == (0, 0)


@pytest.mark.parametrize("fault", ["stored_then_error", "truncated_json"])
def test_pursue_after_a_lost_answer_asks_and_does_not_repeat(sandbox, fault):
    order = paid_order(sandbox)
    made = request(order)
    sandbox.fault("refund", fault, count=1)

    unsure, known = pursue(made), pursue(made, attempt=1)

    assert (unsure.state, unsure.sent_at is not None, known.state) == ("DUE", True, "PENDING")
    assert at_phonepe(sandbox, order) == [(made.merchant_refund_id, 149900)]
    assert calls(sandbox) == (1, 1)


def test_pursue_after_a_call_that_never_arrived_repeats_with_the_same_id(sandbox):
    order = paid_order(sandbox)
    made = request(order)
    sandbox.fault("refund", "server_error", count=1)

    unsure, known = pursue(made), pursue(made, attempt=1)

    assert (unsure.state, known.state) == ("DUE", "PENDING")
    assert at_phonepe(sandbox, order) == [(made.merchant_refund_id, 149900)]
    assert calls(sandbox) == (2, 1)


def test_pursue_after_a_crash_between_mark_and_call_asks_first(sandbox):
    order = paid_order(sandbox)
    made = request(order)
    Refund.objects.filter(pk=made.pk).update(sent_at=timezone.now())

    known = pursue(made)

    assert (known.state, calls(sandbox)) == ("PENDING", (1, 1))


def test_pursue_sends_again_only_when_the_limit_allows_a_second_call(sandbox, settings, monkeypatch):
    settings.PHONEPE_MAX_RPS = 0.5
    monkeypatch.setattr(refunds, "TURN_S", 0.5)
    order = paid_order(sandbox)
    made = request(order)
    Refund.objects.filter(pk=made.pk).update(sent_at=timezone.now())

    waiting = pursue(made)

    assert (waiting.state, calls(sandbox)) == ("DUE", (0, 1))
    assert jobs()[-1][0] == {"refund_id": made.pk, "attempt": 1}


def test_pursue_by_two_at_once_makes_one_refund_that_does_not_count_as_failed(sandbox):
    for _ in range(20):
        order = paid_order(sandbox)
        made = request(order)

        at_once(
            lambda m=made: refunds.pursue(m.pk, attempt=0), lambda m=made: refunds.pursue(m.pk, attempt=0)
        )

        assert at_phonepe(sandbox, order) == [(made.merchant_refund_id, 149900)]
        assert Refund.objects.get(pk=made.pk).state in ("DUE", "PENDING")  # DUE: the next look will know


def test_two_answers_about_one_refund_at_once_end_it_once():
    done = RefundStatus(refund_id="OMR1", state="COMPLETED", amount_paise=149900)

    for _ in range(20):
        made = request(paid_order())
        read = [Refund.objects.select_related("order").get(pk=made.pk) for _ in range(2)]
        at_once(*[partial(refunds._settle, one, done, attempt=1, now=timezone.now()) for one in read])

        finished = made.order.events.filter(kind=PaymentEvent.Kind.REFUND, detail__state="COMPLETED")
        assert finished.count() == 1


def test_refund_read_before_another_sent_it_is_asked_about_and_not_sent_again(sandbox):
    order = paid_order(sandbox)
    one, two = (Refund.objects.get(pk=pk) for pk in [request(order).pk] * 2)

    refunds._send_or_ask(one)
    known = refunds._send_or_ask(two)

    assert (known.state, calls(sandbox)) == ("PENDING", (1, 1))


def test_pursue_a_refund_that_fails_at_phonepe_calls_a_person_and_a_new_one_may_start(sandbox):
    sandbox.settings(refund_outcome="FAILED", refund_confirm_after=0, refund_complete_after=0)
    order = paid_order(sandbox)
    made = request(order)
    pursue(made)

    failed = pursue(made)
    order.refresh_from_db()
    assert (failed.state, failed.error_code, order.attention) == ("FAILED", "BF_034", "refund_failed")

    second = request(order)

    assert second.merchant_refund_id != made.merchant_refund_id


def test_pursue_when_phonepe_speaks_of_another_sum_calls_a_person_and_keeps_asking(sandbox):
    made = request(paid_order(sandbox))
    pursue(made)
    sandbox.fault("refund_status", "amount_changed", amount=10000, count=1)

    kept = pursue(made, attempt=1)

    told = kept.order.events.filter(kind=PaymentEvent.Kind.REFUND).latest("id").detail
    assert (kept.state, kept.order.attention) == ("PENDING", "refund_stuck")
    assert (told["error"], told["body"]["amount"]) == ("mismatch", 10000)
    assert jobs()[-1][0] == {"refund_id": made.pk, "attempt": 1}  # one is planned already

    pursue_to_its_end(made)

    kept.order.refresh_from_db()
    assert kept.order.attention == ""


def test_refund_of_another_order_is_not_taken_for_ours():
    made = request(paid_order())
    others = RefundStatus(
        refund_id="OMR1", state="COMPLETED", amount_paise=149900, original_merchant_order_id="OKP-another"
    )

    refunds._settle(made, others, attempt=1, now=timezone.now())

    kept = Refund.objects.select_related("order").get(pk=made.pk)
    assert (kept.state, kept.order.attention) == ("DUE", "refund_stuck")


def test_pursue_when_phonepe_does_not_know_a_refund_it_had_taken_in_keeps_asking(sandbox):
    made = request(paid_order(sandbox))
    Refund.objects.filter(pk=made.pk).update(state="PENDING", sent_at=timezone.now())

    kept = pursue(made)

    assert (kept.state, calls(sandbox)) == ("PENDING", (0, 1))
    assert kept.order.attention == ""


def test_refund_webhooks_wrapped_and_flat_hurry_the_refund(sandbox):
    made = request(paid_order(sandbox))
    pursue(made)
    made.refresh_from_db()
    ProcrastinateJob.objects.all()
    own, theirs = made.merchant_refund_id, made.gateway_refund_id
    bodies = [
        f'{{"event":"pg.refund.completed","payload":{{"merchantRefundId":"{own}","state":"COMPLETED"}}}}',
        f'{{"merchantRefundId":"{own}","refundId":"{theirs}","state":"COMPLETED"}}',
        f'{{"event":"pg.refund.failed","payload":{{"refundId":"{theirs}","state":"FAILED"}}}}',
        '{"event":"pg.refund.failed","payload":{"refundId":"OMR-of-another"}}',
        '{"event":"pg.refund.failed","payload":{"merchantRefundId":"OKR-of-another"}}',
    ]

    states = [inbox.receive(body.encode(), now=timezone.now()).state for body in bodies]

    assert states == ["nudged", "nudged", "nudged", "ignored", "ignored"]
    assert len([args for args, due_in_s in jobs() if args["attempt"] == 0 and due_in_s == 0]) == 1 + 3
    assert Refund.objects.get().state == "PENDING"  # the webhook's word changed nothing


def test_refund_webhook_without_our_id_hurries_the_refund_whose_answer_was_lost(sandbox):
    order = paid_order(sandbox)
    made = request(order)
    sandbox.fault("refund", "stored_then_error", count=1)
    pursue(made)
    body = '{"event":"pg.refund.failed","payload":{"refundId":"OMR9","originalMerchantOrderId":"%s"}}'

    states = [
        inbox.receive((body % name).encode(), now=timezone.now()).state
        for name in (order.merchant_order_id, "OKP-of-nobody")
    ]
    Refund.objects.filter(pk=made.pk).update(gateway_refund_id="OMR1")
    of_another = inbox.receive(
        (body.replace("OMR9", "OMR8") % order.merchant_order_id).encode(), now=timezone.now()
    )

    assert (states, of_another.state) == (["nudged", "ignored"], "ignored")
    assert [args["attempt"] for args, _ in jobs()].count(0) == 2


# -- what follows from the end ------------------------------------------------------------


def test_refund_that_completes_ends_the_attention_that_an_earlier_one_raised(sandbox):
    order = paid_order(sandbox, attention="refund_failed", attention_at=timezone.now())
    sandbox.settings(refund_confirm_after=0.0, refund_complete_after=0.0)
    refund = request(order)

    pursue_to_its_end(refund)

    order.refresh_from_db()
    assert (Refund.objects.get().state, order.attention) == ("COMPLETED", "")


def test_refund_that_is_not_finished_for_a_week_needs_a_person_and_is_still_pursued(sandbox):
    order = paid_order(sandbox)
    refund = request(order)
    Refund.objects.filter(pk=refund.pk).update(created_at=timezone.now() - timedelta(days=8))

    pursue(refund)

    order.refresh_from_db()
    assert (Refund.objects.get().state, order.attention) == ("PENDING", "refund_stuck")
    assert len(jobs()) == 2  # the first look and the next


def test_refund_that_phonepe_does_not_take_in_for_hours_needs_a_person_and_is_still_pursued(sandbox):
    order = paid_order(sandbox)
    refund = request(order)
    Refund.objects.filter(pk=refund.pk).update(created_at=timezone.now() - timedelta(hours=7))
    sandbox.fault("refund", "server_error")

    waiting = pursue(refund)

    order.refresh_from_db()
    assert (waiting.state, order.attention) == ("DUE", "refund_stuck")
    assert jobs()

    PaymentOrder.objects.update(handled="refund_stuck")
    sandbox.call("DELETE", "faults")
    taken_in = pursue(refund, attempt=1)

    order.refresh_from_db()
    assert (taken_in.state, order.attention, order.handled) == ("PENDING", "", "")


def test_refund_is_news_when_it_starts_and_when_it_is_done(sandbox, plug):
    plug("delivers", NOTIFY="takes_news")
    order = paid_order(sandbox)

    sandbox.settings(refund_confirm_after=0.0, refund_complete_after=0.0)

    pursue_to_its_end(request(order, 5000))

    told = Checker.objects.order_by("pk").values_list("name", flat=True)
    assert Refund.objects.get().state == "COMPLETED"
    assert list(told) == [f"refund_started {order.cart_id} 5000", f"refund_completed {order.cart_id} 5000"]


def test_refund_whose_question_stayed_unanswered_is_asked_about_within_a_minute(sandbox):
    made = pursue(request(paid_order(sandbox), 5000))
    sandbox.fault("refund_status", "server_error", count=1)
    ProcrastinateJob.objects.all().delete()

    pursue(made, attempt=6)

    assert jobs() == [({"refund_id": made.pk, "attempt": 4}, 60)]
