"""Orders that are written as checkout would have left them, many at once, and made known to the emulator.

Expiry takes 300 s, so those that are to expire are written as old as they must be. An order that is paid
late gets an age that puts a rung of its ladder (ten minutes after the deadline) where somebody still waits for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from itertools import pairwise
from typing import Any

from django.db import close_old_connections, transaction
from django.utils import timezone

from cart.models import Cart
from cart.payable import payable
from catalog.models import Package
from payments import schedule
from payments.models import PaymentEvent, PaymentOrder
from payments.states import Status
from tests.chaos.plan import LIFE_S, Purchase, Story

YOUNG_S = 40.0
LATE_RUNG_S = LIFE_S + schedule.AFTER_DEADLINE[-1].total_seconds() + schedule.SPREAD_S
SOON_S = 20.0  # within which an outcome comes, scaled down in a short run


@dataclass(frozen=True, slots=True)
class Deed:
    """What is done to an order at the gateway, `after_s` seconds after it was made."""

    after_s: float
    merchant_order_id: str
    outcome: str
    how: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Made:
    """Orders of one purchase, and what will be done to them."""

    cart: Cart
    orders: list[PaymentOrder]
    deeds: list[Deed]
    wrong_id: bool = False


def make(
    purchase: Purchase, packages: Sequence[Package], *, now: datetime, calm_in_s: float, hurry: float
) -> Made:
    """The rows of a purchase, not saved. `hurry` (0 to 1) scales the time until its outcome."""
    cart = _cart(packages[purchase.number % len(packages)], purchase.number, now=now)
    soon, rung_in_s = hurry * SOON_S * purchase.pace, _late_rung_in_s(purchase, calm_in_s)
    young = _order(cart, now=now, age_s=YOUNG_S * purchase.pace)
    old = _order(cart, now=now, age_s=LATE_RUNG_S - rung_in_s)
    force = {"force": True}
    match purchase.story:
        case Story.PAID | Story.OTHER_ID:
            wrong_id = purchase.story == Story.OTHER_ID
            return Made(cart, [young], [_deed(young, soon, "success")], wrong_id)
        case Story.FAILED:
            return Made(cart, [young], [_deed(young, soon, "failure")])
        case Story.CANCELLED:
            return Made(cart, [young], [_deed(young, soon, "cancel")])
        case Story.OTHER_SUM:
            return Made(cart, [young], [_deed(young, soon, "success", {"amount": young.amount - 100})])
        case Story.REVIVED:
            deeds = [_deed(young, soon / 2, "failure"), _deed(young, soon / 2 + hurry * 10, "success", force)]
            return Made(cart, [young], deeds)
        case Story.LATE:
            return Made(cart, [old], [_deed(old, soon + 1, "success", force)])
        case Story.TWICE:
            old.status = Status.EXPIRED
            deeds = [_deed(old, hurry * 10, "success", force), _deed(young, soon, "success")]
            return Made(cart, [old, young], deeds)
        case _:
            return Made(cart, [_order(cart, now=now, age_s=LIFE_S - 30 + 200 * purchase.pace)], [])


def entries(made: Sequence[Made], *, now: datetime) -> list[dict[str, Any]]:
    """What the emulator's control API wants to know about the orders."""
    return [
        {
            "merchantOrderId": order.merchant_order_id,
            "amount": order.amount,
            "expireAfter": LIFE_S,
            "age": (now - order.created_at).total_seconds(),
        }
        for one in made
        for order in one.orders
    ]


def save(made: Sequence[Made], known: Sequence[dict[str, Any]]) -> None:
    """Commit carts, orders and the events that they would have; `known` is the emulator's answer."""
    close_old_connections()
    by_id = {entry["merchantOrderId"]: entry for entry in known}
    orders = [order for one in made for order in one.orders]
    for one in made:
        for order in one.orders:
            entry = by_id[order.merchant_order_id]
            order.pay_page_url = entry["redirectUrl"]
            order.gateway_order_id = f"{entry['orderId']}X" if one.wrong_id else entry["orderId"]
    with transaction.atomic():
        Cart.objects.bulk_create(one.cart for one in made)
        PaymentOrder.objects.bulk_create(orders)
        PaymentEvent.objects.bulk_create(event for order in orders for event in _events(order))


def _late_rung_in_s(purchase: Purchase, calm_in_s: float) -> float:
    """In how many seconds the order's rung comes: shortly after the faults end, in a long run before that."""
    return min(max(calm_in_s, 0) + 2 + 20 * purchase.pace, 60 + 200 * purchase.pace)


def _deed(order: PaymentOrder, after_s: float, outcome: str, how: dict[str, Any] | None = None) -> Deed:
    return Deed(after_s, order.merchant_order_id, outcome, how or {})


def _cart(package: Package, number: int, *, now: datetime) -> Cart:
    return Cart(
        package=package,
        date=(now + timedelta(days=7 + number % 350)).date(),
        time=time(6 + number % 13, 30),
        name=f"Chaos {number}",
        email=f"chaos-{number}@example.invalid",
        phone="+919000000000",
        address="1 Chaos Road, Bengaluru 560001",
        created_at=now,
    )


def _order(cart: Cart, *, now: datetime, age_s: float) -> PaymentOrder:
    wanted = payable(cart)
    created_at = now - timedelta(seconds=age_s)
    return PaymentOrder(
        cart_id=wanted.reference,
        amount=wanted.amount_paise,
        snapshot=dict(wanted.snapshot),
        status=Status.INITIATED,
        created_at=created_at,
        expires_at=created_at + timedelta(seconds=LIFE_S),
        next_check_at=now + timedelta(seconds=1),
    )


def _events(order: PaymentOrder) -> list[PaymentEvent]:
    path = [Status.PENDING, Status.INITIATED]
    path += [Status.EXPIRED] if order.status == Status.EXPIRED else []
    moved = [
        PaymentEvent(
            order=order, at=order.created_at, kind=PaymentEvent.Kind.MOVED, from_status=came, to_status=went
        )
        for came, went in pairwise(path)
    ]
    return [PaymentEvent(order=order, at=order.created_at, kind=PaymentEvent.Kind.CREATED), *moved]


def packages() -> list[Package]:
    close_old_connections()
    return list(Package.objects.offered().select_related("puja"))


def now() -> datetime:
    return timezone.now()
