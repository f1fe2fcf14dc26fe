"""`completion.settle`: answers about another order, and states that nothing here was written for."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from payments import completion
from payments.models import PaymentOrder
from payments.states import Attention, Status
from tests import make
from tests.payments.settling import settle

pytestmark = pytest.mark.django_db


def test_settle_when_another_order_failed_ends_nothing_of_ours_and_calls_a_person(logs):
    """Wire reference §4.5: an answer is about ours when its `orderId` is the one that we were given."""
    order = make.order(holding=True)
    another = make.answer("FAILED", code="TXN_AUTO_FAILED", gateway_order_id="OMO-other")
    soon, late = timezone.now(), order.expires_at + timedelta(hours=2)

    waiting = settle(order, another, now=soon)
    expired = settle(order, another, now=late)
    over = settle(order, another, now=order.expires_at + timedelta(hours=72))

    assert (waiting.status, waiting.attention) == ("INITIATED", Attention.ORDER_ID_MISMATCH)
    assert waiting.next_check_at < soon + timedelta(minutes=2)  # it may still be paid, by the ladder
    assert (expired.status, expired.failure_code, expired.next_check_at > late) == ("EXPIRED", "", True)
    assert (over.next_check_at, over.holding, over.is_disputed) == (None, True, False)
    assert not PaymentOrder.objects.paid().exists()
    assert logs.count("payment needs attention") == 1


@pytest.mark.parametrize(
    ("first", "left"), [("FAILED", Attention.NONE), ("COMPLETED", Attention.ORDER_ID_MISMATCH)]
)
def test_settle_when_ours_is_paid_after_all_forgets_that_another_failed_but_not_that_it_was_paid(first, left):
    order = make.order()
    settle(order, make.answer(first, gateway_order_id="OMO-other"))

    settled = settle(order, make.answer("COMPLETED"))

    assert (settled.status, settled.attention) == ("SUCCESS", left)


@pytest.mark.parametrize("status", [Status.FAILED, Status.CANCELLED])
def test_settle_when_another_order_failed_ends_no_watch_and_no_hold_of_a_closed_one(status):
    order = make.order(status, age_s=900 + 3600, holding=True)

    settled = settle(order, make.answer("FAILED", gateway_order_id="OMO-other"))

    assert (settled.status, settled.attention) == (status, Attention.ORDER_ID_MISMATCH)
    assert settled.next_check_at > timezone.now()
    assert settled.holding


@pytest.mark.parametrize("word", ["ON_HOLD", "EXPIRED", "CREATED", "completed", "FAILED "])
def test_settle_state_never_heard_of_is_not_terminal(word):
    order = make.order()

    settled = settle(order, make.answer(word))

    assert (settled.status, settled.gateway_state, settled.attention) == ("INITIATED", word, "")
    assert settled.next_check_at > timezone.now()


@pytest.mark.parametrize(
    ("word", "attention"),
    [
        ("ON_HOLD", Attention.STILL_PENDING),
        ("completed", Attention.STILL_PENDING),
        ("PENDING", ""),
        ("CREATED", ""),
        ("EXPIRED", ""),
    ],
)
def test_settle_state_never_heard_of_calls_a_person_an_hour_after_the_deadline_until_one_is_known(
    word, attention
):
    young, old = make.order(age_s=900 + 3500), make.order(age_s=900 + 3700)

    seen = [settle(order, make.answer(word)) for order in (young, old)]
    waiting = completion.changes_nothing(seen[-1], make.answer(word), now=timezone.now())
    known = settle(old, make.answer("PENDING"))

    assert [(order.status, order.attention) for order in seen] == [("EXPIRED", ""), ("EXPIRED", attention)]
    assert all(order.next_check_at > timezone.now() for order in seen)
    assert (waiting is None, known.attention) == (bool(attention), "")
