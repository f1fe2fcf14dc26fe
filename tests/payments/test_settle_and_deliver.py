"""What settling delivers, what happens when that fails, and who wins a race."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection
from django.utils import timezone

from payments import completion, transitions
from payments.errors import IllegalMove
from payments.models import Checker, PaymentOrder, Refund
from payments.states import Attention, Source, Status
from tests import make
from tests.at_once import at_once
from tests.payments.settling import Kind, kinds, moves, refund_jobs, settle

pytestmark = pytest.mark.django_db


# -- fulfilment ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "shop",
    [
        "raises",
        "exits",
        "is_cancelled",
        "breaks_a_statement",
        "answers_too_much",
        "answers_nothing",
        "answers_no_text",
        "answers_a_key",
    ],
)
def test_settle_when_fulfilment_fails_keeps_the_money_and_undoes_the_shops_writes(plug, shop):
    plug(shop)
    order = make.order()
    now = timezone.now()

    settled = settle(order, make.answer("COMPLETED"), now=now)

    assert (settled.status, settled.completed_at) == (Status.SUCCESS, now)
    assert (settled.fulfilment, settled.fulfilment_reference, settled.fulfil_attempts) == ("DUE", "", 1)
    assert settled.next_check_at == now + timedelta(seconds=5)
    assert Checker.objects.count() == 0
    assert kinds(settled)[-1] == Kind.FULFILMENT_RAISED


@pytest.mark.parametrize("shop", ["delivers", "raises"])
def test_settle_limits_how_long_a_lock_is_waited_for_while_the_shop_delivers_alone(plug, shop):
    plug(shop)

    settle(make.order(), make.answer("COMPLETED"))

    with connection.cursor() as cursor:  # in the transaction of this test
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == ("0",)


def test_fulfil_again_that_raises_backs_off_calls_a_person_at_the_third_and_heals(plug):
    plug("raises")
    order = make.order()
    now = timezone.now()
    settle(order, make.answer("COMPLETED"), now=now)

    seen = []
    for _ in range(2):
        after = completion.fulfil_again(order.pk, now=now)
        seen.append(((after.next_check_at - now).total_seconds(), after.attention))
    plug("delivers")
    healed = completion.fulfil_again(order.pk, now=now)
    healed.refresh_from_db()

    assert seen == [(30, ""), (120, Attention.FULFILMENT_FAILED)]
    assert (healed.fulfilment, healed.attention, healed.next_check_at) == ("BOOKED", "", None)


def test_fulfil_again_when_booked_already_books_nothing_and_ends_the_claim(plug):
    plug("delivers")
    order = make.order()
    settle(order, make.answer("COMPLETED"))
    later = timezone.now() + timedelta(seconds=20)
    PaymentOrder.objects.filter(pk=order.pk).update(leased_until=later, next_check_at=later)

    completion.fulfil_again(order.pk, now=timezone.now())

    order.refresh_from_db()
    assert (order.leased_until, order.next_check_at) == (None, None)
    assert kinds(order).count(Kind.FULFILLED) == 1


def test_settle_when_the_refund_cannot_be_started_keeps_the_money_recorded_and_calls_a_person(plug):
    plug("refuses")
    order = make.order()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE procrastinate_jobs ADD CHECK (task_name <> 'payments.pursue_refund')")

    settled = settle(order, make.answer("COMPLETED"))

    assert (settled.status, settled.fulfilment) == (Status.SUCCESS, "UNFULFILLABLE")
    assert (settled.attention, Refund.objects.count()) == (Attention.UNFULFILLABLE, 0)


def test_settle_when_the_shop_refuses_opens_a_refund_and_its_job(plug):
    plug("refuses")
    order = make.order()

    settled = settle(order, make.answer("COMPLETED"))

    refund = Refund.objects.get()
    assert (settled.status, settled.fulfilment, settled.attention) == ("SUCCESS", "UNFULFILLABLE", "")
    assert (refund.amount, refund.reason, refund.requested_by) == (149900, "The slot is gone.", "policy")
    assert refund_jobs() == [{"refund_id": refund.pk, "attempt": 0}]
    assert Checker.objects.count() == 0


def test_settle_when_the_shop_refuses_and_the_policy_holds_calls_a_person(plug):
    plug("refuses", policy="hold")
    order = make.order()

    settled = settle(order, make.answer("COMPLETED"))

    assert (settled.fulfilment, settled.attention) == ("UNFULFILLABLE", Attention.UNFULFILLABLE)
    assert (Refund.objects.count(), refund_jobs()) == (0, [])


def test_fulfil_again_when_the_shop_finally_refuses_needs_no_person_any_more(plug):
    plug("raises")
    order = make.order()
    settle(order, make.answer("COMPLETED"))
    for _ in range(2):
        completion.fulfil_again(order.pk, now=timezone.now())
    plug("refuses")

    ended = completion.fulfil_again(order.pk, now=timezone.now())

    assert (ended.fulfilment, ended.attention, ended.refunds.count()) == ("UNFULFILLABLE", "", 1)


def test_fulfil_again_after_staff_gave_all_the_money_back_books_nothing(plug):
    plug("raises")
    order = make.order()
    settle(order, make.answer("COMPLETED"))
    Refund.objects.create(order=order, amount=149900, reason="r", requested_by="staff")
    plug("delivers")

    ended = completion.fulfil_again(order.pk, now=timezone.now())

    assert (ended.fulfilment, ended.fulfilment_reference) == ("UNFULFILLABLE", "")
    assert ended.refunds.count() == 1


def test_fulfil_again_when_refused_while_another_refund_is_under_way_calls_a_person(plug):
    plug("raises")
    order = make.order()
    settle(order, make.answer("COMPLETED"))
    Refund.objects.create(order=order, amount=100, reason="r", requested_by="staff")
    plug("refuses")

    ended = completion.fulfil_again(order.pk, now=timezone.now())

    assert (ended.fulfilment, ended.attention) == ("UNFULFILLABLE", Attention.UNFULFILLABLE)
    assert ended.refunds.count() == 1


# -- moves --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("came_from", "to"),
    [
        (Status.PENDING, Status.SUCCESS),
        (Status.FAILED, Status.INITIATED),
        (Status.EXPIRED, Status.FAILED),
        (Status.CANCELLED, Status.INITIATED),
        (Status.INITIATED, Status.PENDING),
        (Status.INITIATED, Status.INITIATED),
    ],
)
def test_move_that_is_not_in_the_table_changes_nothing(came_from, to):
    order = make.order(came_from)
    before = PaymentOrder.objects.filter(pk=order.pk).values().get()

    with pytest.raises(IllegalMove):
        transitions.move(order, to, source=Source.MANUAL, now=timezone.now())

    assert PaymentOrder.objects.filter(pk=order.pk).values().get() == before
    assert (order.status, kinds(order)) == (came_from, [Kind.CREATED])


# -- races --------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_settle_whose_commit_fails_after_the_delivery_leaves_nothing_half_done(plug):
    plug("delivers_and_writes")
    order = make.order()
    before = PaymentOrder.objects.filter(pk=order.pk).values().get()

    with failing_commits(), pytest.raises(DatabaseError, match="no room on the disk"):
        settle(order, make.answer("COMPLETED"))

    assert PaymentOrder.objects.filter(pk=order.pk).values().get() == before
    assert (Checker.objects.count(), kinds(order)) == (0, [Kind.CREATED])
    assert settle(order, make.answer("COMPLETED")).fulfilment == "BOOKED"


@contextmanager
def failing_commits() -> Iterator[None]:
    """PostgreSQL refuses, at the commit, every transaction in which an order was changed."""
    with connection.cursor() as cursor:
        cursor.execute(
            """CREATE FUNCTION refuse_commit() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN RAISE EXCEPTION 'no room on the disk'; END $$;
               CREATE CONSTRAINT TRIGGER refuse_commit AFTER UPDATE ON payments_order
                 DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse_commit()"""
        )
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TRIGGER refuse_commit ON payments_order; DROP FUNCTION refuse_commit")


@pytest.mark.django_db(transaction=True)
def test_settle_by_several_at_once_books_once(own_shop):
    for _ in range(20):
        order = own_shop.order()
        answer = make.answer("COMPLETED")

        results = at_once(*[lambda o=order, a=answer: settle(o, a) for _ in range(3)])

        assert [result.fulfilment for result in results] == ["BOOKED"] * 3
        assert moves(order) == [("INITIATED", "SUCCESS")]
        assert kinds(order).count(Kind.FULFILLED) == 1
        assert len(own_shop.delivered(order.cart_id)) == 1


@pytest.mark.django_db(transaction=True)
def test_two_paid_orders_of_one_cart_book_once_and_refund_the_other(own_shop):
    for _ in range(20):
        one = own_shop.order(Status.EXPIRED)
        two = make.order(cart_id=one.cart_id, snapshot=one.snapshot)

        at_once(
            lambda o=one: settle(o, make.answer("COMPLETED")),
            lambda o=two: settle(o, make.answer("COMPLETED")),
        )

        found = list(PaymentOrder.objects.filter(cart_id=one.cart_id).order_by("fulfilment"))
        assert [order.fulfilment for order in found] == ["BOOKED", "UNFULFILLABLE"]
        assert [order.status for order in found] == ["SUCCESS", "SUCCESS"]
        assert own_shop.delivered(one.cart_id) == [
            (found[0].merchant_order_id, found[0].fulfilment_reference)
        ]
        assert list(Refund.objects.filter(order__cart_id=one.cart_id).values_list("order_id", "amount")) == [
            (found[1].pk, 149900)
        ]
