"""What the tests of slots share: a wish, the places of a slot, who has one, the audit's findings."""

from __future__ import annotations

from django.db import connection, transaction

from bookings import audit
from cart import payable, slots
from cart.models import Cart, Slot, SlotHold
from payments.models import PaymentOrder
from payments.states import Status
from tests import make
from tests.cart import rows


def wish(cart: Cart | None = None):
    """The cart, as the engine gets it."""
    cart = cart or rows.cart(package=rows.package(capacity=1))
    return payable.payable(Cart.objects.select_related("package__puja").get(pk=cart.pk))


def places() -> list[tuple[int, int]]:
    return list(Slot.objects.order_by("pk").values_list("taken", "capacity"))


def kept(cart_id: str) -> list[str]:
    return list(SlotHold.objects.filter(cart_id=cart_id).order_by("pk").values_list("state", flat=True))


def findings() -> set[tuple[str, str]]:
    found = set()
    for question in audit.QUESTIONS:
        with connection.cursor() as cursor:
            cursor.execute(question.sql)
            found |= {(question.name, row[0]) for row in cursor.fetchall()}
    return found


def order(wanted, status: Status = Status.INITIATED, **fields) -> PaymentOrder:
    """An order of the cart whose place is kept, as checkout leaves it; `holding=False`: it was given up."""
    values = {"cart_id": wanted.reference, "snapshot": dict(wanted.snapshot), "holding": True} | fields
    if values["holding"]:
        with transaction.atomic():
            slots.hold(wanted)
    return make.order(status, **values)
