"""Who may ask about an order: leases, put-backs, nudges, and their races."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from payments import claims, completion, schedule, transitions
from payments.claims import LEASE, Waiting
from payments.models import PaymentEvent, PaymentOrder
from payments.states import Source, Status
from phonepe_pg import Unavailable
from tests import make
from tests.at_once import at_once

pytestmark = pytest.mark.django_db


def waiting(order: PaymentOrder, *, next_check_at: datetime, **answer: Any) -> Waiting:
    return Waiting(order, make.answer(**answer), Source.CHECKER, next_check_at)


def again(order: PaymentOrder) -> PaymentOrder:
    return PaymentOrder.objects.get(pk=order.pk)


def claim(limit: int = 100, **how: Any) -> list[PaymentOrder]:
    return claims.claim_due(now=how.pop("now", timezone.now()), limit=limit, **how)


def test_claim_due_takes_half_from_the_longest_due_and_half_from_the_latest_and_no_more_than_the_limit():
    now = timezone.now()
    orders = [make.order(next_check_at=now - timedelta(seconds=s)) for s in (5, 30, 10, 20, 15)]

    taken = claim(2, now=now)

    assert {order.pk for order in taken} == {orders[1].pk, orders[0].pk}
    assert [again(order).leased_until for order in taken] == [now + LEASE] * 2


def test_claim_due_when_little_is_due_takes_all_of_it_once():
    orders = [make.order() for _ in range(5)]

    taken = claim(7)

    assert sorted(order.pk for order in taken) == [order.pk for order in orders]


@pytest.mark.parametrize("limit", [1, 10])
def test_claim_due_under_a_tail_that_only_grows_starves_neither_new_orders_nor_the_tail(limit):
    now = timezone.now()
    tail = [make.order(next_check_at=now - timedelta(hours=1, seconds=n)) for n in range(60)]
    asked_new = 0

    for turn in range(
        60 // limit
    ):  # as many calls as the tail has orders, and a new order falls due at each turn
        new = make.order(next_check_at=now + timedelta(seconds=turn))
        taken = claim(limit, now=now + timedelta(seconds=turn))
        asked_new += new.pk in {order.pk for order in taken}
        for order in taken:
            claims.release([order], until=now + timedelta(days=1))

    worked_off = sum(again(order).next_check_at > now for order in tail)
    assert asked_new >= (60 // limit) * (0.2 if limit == 1 else 1)
    assert worked_off >= 12
    assert again(tail[-1]).next_check_at > now  # the longest due of all


@pytest.mark.parametrize("limit", [1, 3, 7])
@pytest.mark.parametrize("plan", ["hash", "nested loop"])
def test_claim_due_takes_no_more_than_the_limit_whatever_plan_postgres_chooses(limit, plan):
    for _ in range(20):
        make.order()
    with connection.cursor() as cursor:
        if plan == "nested loop":
            cursor.execute("SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off")
            cursor.execute("SET LOCAL enable_hashagg = off; SET LOCAL enable_sort = off")
            cursor.execute("SET LOCAL enable_indexscan = off; SET LOCAL enable_bitmapscan = off")
            cursor.execute("SET LOCAL enable_material = off; SET LOCAL enable_memoize = off")

    taken = claim(limit)

    assert len(taken) == limit
    assert PaymentOrder.objects.filter(leased_until__isnull=False).count() == limit


def test_claim_due_leaves_what_is_not_due_leased_or_never_to_be_asked():
    now = timezone.now()
    make.order(next_check_at=now + timedelta(seconds=1))
    make.order(leased_until=now + timedelta(seconds=1))
    make.order(next_check_at=None)
    due = make.order()

    assert [order.pk for order in claim(now=now)] == [due.pk]
    assert claim(now=now) == []


def test_claim_due_for_an_earlier_moment_leaves_what_fell_due_since():
    now = timezone.now()
    early = make.order(next_check_at=now - timedelta(seconds=60))
    make.order(next_check_at=now - timedelta(seconds=1))

    taken = claim(now=now, due_by=now - timedelta(seconds=30))

    assert [order.pk for order in taken] == [early.pk]


def test_claim_due_when_the_holder_died_gives_the_order_to_another_after_the_lease():
    now = timezone.now()
    order = make.order()
    claim(now=now)

    early = claim(now=now + LEASE - timedelta(seconds=1))
    late = claim(now=now + LEASE)

    assert (early, [o.pk for o in late]) == ([], [order.pk])


@pytest.mark.parametrize("one", [True, False])
def test_a_claim_after_a_lost_one_counts_a_crash_once_until_there_is_word(one):
    now = timezone.now()
    order = make.order()

    def crashes_at_claim(number: int) -> int:
        at = now + number * LEASE
        return claims.claim_one(order.pk, now=at).crash_count if one else claim(now=at)[0].crash_count

    seen = [crashes_at_claim(number) for number in range(3)]
    claims.put_back([waiting(again(order), next_check_at=now)], now=now + 3 * LEASE)

    assert seen == [0, 1, 1]
    assert (again(order).crash_count, crashes_at_claim(4)) == (0, 0)


def test_a_claim_that_was_given_up_is_no_crash():
    now = timezone.now()
    make.order()
    claims.release(claim(now=now), until=now)

    assert [order.crash_count for order in claim(now=now)] == [0]


def test_claim_one_takes_an_order_that_is_not_due_and_gives_none_while_it_is_held():
    now = timezone.now()
    order = make.order(next_check_at=None)

    first, second = claims.claim_one(order.pk, now=now), claims.claim_one(order.pk, now=now)

    assert (first.pk, second) == (order.pk, None)
    assert (first.leased_until, first.next_check_at) == (now + LEASE, now + LEASE)


def test_put_back_writes_the_answer_and_the_next_check_and_ends_the_lease():
    now = timezone.now()
    make.order(), make.order()
    orders = claim(now=now)
    later = now + timedelta(seconds=30)

    claims.put_back(
        [
            waiting(orders[0], next_check_at=later, state="ON_HOLD", at=now),
            Waiting(orders[1], make.trouble(Unavailable("down"), at=now), Source.CHECKER, later),
        ],
        now=now,
    )

    answered, unanswered = again(orders[0]), again(orders[1])
    assert [(o.leased_until, o.next_check_at, o.asks, o.asked_at) for o in (answered, unanswered)] == [
        (None, later, 1, now)
    ] * 2
    assert (answered.gateway_state, answered.answered_at) == ("ON_HOLD", now)
    assert (unanswered.gateway_state, unanswered.answered_at) == ("", None)
    assert [o.events.filter(kind="answered").count() for o in orders] == [1, 1]


def test_put_back_of_one_answer_with_odd_bytes_does_not_lose_the_others():
    now = timezone.now()
    make.order(), make.order()
    orders = claim(now=now)
    odd = make.trouble(Unavailable("down", http_status=502, body="\0garbage"), at=now)

    claims.put_back(
        [
            waiting(orders[0], next_check_at=now + timedelta(seconds=9)),
            Waiting(orders[1], odd, Source.CHECKER, now + timedelta(seconds=9)),
        ],
        now=now,
    )

    assert [again(order).leased_until for order in orders] == [None, None]


def test_put_back_after_the_lease_was_lost_leaves_the_order_to_its_new_holder():
    now = timezone.now()
    make.order()
    (lost,) = claim(now=now)
    (held,) = claim(now=now + LEASE)

    claims.put_back([waiting(lost, next_check_at=now)], now=now + LEASE)

    order = again(held)
    assert (order.leased_until, order.asks) == (held.leased_until, 0)
    assert order.events.filter(kind="answered").count() == 1


def test_put_back_without_an_answer_keeps_the_hurry_and_with_one_ends_it():
    now = timezone.now()
    nudged = {"nudged_at": now - timedelta(seconds=1), "nudged_by": Source.WEBHOOK}
    orders = (
        make.order(Status.EXPIRED, age_s=7200, **nudged),
        make.order(Status.EXPIRED, age_s=7200, **nudged),
    )
    unanswered, answered = [claims.claim_one(order.pk, now=now) for order in orders]
    answers = make.trouble(Unavailable("down"), at=now), make.answer(at=now)
    waiting = [
        completion.changes_nothing(order, answer, now=now)
        for order, answer in zip((unanswered, answered), answers, strict=True)
    ]

    claims.put_back(waiting, now=now)

    assert again(unanswered).nudged_by == Source.WEBHOOK
    assert again(unanswered).next_check_at == now + schedule.UNANSWERED_AGAIN
    assert again(answered).nudged_by == ""


def test_put_back_of_an_order_nudged_by_a_clock_that_is_ahead_makes_it_due_at_once_and_once():
    now = timezone.now()
    order = make.order()
    claims.nudge(order.merchant_order_id, source=Source.WEBHOOK, now=now + timedelta(minutes=5))

    due = []
    for _ in range(2):
        held = claims.claim_one(order.pk, now=now)
        claims.put_back([completion.changes_nothing(held, make.answer(at=now), now=now)], now=now)
        due.append(again(order).next_check_at)

    assert due[0] == now < due[1]


def test_put_back_of_an_order_nudged_meanwhile_makes_it_due_at_once():
    now = timezone.now()
    make.order()
    (held,) = claim(now=now)
    assert claims.nudge(held.merchant_order_id, source=Source.WEBHOOK, now=now + timedelta(seconds=1))
    nudged = again(held)

    claims.put_back(
        [waiting(held, next_check_at=now + timedelta(hours=1), at=now)], now=now + timedelta(seconds=2)
    )

    order = again(held)
    assert nudged.next_check_at == held.leased_until  # the holder's claim was left alone
    assert (order.next_check_at, order.nudged_by) == (now + timedelta(seconds=2), Source.WEBHOOK)


def test_release_makes_the_order_due_for_anybody():
    now = timezone.now()
    make.order()
    (held,) = claim(now=now)

    claims.release([held], until=now)

    assert [order.pk for order in claim(now=now)] == [held.pk]


def test_release_after_the_lease_was_lost_changes_nothing():
    now = timezone.now()
    make.order()
    (lost,) = claim(now=now)
    (held,) = claim(now=now + LEASE)

    claims.release([lost], until=now)

    assert again(held).leased_until == held.leased_until


@pytest.mark.parametrize("status", [s for s in Status if s != Status.SUCCESS])
def test_nudge_makes_any_unpaid_order_due_now_and_tells_the_trail(status):
    now = timezone.now()
    order = make.order(status, next_check_at=None)

    known = claims.nudge(order.merchant_order_id, source=Source.WEBHOOK, now=now)

    order = again(order)
    assert (known, order.next_check_at, order.nudged_by) == (True, now, Source.WEBHOOK)
    assert order.events.filter(kind=PaymentEvent.Kind.NUDGED, source="webhook").count() == 1


def test_nudge_of_a_paid_order_or_of_none_changes_nothing():
    order = make.order(Status.SUCCESS, completed_at=timezone.now(), fulfilment="BOOKED", next_check_at=None)
    before = PaymentOrder.objects.values().get()

    known = claims.nudge(order.merchant_order_id, source=Source.WEBHOOK, now=timezone.now())
    unknown = claims.nudge("OKP-nobody", source=Source.WEBHOOK, now=timezone.now())

    assert (known, unknown) == (True, False)
    assert PaymentOrder.objects.values().get() == before


def test_nudge_of_an_overdue_order_does_not_put_it_behind_others():
    now = timezone.now()
    order = make.order(next_check_at=now - timedelta(hours=1))

    claims.nudge(order.merchant_order_id, source=Source.WEBHOOK, now=now)

    assert again(order).next_check_at == now - timedelta(hours=1)


def test_claim_and_put_back_inside_a_transaction_are_refused():
    """Who asks by a claim that is taken back afterwards asks beside somebody else."""
    with transaction.atomic():
        with pytest.raises(RuntimeError, match="durable"):
            claims.claim_due(now=timezone.now(), limit=1)
        with pytest.raises(RuntimeError, match="durable"):
            claims.put_back([], now=timezone.now())


def test_next_due_is_the_earliest_check_of_all():
    now = timezone.now()
    nothing = claims.next_due()
    make.order(next_check_at=now + timedelta(seconds=9))
    make.order(next_check_at=now + timedelta(seconds=5))
    make.order(next_check_at=None)

    assert (nothing, claims.next_due()) == (None, now + timedelta(seconds=5))


def test_changes_nothing_agrees_with_settle_about_the_next_check():
    now = timezone.now()
    one, two = make.order(now=now), make.order(now=now)
    two_clone = again(two)
    answer = make.answer("PENDING", at=now)

    quiet = completion.changes_nothing(again(one), answer, now=now)
    settled = completion.settle(two_clone.pk, answer, source=Source.CHECKER, now=now)

    shift = timedelta(seconds=5)
    assert abs(quiet.next_check_at - settled.next_check_at) < shift + shift


def test_changes_nothing_of_the_last_answer_of_a_watch_is_none_so_that_a_person_is_called():
    order = make.order(Status.EXPIRED, age_s=900 + 72 * 3600)

    quiet = completion.changes_nothing(order, make.answer("PENDING"), now=timezone.now())

    assert quiet is None


# -- races --------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_claim_due_by_two_at_once_never_takes_the_same_order():
    for _ in range(20):
        PaymentOrder.objects.update(next_check_at=None)
        made = {make.order().pk for _ in range(10)}

        one, two = at_once(lambda: claim(7), lambda: claim(7))

        taken = [order.pk for order in (*one, *two)]
        assert sorted(taken) == sorted(set(taken))
        assert set(taken) <= made


@pytest.mark.django_db(transaction=True)
def test_claim_due_while_another_holds_a_row_takes_the_others_without_waiting():
    held, free = make.order(), make.order()
    with transaction.atomic():
        transitions.lock(held.pk)

        (taken,) = at_once(partial(claim_impatiently, 5))

    assert [order.pk for order in taken] == [free.pk]


def claim_impatiently(limit: int) -> list[PaymentOrder]:
    """As `claim`; waiting for a lock is an error."""
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '2s'")
    return claim(limit)


@pytest.mark.django_db(transaction=True)
def test_claim_one_and_claim_due_at_once_give_the_order_to_one_of_them():
    for _ in range(20):
        PaymentOrder.objects.update(next_check_at=None)
        order = make.order()
        now = timezone.now()

        one, due, other = at_once(
            partial(claims.claim_one, order.pk, now=now),
            partial(claims.claim_due, now=now, limit=5),
            partial(claims.claim_one, order.pk, now=now),
        )

        assert [bool(one), bool(due), bool(other)].count(True) == 1


@pytest.mark.django_db(transaction=True)
def test_nudge_and_put_back_at_once_never_lose_the_hurry():
    for _ in range(20):
        PaymentOrder.objects.update(next_check_at=None)
        make.order()
        asked = timezone.now()
        (held,) = claims.claim_due(now=asked, limit=1)
        quiet = [waiting(held, next_check_at=asked + timedelta(hours=1), at=asked)]

        at_once(
            lambda q=quiet: claims.put_back(q, now=timezone.now()),
            lambda h=held: claims.nudge(h.merchant_order_id, source=Source.WEBHOOK, now=timezone.now()),
        )

        assert again(held).next_check_at <= timezone.now()
