"""When an order was asked about, kept in its row, beside PhonePe's ladder."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
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
    assert [rung.outcome for rung in ladder.rungs] == ["answered", "answered", "missed", "answered"]
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


def test_ladder_of_a_failed_order_ends_with_the_answer_that_said_so():
    order = make.order("FAILED", age_s=600)
    order.asked_at = after(order, 33)

    ladder = asked.ladder(order, now=after(order, 500), late_watch=timedelta(hours=72))

    assert ladder.rungs
    assert ladder.rungs[-1].at <= order.asked_at


def status(*arguments: str) -> str:
    out = StringIO()
    call_command("payment_status", *arguments, stdout=out)
    return out.getvalue()


def test_payment_status_ladder_sets_wanted_beside_asked_in_indian_time():
    created_at = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
    order = make.order(
        created_at=created_at, expires_at=created_at + timedelta(seconds=900), next_check_at=None
    )
    shift_ms = round(schedule.spread_of(order.pk) * schedule.SPREAD_S * 1000)
    order.asked_after_ms = [shift_ms + 20_120, -(shift_ms + 23_700), shift_ms + 24_000, shift_ms + 29_050]
    order.asks, order.asked_at = 7, created_at + timedelta(milliseconds=shift_ms + 29_050)
    order.save()

    text = status(order.merchant_order_id, "--ladder")
    told = json.loads(status(order.merchant_order_id, "--ladder", "--json"))

    lines = text.splitlines()
    first_rung = created_at + timedelta(seconds=20, milliseconds=shift_ms)
    assert f"24 Nov 2026 11:30:{first_rung:%S}" in text
    assert "3 earlier questions: their times are no longer kept" in text
    assert sum("missed" in line for line in lines[:-1]) == 1
    assert sum("(no answer)" in line for line in lines) == 1
    assert lines[-1] == "4 rungs: 3 answered, 1 missed; the latest 0.70 s late."
    assert [rung["outcome"] for rung in told["rungs"]] == ["answered", "answered", "missed", "answered"]
    assert [rung["late_s"] for rung in told["rungs"]] == pytest.approx([0.12, 0.7, None, 0.05], abs=0.002)


def test_payment_status_ladder_of_no_order_is_refused():
    with pytest.raises(CommandError, match="needs a MERCHANT_ORDER_ID"):
        status("--ladder")
