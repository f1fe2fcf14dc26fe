"""When an order was asked about, kept in its row, beside PhonePe's ladder."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from payments import asked, claims, schedule
from payments.claims import Waiting
from payments.models import PaymentOrder
from payments.states import Source
from phonepe_pg import Unavailable
from tests import make
from tests.payments.settling import settle

pytestmark = pytest.mark.django_db


def after(order: PaymentOrder, seconds: float):
    return order.created_at + timedelta(seconds=seconds)


def put_back(order: PaymentOrder, answer) -> PaymentOrder:
    now = answer.asked_at
    PaymentOrder.objects.filter(pk=order.pk).update(next_check_at=now)
    (claimed,) = claims.claim_due(now=now, limit=1)
    claims.put_back(
        [Waiting(claimed, answer, Source.CHECKER, now + timedelta(days=1))], now=now + timedelta(seconds=1)
    )
    return PaymentOrder.objects.get(pk=order.pk)


def test_both_roads_of_an_answer_keep_when_it_was_asked_for():
    order = make.order(age_s=100)

    order = put_back(order, make.answer(at=after(order, 21.5)))
    order = put_back(order, make.trouble(Unavailable("down"), at=after(order, 24.25)))
    order = settle(order, make.trouble(Unavailable("down"), at=after(order, 27)))
    order = settle(order, make.answer("COMPLETED", at=after(order, 30)))

    assert order.asked_after_ms == [21500, -24250, -27000, 30000]
    assert order.asks == 4


@pytest.mark.parametrize("kept", [asked.KEEP - 1, asked.KEEP, asked.KEEP + 1])
def test_both_roads_keep_the_last_questions_only(kept):
    first, second = (make.order(age_s=1000, asked_after_ms=[*range(1, kept + 1)]) for _ in range(2))

    first = put_back(first, make.answer(at=after(first, 700)))
    second = settle(second, make.answer(at=after(second, 700)))

    told = [*range(1, kept + 1), 700_000][-asked.KEEP :]
    assert first.asked_after_ms == second.asked_after_ms == told


def test_a_question_of_any_age_fits_the_column():
    order = make.order(age_s=40 * 86_400)

    order = put_back(order, make.answer(at=timezone.now()))
    order = put_back(order, make.trouble(Unavailable("down"), at=after(order, -5)))

    assert order.asked_after_ms == [asked.LONGEST_MS, -1]


def rungs_of(order: PaymentOrder):
    return schedule.rungs(
        created_at=order.created_at, expires_at=order.expires_at, spread=schedule.spread_of(order.pk)
    )


def test_ladder_sets_each_question_beside_the_rung_that_it_came_from():
    order = make.order(age_s=36)
    shift = schedule.spread_of(order.pk) * schedule.SPREAD_S
    moments = {7.0: 1, 20.25: 1, 23.5: -1, 24.75: 1, 29.1: 1}
    order.asked_after_ms = [round((s + shift) * 1000) * sign for s, sign in moments.items()]

    ladder = asked.ladder(order, now=after(order, 31 + shift), late_watch=timedelta(hours=72))

    assert [len(rung.asks) for rung in ladder.rungs] == [1, 2, 0, 1]
    assert [rung.late_s for rung in ladder.rungs] == [
        pytest.approx(0.25, abs=0.002),
        pytest.approx(0.5, abs=0.002),
        None,
        pytest.approx(0.1, abs=0.002),
    ]
    assert [[ask.answered for ask in rung.asks] for rung in ladder.rungs] == [
        [True],
        [False, True],
        [],
        [True],
    ]
    assert [ask.at for ask in ladder.early] == [
        pytest.approx(after(order, 7 + shift), abs=timedelta(milliseconds=1))
    ]


def test_ladder_of_a_paid_order_ends_when_the_money_came():
    order = make.order(age_s=600)
    order.completed_at = after(order, 27)

    ladder = asked.ladder(order, now=after(order, 500), late_watch=timedelta(hours=72))

    wanted = [rung for _, rung in zip(range(9), rungs_of(order), strict=False) if rung <= order.completed_at]
    assert [rung.at for rung in ladder.rungs] == wanted


def test_ladder_ends_with_the_late_watch():
    order = make.order(age_s=7200)

    ladder = asked.ladder(order, now=after(order, 10**6), late_watch=timedelta(hours=1))

    assert ladder.rungs[-1].at <= order.expires_at + timedelta(hours=1)
