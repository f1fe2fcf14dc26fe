"""A bucket lets exactly so many through, from however many processes they come."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from procrastinate.contrib.django import app

from guard import buckets
from guard.buckets import Limit
from guard.models import Bucket
from tests.at_once import at_once

FIVE_A_MINUTE = Limit(5, timedelta(minutes=1))


@pytest.mark.django_db
def test_take_lets_as_many_through_as_are_allowed_and_says_when_the_next_may_come():
    now = timezone.now()

    waits = [buckets.take("a", FIVE_A_MINUTE, now=now) for _ in range(6)]

    assert waits == [0.0] * 5 + [12.0]
    assert buckets.take("a", FIVE_A_MINUTE, now=now + timedelta(seconds=11)) == 1.0
    assert buckets.take("a", FIVE_A_MINUTE, now=now + timedelta(seconds=12)) == 0.0
    assert buckets.take("b", FIVE_A_MINUTE, now=now) == 0.0


@pytest.mark.django_db
def test_who_was_refused_has_drawn_nothing():
    now = timezone.now()
    for _ in range(50):
        buckets.take("a", FIVE_A_MINUTE, now=now)

    assert buckets.take("a", FIVE_A_MINUTE, now=now + timedelta(seconds=12)) == 0.0


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("round_", range(20))
def test_of_twelve_at_once_five_pass(round_):
    now = timezone.now()

    waits = at_once(*[lambda: buckets.take("a", FIVE_A_MINUTE, now=now)] * 12)

    assert sorted(waits) == [0.0] * 5 + [12.0] * 7


@pytest.mark.django_db
def test_prune_forgets_full_buckets_alone():
    now = timezone.now()
    buckets.take("long ago", FIVE_A_MINUTE, now=now - timedelta(minutes=2))
    buckets.take("now", FIVE_A_MINUTE, now=now)

    assert buckets.prune(now=now) == 1
    assert Bucket.objects.get().key == "now"
    assert "guard.prune" in app.tasks


@pytest.mark.django_db
def test_the_table_costs_no_wal():
    with connection.cursor() as cursor:
        cursor.execute("SELECT relpersistence FROM pg_class WHERE relname = 'guard_bucket'")
        assert cursor.fetchone() == ("u",)
