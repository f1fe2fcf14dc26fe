"""Rows and answers for tests, as plain functions."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

from payments.answers import Answer
from payments.models import PaymentEvent, PaymentOrder
from payments.states import Fulfilment, Status
from phonepe_pg import Attempt, OrderStatus, PhonePeError

SNAPSHOT = {
    "puja": "Ganesh Puja",
    "package": "Standard",
    "date": "2094-01-14",
    "time": "09:00",
    "name": "Asha Rao",
    "email": "asha@example.com",
    "phone": "+919876543210",
    "address": "12 MG Road, Bengaluru",
    "price_paise": 149900,
}


def order(status: Status = Status.INITIATED, **fields: Any) -> PaymentOrder:
    """An order as checkout would have left it; `age_s` says how long ago."""
    now = fields.pop("now", None) or timezone.now()
    created_at = now - timedelta(seconds=fields.pop("age_s", 60))
    values: dict[str, Any] = {
        "cart_id": str(uuid.uuid4()),
        "amount": 149900,
        "status": status,
        "created_at": created_at,
        "expires_at": created_at + timedelta(seconds=900),
        "gateway_order_id": "OMO1",
        "pay_page_url": "http://pay.example/page",
        "next_check_at": now - timedelta(seconds=1),
        "snapshot": SNAPSHOT,
    } | fields
    made = PaymentOrder.objects.create(**values)
    PaymentEvent.objects.create(order=made, at=created_at, kind=PaymentEvent.Kind.CREATED)
    return made


def paid_order(**fields: Any) -> PaymentOrder:
    """An order whose money has arrived and that is to be delivered now: the database lets it be booked."""
    values = {"completed_at": timezone.now(), "fulfilment": Fulfilment.DUE, "next_check_at": None} | fields
    return order(Status.SUCCESS, **values)


@contextmanager
def unguarded() -> Iterator[None]:
    """PostgreSQL without our triggers: how else should a break get in?"""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        yield
        cursor.execute("SET session_replication_role = DEFAULT")


def answer(
    state: str = "PENDING",
    *,
    amount: int | None = 149900,
    gateway_order_id: str = "OMO1",
    code: str = "",
    at: datetime | None = None,
) -> Answer:
    """PhonePe's word about an order."""
    at = at or timezone.now()
    attempts = (Attempt(state="COMPLETED", utr="123456789012", payment_mode="UPI_QR", at=at),)
    status = OrderStatus(
        order_id=gateway_order_id,
        state=state,
        amount_paise=amount,
        expire_at=None,
        detailed_error_code=code,
        attempts=attempts if state == "COMPLETED" else (),
        raw={"state": state, "amount": amount, "orderId": gateway_order_id},
    )
    return Answer(asked_at=at, took_ms=5, status=status)


def trouble(error: PhonePeError, *, at: datetime | None = None) -> Answer:
    """No status but an error."""
    return Answer(asked_at=at or timezone.now(), took_ms=5, error=error)
