"""The shop for courses as the engine's tests see it: orders that its own fulfilment delivers, and what it delivered."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib.auth.models import User

from payments.models import PaymentOrder
from payments.states import Status
from tests import make
from tests.othershop.courses.models import Course, Enrolment
from tests.othershop.courses.payable import seat


def course(*, seats: int = 10) -> Course:
    return Course.objects.create(title="Vedic chanting", price_paise=149900, seats=seats)


def learner() -> User:
    return User.objects.create_user(f"learner-{uuid.uuid4()}")


def order(status: Status = Status.INITIATED, *, of: Course | None = None, **fields: Any) -> PaymentOrder:
    """An order as checkout would have left it, for a new learner's seat."""
    wanted = seat(of or course(), learner().pk)
    values = {"cart_id": wanted.reference, "snapshot": dict(wanted.snapshot)} | fields
    return make.order(status, **values)


def delivered(reference: str) -> list[tuple[str, str]]:
    """Of what was delivered for `reference`: by which order, under which number."""
    orders = PaymentOrder.objects.filter(cart_id=reference).values("merchant_order_id")
    made = Enrolment.objects.filter(merchant_order_id__in=orders)
    return [(enrolment.merchant_order_id, enrolment.number) for enrolment in made]
