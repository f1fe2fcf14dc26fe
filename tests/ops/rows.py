"""Staff, and payments of every kind, as plain functions."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.utils import timezone

from bookings import fulfilment
from bookings.models import Booking
from payments import checkers, completion, refunds, transitions
from payments.models import PaymentEvent, PaymentOrder, Refund
from payments.shop import PaidOrder
from payments.states import Attention, Source, Status
from tests import make

ALL = (
    "payments.view_paymentorder",
    "payments.add_refund",
    "ops.verify_payment",
    "ops.settle_attention",
    "ops.book_anyway",
    "ops.see_personal_data",
)
SEE = ALL[0]


def staff(*rights: str, name: str = "ravi") -> Any:
    """A member of staff with exactly these rights ("app.codename")."""
    user = get_user_model().objects.create_user(name, f"{name}@example.com", "secret-123", is_staff=True)
    for right in rights:
        app, codename = right.split(".")
        user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
    return user


def booked(*, at: datetime | None = None, **fields: Any) -> PaymentOrder:
    """A paid and booked order with PhonePe's answer in its trail, as the engine leaves it."""
    at = at or timezone.now()
    order = make.order(now=at, **fields)
    _answered(order, order.amount, at)
    _moved(order, at)
    done = {"status": Status.SUCCESS, "completed_at": at, "completed_by": Source.CHECKER, "paid_at": at}
    PaymentOrder.objects.filter(pk=order.pk).update(
        **done, gateway_state="COMPLETED", utr="123456789012", fulfilment="DUE", next_check_at=None, asks=1
    )
    order.refresh_from_db()
    number = fulfilment.fulfil(PaidOrder.of(order))
    PaymentOrder.objects.filter(pk=order.pk).update(fulfilment="BOOKED", fulfilment_reference=number)
    Booking.objects.filter(booking_id=number).update(created_at=at)
    order.refresh_from_db()
    return order


def undelivered(*, at: datetime | None = None, attention: str = "", **fields: Any) -> PaymentOrder:
    """A paid order that buys nothing."""
    at = at or timezone.now()
    order = make.order(
        Status.SUCCESS, now=at, completed_at=at, paid_at=at, fulfilment="UNFULFILLABLE", gateway_state="COMPLETED",
        next_check_at=None, attention=attention, attention_at=at if attention else None, **fields,
    )  # fmt: skip
    _answered(order, order.amount, at)
    return order


def mismatched(taken: int = 100) -> PaymentOrder:
    """An order for which PhonePe took another sum, through the engine."""
    order = make.order()
    completion.settle(
        order.pk, make.answer("COMPLETED", amount=taken), source=Source.CHECKER, now=timezone.now()
    )
    order.refresh_from_db()
    assert order.attention == Attention.AMOUNT_MISMATCH
    return order


def order_of_which_another_failed(amount: int) -> PaymentOrder:
    """An open order for which PhonePe told of another one, of this sum, that failed."""
    order = make.order()
    another = make.answer("FAILED", amount=amount, gateway_order_id="OMO-another")
    return completion.settle(order.pk, another, source=Source.CHECKER, now=timezone.now())


def refund(order: PaymentOrder, amount: int, state: str = "COMPLETED", **fields: Any) -> Refund:
    at = fields.pop("at", timezone.now())
    done = {"completed_at": at} if state == "COMPLETED" else {}
    return Refund.objects.create(
        order=order, amount=amount, state=state, reason="Ill.", requested_by="ravi", **done, **fields
    )


def a_busy_day() -> PaymentOrder:
    """Payments of every kind over the last day; one that has a long story."""
    chance = random.Random(7)
    now = timezone.now()
    checkers.beat(interval_s=60, now=now, swept_at=now)
    for _ in range(60):
        at = now - timedelta(minutes=chance.randrange(1, 1400))
        order = booked(at=at)
        lag = timedelta(seconds=chance.choice([0.3, 0.8, 1.2, 3, 4, 8, 22, 50]))
        source = chance.choice(["checker", "webhook", "webhook", "return"])
        changed = {"paid_at": at - lag, "completed_by": source, "asks": chance.choice([1, 1, 1, 2, 4, 7])}
        PaymentOrder.objects.filter(pk=order.pk).update(**changed)
    for status in ("FAILED", "EXPIRED", "CANCELLED", "FAILED"):
        made = now - timedelta(minutes=chance.randrange(20, 1400))
        make.order(status, now=made, next_check_at=None)
    refund(undelivered(at=now - timedelta(hours=5)), 149900)
    mismatched(taken=12345600)
    order = undelivered(at=now - timedelta(minutes=50), attention="unfulfillable")
    refund(order, 49900)
    refunds.request(
        order.merchant_order_id, amount_paise=5000, reason="A beginning.", requested_by="ravi", now=now
    )
    return order


def _answered(order: PaymentOrder, amount: int, at: datetime) -> None:
    answer = make.answer("COMPLETED", amount=amount, at=at)
    transitions.record_answer(order, answer, source=Source.CHECKER, now=at)


def _moved(order: PaymentOrder, at: datetime) -> None:
    PaymentEvent.objects.create(
        order=order, at=at, kind="moved", source="checker", from_status="INITIATED", to_status="SUCCESS"
    )
