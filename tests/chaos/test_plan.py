"""The plan of a run: of one seed, of every story, within its time."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from catalog.models import Package
from payments.states import Status
from tests.chaos import bulk, plan
from tests.chaos.plan import LIFE_S, Purchase, Size, Story
from tests.journeys import customer

NOW = datetime(2027, 1, 14, 6, tzinfo=UTC)


def test_purchases_of_the_same_seed_are_the_same_and_of_another_are_others():
    size = Size.of(500, seed=7, minutes=None)

    assert plan.purchases(size) == plan.purchases(size)
    assert plan.purchases(size) != plan.purchases(Size.of(500, seed=8, minutes=None))


@pytest.mark.parametrize("orders", [len(Story), 200, 5000])
def test_purchases_come_in_order_in_time_by_both_ways_and_of_every_story(orders):
    size = Size.of(orders, seed=1, minutes=None)

    made = plan.purchases(size)

    assert len(made) == orders
    assert {purchase.story for purchase in made} == set(Story)
    assert [purchase.at_s for purchase in made] == sorted(purchase.at_s for purchase in made)
    assert made[-1].at_s <= size.chaos_s * plan.ARRIVE_WITHIN
    assert orders < 200 or {purchase.by_http for purchase in made} == {True, False}


def test_size_with_minutes_lasts_so_long_and_leaves_time_to_settle():
    size = Size.of(10, seed=1, minutes=8)

    assert (size.chaos_s, size.settle_s) == (480, 480)


@pytest.mark.django_db
@pytest.mark.parametrize("story", [Story.LATE, Story.TWICE])
def test_an_order_paid_late_is_over_at_the_gateway_before_its_deed_and_has_a_rung_after_it(story):
    packages: list[Package] = [customer.package()]
    purchase = Purchase(1, story, at_s=0, by_http=False, pace=0.5)

    made = bulk.make(purchase, packages, now=NOW, calm_in_s=20, hurry=0.25)

    late, deed = made.orders[0], made.deeds[0]
    assert (NOW - late.created_at).total_seconds() > LIFE_S
    assert deed.merchant_order_id == late.merchant_order_id
    assert deed.how == {"force": True}
    rung_at_s = bulk.LATE_RUNG_S - (NOW - late.created_at).total_seconds()
    assert deed.after_s < rung_at_s
    assert late.status == (Status.EXPIRED if story == Story.TWICE else Status.INITIATED)
