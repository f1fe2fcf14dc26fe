"""Customers, late money and releases race for a place; the count is right whoever wins."""

from __future__ import annotations

import threading

import pytest
from django.db import connection, transaction

from cart import slots
from cart.models import Slot, SlotHold
from payments import checkout
from payments.errors import NotPayable
from payments.models import PaymentOrder, Refund
from payments.states import Status
from tests import make
from tests.at_once import at_once
from tests.cart import rows
from tests.cart.places import findings, kept, order, places, wish
from tests.payments.settling import settle
from tests.sandbox import wait_until

ROUNDS = 20


@pytest.fixture
def no_gateway(monkeypatch):
    """The races are over before PhonePe is called."""
    monkeypatch.setattr(checkout, "_create_at_gateway", lambda order: order)


@pytest.mark.django_db(transaction=True)
def test_two_carts_race_for_the_last_place_and_one_gets_it(sandbox):
    package = rows.package(capacity=1)
    for round_ in range(ROUNDS):
        carts = [rows.cart(package=package, date=rows.coming_day(20 + round_)) for _ in range(2)]
        one, two = map(wish, carts)

        results = at_once(lambda w=one: checkout.start(w), lambda w=two: checkout.start(w))

        assert sorted(type(result).__name__ for result in results) == ["NotPayable", "Started"], results
        refusal = next(result for result in results if isinstance(result, NotPayable))
        assert refusal.message == slots.TAKEN_BY_OTHERS
    assert places() == [(1, 1)] * ROUNDS
    assert (PaymentOrder.objects.count(), sandbox.calls()["pay"]) == (ROUNDS, ROUNDS)
    assert findings() == set()


@pytest.mark.django_db(transaction=True)
def test_late_money_races_a_new_customer_for_the_last_place_and_one_gets_it(no_gateway):
    package = rows.package(capacity=1)
    for round_ in range(ROUNDS):
        carts = [rows.cart(package=package, date=rows.coming_day(20 + round_)) for _ in range(2)]
        late, new = map(wish, carts)
        paid = order(late, Status.FAILED, holding=False)

        settled, started = at_once(
            lambda p=paid: settle(p, make.answer("COMPLETED")), lambda w=new: checkout.start(w)
        )

        outcome = (settled.fulfilment, type(started).__name__)
        assert outcome in {("BOOKED", "NotPayable"), ("UNFULFILLABLE", "Started")}, (settled, started)
        assert Refund.objects.filter(order=paid).exists() == (outcome[0] == "UNFULFILLABLE")
    assert places() == [(1, 1)] * ROUNDS
    assert findings() == set()


@pytest.mark.django_db(transaction=True)
def test_late_money_races_a_new_order_of_the_same_cart_and_they_share_one_place(no_gateway):
    package = rows.package(capacity=2)
    for round_ in range(ROUNDS):
        cart = rows.cart(package=package, date=rows.coming_day(20 + round_))
        Slot.objects.create(puja=package.puja, date=cart.date, time=cart.time, capacity=2)
        wanted = wish(cart)
        paid = order(wanted, Status.FAILED, holding=False)

        settled, started = at_once(
            lambda p=paid: settle(p, make.answer("COMPLETED")), lambda w=wanted: checkout.start(w)
        )

        assert settled.fulfilment == "BOOKED", (settled, started)
        assert type(started).__name__ in ("Started", "AlreadyPaid"), started
        assert kept(wanted.reference) == ["TAKEN"]
    assert places() == [(1, 2)] * ROUNDS
    assert findings() == set()


@pytest.mark.django_db(transaction=True)
def test_a_release_races_a_hold_and_the_count_is_right(no_gateway):
    package = rows.package(capacity=1)
    for round_ in range(ROUNDS):
        carts = [rows.cart(package=package, date=rows.coming_day(20 + round_)) for _ in range(2)]
        ending, new = map(wish, carts)
        failed = order(ending)

        settled, started = at_once(
            lambda o=failed: settle(o, make.answer("FAILED")), lambda w=new: checkout.start(w)
        )

        assert (settled.holding, kept(ending.reference)) == (False, ["RELEASED"])
        assert type(started).__name__ in ("Started", "NotPayable"), started
        got_it = isinstance(started, checkout.Started)
        assert Slot.objects.get(date=carts[0].date).taken == got_it
    assert findings() == set()


@pytest.mark.django_db(transaction=True)
def test_a_release_races_a_new_order_of_the_same_cart_which_has_its_place(no_gateway):
    package = rows.package(capacity=1)
    for round_ in range(ROUNDS):
        wanted = wish(rows.cart(package=package, date=rows.coming_day(20 + round_)))
        old = order(wanted, Status.CANCELLED)

        settled, started = at_once(
            lambda o=old: settle(o, make.answer("FAILED")), lambda w=wanted: checkout.start(w)
        )

        assert (settled.holding, type(started).__name__) == (False, "Started"), started
    assert places() == [(1, 1)] * ROUNDS
    assert findings() == set()


@pytest.mark.django_db(transaction=True)
def test_a_release_waits_for_the_slot_before_it_touches_a_hold():
    """As a late payment does, so that the two cannot wait for each other."""
    wanted = wish()
    order(wanted)

    def release():
        with transaction.atomic():
            slots.release(wanted.reference)

    releasing = threading.Thread(target=lambda: at_once(release))
    with transaction.atomic():
        Slot.objects.select_for_update(no_key=True).get()
        releasing.start()
        wait_until(_somebody_waits)
        untouched = SlotHold.objects.select_for_update(nowait=True).get()
    releasing.join(10)

    assert (untouched.state, kept(wanted.reference), places()) == ("HELD", ["RELEASED"], [(0, 1)])


def _somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])


@pytest.mark.django_db(transaction=True)
def test_the_first_two_customers_of_a_time_make_its_slot_once(no_gateway):
    package = rows.package(capacity=2)
    for round_ in range(ROUNDS):
        carts = [rows.cart(package=package, date=rows.coming_day(20 + round_)) for _ in range(2)]
        one, two = map(wish, carts)

        results = at_once(lambda w=one: checkout.start(w), lambda w=two: checkout.start(w))

        assert [type(result).__name__ for result in results] == ["Started", "Started"], results
    assert places() == [(2, 2)] * ROUNDS
