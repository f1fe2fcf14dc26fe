"""Many paid orders in one transaction: what single settling would have done, or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.utils import timezone

from payments import completion, together, wakeups
from payments.models import Checker, PaymentOrder
from payments.states import Attention, Source, Status
from tests import make
from tests.at_once import at_once
from tests.payments.settling import Kind, kinds, moves, settle

pytestmark = pytest.mark.django_db
ROUNDS = range(20)


@pytest.fixture(autouse=True)
def shop(plug):
    plug("delivers", FULFIL_MANY="delivers_many")


def pairs(*orders: PaymentOrder, **answer: Any) -> list[tuple[PaymentOrder, Any]]:
    return [(order, make.answer("COMPLETED", **answer)) for order in orders]


def again(order: PaymentOrder) -> PaymentOrder:
    return PaymentOrder.objects.get(pk=order.pk)


def columns(order: PaymentOrder) -> dict[str, Any]:
    """All that settling may change."""
    alike = ("id", "merchant_order_id", "cart_id", "fulfilment_reference", "created_at", "expires_at")
    row = PaymentOrder.objects.filter(pk=order.pk).values().get()
    return {name: value for name, value in row.items() if name not in alike}


def trail(order: PaymentOrder) -> list[tuple[Any, ...]]:
    events = order.events.exclude(kind=Kind.CREATED).order_by("pk")
    told = events.values_list("at", "kind", "source", "from_status", "to_status", "detail")
    return [(*line[:-1], line[-1] if line[1] != Kind.FULFILLED else sorted(line[-1])) for line in told]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"nudged_by": Source.WEBHOOK, "nudged_at": timezone.now() - timedelta(seconds=3)},
        {"leased_until": timezone.now() + timedelta(seconds=9), "asks": 4, "failure_code": "OLD"},
        {"gateway_order_id": "", "asked_at": timezone.now() - timedelta(minutes=1)},
        {"holding": True},
        {"handled": Attention.AMOUNT_MISMATCH, "verify_requested_at": timezone.now()},
    ],
)
def test_settle_together_leaves_rows_and_trail_as_single_settling_does(plug, fields):
    plug("delivers", FULFIL_MANY="delivers_many", HOLD="holds", RELEASE="releases")
    now, answer = timezone.now(), make.answer("COMPLETED")
    one, two, three = (make.order(now=now, **fields) for _ in range(3))
    source = Source(one.nudged_by or Source.CHECKER)

    settle(one, answer, source=source, now=now)
    settled = together.settle([(two, answer), (three, answer)], now=now)

    assert set(settled) == {two.pk, three.pk}
    assert columns(one) == columns(two) == columns(three)
    assert trail(one) == trail(two) == trail(three)
    assert again(two).fulfilment_reference == f"REF-{two.merchant_order_id[-8:]}"
    for order in (two, three):
        row = {field.attname: getattr(settled[order.pk], field.attname) for field in order._meta.fields}
        assert row == PaymentOrder.objects.filter(pk=order.pk).values().get()


@pytest.mark.parametrize(
    ("fields", "answer"),
    [
        ({}, {"amount": 100}),
        ({}, {"gateway_order_id": "OMO-other"}),
        ({}, {"state": "PENDING"}),
        ({}, {"state": "FAILED"}),
        ({"status": Status.PENDING}, {}),
        ({"status": Status.EXPIRED}, {}),
        ({"status": Status.FAILED}, {}),
        ({"status": Status.CANCELLED}, {}),
        ({"attention": Attention.STILL_PENDING}, {}),
        ({"asked_at": timezone.now() + timedelta(minutes=1)}, {}),
    ],
)
def test_settle_together_leaves_to_single_settling_whatever_is_not_plain(fields, answer):
    odd, plain = make.order(**fields), make.order()
    before, told = columns(odd), make.answer(**{"state": "COMPLETED"} | answer)

    settled = together.settle([(odd, told), *pairs(plain)], now=timezone.now())

    assert set(settled) == {plain.pk}
    assert (columns(odd), kinds(odd)) == (before, [Kind.CREATED])


def test_settle_together_goes_by_the_row_not_by_what_was_claimed():
    claimed = make.order()
    settle(claimed, make.answer("COMPLETED"))

    assert together.settle(pairs(claimed), now=timezone.now()) == {}
    assert kinds(claimed).count(Kind.ANSWERED) == 1


@pytest.mark.parametrize("status", [Status.INITIATED, Status.CANCELLED, Status.SUCCESS])
def test_settle_together_leaves_an_order_whose_cart_has_another(status):
    done = {"completed_at": timezone.now(), "fulfilment": "DUE"} if status == Status.SUCCESS else {}
    one = make.order(Status.CANCELLED, cart_id="twice")
    make.order(Status.EXPIRED if status == Status.INITIATED else status, cart_id="twice", **done)
    PaymentOrder.objects.filter(pk=one.pk).update(status=Status.CANCELLED)
    first, second = make.order(cart_id="thrice"), make.order(Status.FAILED, cart_id="thrice")

    assert together.settle(pairs(one, first, second), now=timezone.now()) == {}
    assert {again(order).status for order in (one, first, second)} == {"CANCELLED", "INITIATED", "FAILED"}


@pytest.mark.parametrize(
    "many",
    [
        "raises_for_many",
        "exits_for_many",
        "answers_too_much_for_many",
        "answers_nothing_for_many",
        "answers_no_text_for_many",
    ],
)
def test_settle_together_when_the_shop_raises_keeps_the_money_and_delivers_one_by_one(plug, logs, many):
    plug("delivers", FULFIL_MANY=many)
    orders = [make.order() for _ in range(3)]

    together.settle(pairs(*orders), now=timezone.now())

    assert {(again(o).status, again(o).fulfilment, again(o).next_check_at) for o in orders} == {
        (Status.SUCCESS, "BOOKED", None)
    }
    assert {tuple(moves(order)) for order in orders} == {(("INITIATED", "SUCCESS"),)}
    assert Checker.objects.count() == 0
    assert logs.count("paid orders are delivered one by one") == 1


def test_settle_together_delivers_by_itself_what_the_shop_leaves_out(plug):
    plug("delivers_and_writes", FULFIL_MANY="delivers_cheap_ones")
    cheap, dear = make.order(amount=99_900), make.order()

    together.settle([*pairs(cheap, amount=99_900), *pairs(dear)], now=timezone.now())

    assert (again(cheap).fulfilment, again(dear).fulfilment) == ("BOOKED", "BOOKED")
    assert Checker.objects.count() == 1


@pytest.mark.parametrize("count", [5, 20])
def test_settle_together_locks_no_carts_but_those_it_asks_about(count):
    """In a small table PostgreSQL reads all rows, and would try the lock of each before looking at its id."""
    orders = [make.order(holding=True) for _ in range(60)]

    list(PaymentOrder.objects.raw(together.LOCK, {"ids": [order.pk for order in orders[:count]]}))

    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()")
        assert cursor.fetchone() == (count,)


# -- races --------------------------------------------------------------------------------


@contextmanager
def elsewhere(statement: str, *parameters: Any) -> Iterator[None]:
    """A statement of another connection, whose transaction stays open while the block runs."""
    with psycopg.connect(**wakeups.connect_parameters()) as other:
        other.execute(statement, parameters)
        yield
        other.rollback()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("lock", ["row", "cart"])
def test_settle_together_waits_for_nobody_and_leaves_what_others_hold(lock):
    held, free = make.order(holding=True), make.order(holding=True)
    statements = {
        "row": ("SELECT FROM payments_order WHERE id = %s FOR NO KEY UPDATE", held.pk),
        "cart": ("SELECT pg_advisory_xact_lock(hashtextextended('payments_hold ' || %s, 0))", held.cart_id),
    }

    with elsewhere(*statements[lock]), connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 2000")
        settled = together.settle(pairs(held, free), now=timezone.now())
        cursor.execute("SET statement_timeout = 0")

    assert set(settled) == {free.pk}
    assert again(held).status == Status.INITIATED


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("round_", ROUNDS)
def test_settle_together_and_singly_at_once_moves_and_books_once(plug, round_):
    plug("delivers_and_writes", FULFIL_MANY="delivers_many")
    orders = [make.order() for _ in range(3)]
    now = timezone.now()

    def singly() -> None:
        for order in orders:
            completion.settle(order.pk, make.answer("COMPLETED"), source=Source.RETURN, now=now)

    results = at_once(
        singly,
        lambda: together.settle(pairs(*orders), now=now),
        lambda: together.settle(pairs(*reversed(orders)), now=now),
    )

    assert [result for result in results if isinstance(result, Exception)] == []
    assert {tuple(moves(order)) for order in orders} == {(("INITIATED", "SUCCESS"),)}
    assert {kinds(order).count(Kind.FULFILLED) for order in orders} == {1}


def test_looks_plain_asks_for_money_that_came_for_an_open_order():
    now: datetime = timezone.now()
    paid, open_ = make.answer("COMPLETED", at=now), make.answer("PENDING", at=now)

    told = [
        together.looks_plain(PaymentOrder(status=status), answer)
        for status in (Status.INITIATED, Status.EXPIRED)
        for answer in (paid, open_)
    ]

    assert told == [True, False, False, False]
