"""A paid order becomes one booking."""

import datetime
from contextlib import nullcontext
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from bookings import fulfilment
from bookings.models import Booking
from cart import payable
from cart.models import Cart
from payments.errors import Unfulfillable
from payments.shop import PaidOrder
from payments.states import Status
from tests import make
from tests.at_once import at_once
from tests.cart import rows

ROUNDS = 20


@pytest.fixture(autouse=True)
def _no_jobs(db):
    """Procrastinate's tables are not Django's: they keep what an earlier transactional test committed."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")


def paid(cart, order="OKP-1", **changes) -> PaidOrder:
    """The cart's order as `payments` hands it over once the money is in."""
    wanted = payable.payable(cart)
    values = {"cart_id": wanted.reference, "amount": wanted.amount_paise, "snapshot": dict(wanted.snapshot)}
    return PaidOrder.of(make.paid_order(merchant_order_id=order, **values | changes))


def fulfil(order: PaidOrder) -> str:
    """As the engine does it: in the settling transaction, in a savepoint."""
    with transaction.atomic(), transaction.atomic():
        return fulfilment.fulfil(order)


def jobs():
    return list(ProcrastinateJob.objects.values_list("task_name", "args").order_by("id"))


@pytest.mark.django_db
def test_a_paid_order_is_booked_as_it_was_frozen():
    owner = rows.customer()
    cart = rows.cart(owner=owner)
    order = paid(cart)
    cart.package.price_paise = 999900
    cart.package.save()
    Cart.objects.filter(pk=cart.pk).update(name="Someone Else", date=rows.coming_day(30))

    number = fulfil(order)

    booking = Booking.objects.values().get()
    assert booking | {"id": 0, "created_at": 0} == {
        "id": 0,
        "created_at": 0,
        "booking_id": number,
        "cart_id": str(cart.cart_id),
        "merchant_order_id": "OKP-1",
        "puja": "Ganesh Puja",
        "package": cart.package.name,
        "date": rows.coming_day(),
        "time": datetime.time(9, 30),
        "name": "Asha Rao",
        "email": "asha@example.com",
        "phone": "+919876543210",
        "address": "12 Temple Road\nBengaluru 560003",
        "amount": 149900,
        "owner_id": owner.pk,
        "confirmation_sent_at": None,
    }
    cart.refresh_from_db()
    assert (cart.status, cart.price_paise) == ("BOOKED", 149900)
    assert jobs() == [("bookings.send_confirmation", {"booking_id": number})]


@pytest.mark.django_db
def test_fulfilling_again_returns_the_same_booking_and_mails_once():
    order = paid(rows.cart())

    numbers = {fulfil(order) for _ in range(3)}

    assert numbers == {Booking.objects.get().booking_id}
    assert len(jobs()) == 1


@pytest.mark.django_db
def test_a_second_order_of_a_booked_cart_is_unfulfillable_and_changes_nothing():
    cart = rows.cart()
    fulfil(paid(cart, "OKP-1"))
    before = (list(Booking.objects.values()), list(Cart.objects.values()), jobs())

    with pytest.raises(Unfulfillable) as refusal:
        fulfil(paid(cart, "OKP-2"))

    assert refusal.value.reason == "This cart has already been booked by another payment."
    assert (list(Booking.objects.values()), list(Cart.objects.values()), jobs()) == before


@pytest.mark.django_db
@pytest.mark.parametrize("reference", ["5d1b7c2e-0000-4000-8000-000000000000", "a shop's own word"])
def test_an_order_without_a_cart_row_is_booked_all_the_same(reference):
    order = paid(rows.cart(), cart_id=reference)

    assert fulfil(order) == Booking.objects.get(cart_id=reference).booking_id


@pytest.mark.django_db
def test_a_taken_booking_number_is_drawn_again(monkeypatch):
    drawn = iter(["0000000a", "0000000a", "0000000a", "0000000b"])
    monkeypatch.setattr("bookings.models.secrets.token_hex", lambda size: next(drawn))
    first = fulfil(paid(rows.cart(), "OKP-1"))

    second = fulfil(paid(rows.cart(), "OKP-2"))

    assert (first, second) == ("BK-0000000A", "BK-0000000B")
    assert len(jobs()) == 2


@pytest.mark.django_db
def test_numbers_that_are_always_taken_are_a_bug_that_is_raised(monkeypatch):
    monkeypatch.setattr("bookings.models.secrets.token_hex", lambda size: "0000000a")
    fulfil(paid(rows.cart(), "OKP-1"))

    with pytest.raises(IntegrityError):
        fulfil(paid(rows.cart(), "OKP-2"))

    assert list(Booking.objects.values_list("merchant_order_id", flat=True)) == ["OKP-1"]


@pytest.mark.django_db
def test_a_deleted_account_does_not_stop_the_booking():
    owner = rows.customer()
    order = paid(rows.cart(owner=owner))
    owner.delete()

    fulfil(order)

    assert Booking.objects.get().owner is None


def ago(**span: float) -> dict[str, Any]:
    """The day and time so long ago, as a cart has them."""
    then = timezone.localtime() - timedelta(**span)
    return {"date": then.date(), "time": then.time().replace(second=0, microsecond=0)}


@pytest.mark.django_db
def test_money_that_comes_hours_after_the_time_of_the_puja_buys_nothing():
    order = paid(rows.cart(**ago(hours=2)))

    with pytest.raises(Unfulfillable, match="was over when the payment was confirmed"):
        fulfil(order)

    assert (Booking.objects.count(), jobs()) == (0, [])


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("began", "came"),
    [({"minutes": 50}, {}), ({"hours": 30}, {"hours": 30})],
    ids=["confirmed within the hour", "whose booking failed for a day"],
)
def test_a_payment_that_was_confirmed_in_time_is_booked_however_late_that_is(began, came):
    order = paid(rows.cart(**ago(**began)), completed_at=timezone.now() - timedelta(**came))

    assert fulfil(order) == Booking.objects.get().booking_id


@pytest.mark.django_db
def test_a_snapshot_that_lacks_something_raises_and_leaves_nothing():
    order = paid(rows.cart(), snapshot={"date": "2094-01-01", "time": "09:00"})

    with pytest.raises(KeyError):
        fulfil(order)

    assert (Booking.objects.count(), jobs()) == (0, [])


@pytest.mark.django_db(transaction=True)
def test_two_orders_of_one_cart_race_and_one_books():
    for round_ in range(ROUNDS):
        cart = rows.cart(time=datetime.time(round_))
        one, two = paid(cart, f"OKP-{round_}-1"), paid(cart, f"OKP-{round_}-2")

        results = at_once(lambda o=one: fulfil(o), lambda o=two: fulfil(o))

        booking = Booking.objects.get(cart_id=str(cart.cart_id))
        kinds = sorted(type(result).__name__ for result in results)
        assert kinds == ["Unfulfillable", "str"], results
        assert booking.booking_id in results
    assert len(jobs()) == ROUNDS


@pytest.mark.django_db(transaction=True)
def test_one_order_fulfilled_twice_at_once_is_booked_once():
    for round_ in range(ROUNDS):
        order = paid(rows.cart(time=datetime.time(round_)), f"OKP-{round_}")

        results = at_once(*[lambda o=order: fulfil(o)] * 3)

        assert results == [Booking.objects.get(merchant_order_id=f"OKP-{round_}").booking_id] * 3
    assert len(jobs()) == ROUNDS


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("changes", "constraint"),
    [
        ({"booking_id": "BK-0000000g"}, "bookings_booking_number"),
        ({"amount": 0}, "bookings_booking_amount"),
        ({"cart_id": "taken"}, "cart_id"),
        ({"merchant_order_id": "taken"}, "merchant_order_id"),
    ],
)
def test_the_database_refuses_a_wrong_booking(changes, constraint):
    fulfil(paid(rows.cart(), "taken", cart_id="taken"))
    values = Booking.objects.values().get() | {
        "id": None,
        "booking_id": "BK-0000000A",
        "cart_id": "other",
        "merchant_order_id": "other",
    }

    with make.unguarded(), pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        Booking.objects.create(**values | changes)

    assert Booking.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("status", "changes", "refused"),
    [
        (Status.SUCCESS, {}, False),
        (Status.INITIATED, {}, True),
        (Status.FAILED, {}, True),
        (Status.SUCCESS, {"amount": 149901}, True),
        (Status.SUCCESS, {"cart_id": "another"}, True),
        (Status.SUCCESS, {"merchant_order_id": "OKP-NOBODY"}, True),
    ],
)
def test_the_database_refuses_a_booking_without_its_money(status, changes, refused):
    order = make.paid_order() if status == Status.SUCCESS else make.order(status)
    frozen = {field: make.SNAPSHOT[field] for field in ("puja", "package", "date", "time", "name", "email")}
    values = {
        "cart_id": order.cart_id,
        "merchant_order_id": order.merchant_order_id,
        "amount": order.amount,
    }
    refusal = pytest.raises(IntegrityError, match="has not been paid for this cart and amount")

    with refusal if refused else nullcontext(), transaction.atomic():
        Booking.objects.create(**frozen, **values | changes)

    assert Booking.objects.count() == (0 if refused else 1)
