"""Many carts with payment orders at once, for load tests. Never in production."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from random import randrange
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from django.db import connection, transaction

from cart.models import Cart
from cart.payable import snapshot
from catalog.models import Package
from payments.models import PaymentOrder
from payments.states import OPEN, Status

BATCH = 1000
ANSWER_WITHIN_S = 60


# As `slots.hold`, for many carts at once; where a time is full, the order goes without.
HOLD = """
WITH wanted AS (
    SELECT w.*, p.capacity FROM jsonb_to_recordset(%(wanted)s::jsonb)
        AS w(cart_id text, puja_id bigint, date date, time time) JOIN catalog_puja p ON p.id = w.puja_id
), slots AS (
    INSERT INTO cart_slot AS s (puja_id, date, time, capacity, taken)
    SELECT puja_id, date, time, capacity, count(*) FROM wanted GROUP BY puja_id, date, time, capacity
    HAVING count(*) <= capacity
    ON CONFLICT (puja_id, date, time) DO UPDATE SET taken = s.taken + EXCLUDED.taken
        WHERE s.taken + EXCLUDED.taken <= s.capacity
    RETURNING id, puja_id, date, time
)
INSERT INTO cart_slothold (cart_id, slot_id, state, created_at, changed_at)
SELECT w.cart_id, s.id, 'HELD', %(now)s, %(now)s FROM wanted w JOIN slots s USING (puja_id, date, time)
RETURNING cart_id
"""


class EmulatorUnreachable(Exception):
    """The emulator's control API did not take the orders; the message says why."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to make: `age` is how long ago each order was created, `expire_after` its time to be paid."""

    count: int
    status: Status
    age: timedelta
    expire_after: timedelta


def make(plan: Plan, *, packages: Sequence[Package], now: datetime, emulator: str | None) -> Iterator[int]:
    """Make carts and orders in batches, yielding how many there are so far.

    With `emulator` (its base URL) each batch is made known to it first, with its age. A batch is committed
    whole; a failed one leaves the earlier ones. Raises EmulatorUnreachable.
    """
    made = 0
    while made < plan.count:
        size = min(BATCH, plan.count - made)
        carts = [_cart(packages[(made + n) % len(packages)], made + n, now=now) for n in range(size)]
        orders = [_order(cart, plan, now=now) for cart in carts]
        if emulator:
            _register(orders, plan, emulator=emulator)
        with transaction.atomic():
            Cart.objects.bulk_create(carts)
            if plan.status in OPEN:
                _hold(orders, now=now)
            PaymentOrder.objects.bulk_create(orders)
        made += size
        yield made


def _cart(package: Package, number: int, *, now: datetime) -> Cart:
    return Cart(
        package=package,
        date=(now + timedelta(days=7 + randrange(350))).date(),
        time=time(randrange(24), randrange(60)),  # spread, so that no slot fills up
        name=f"Load Test {number}",
        email=f"load-{number}@example.invalid",
        phone="+919000000000",
        address="1 Load Test Road, Bengaluru 560001",
        created_at=now,
    )


def _order(cart: Cart, plan: Plan, *, now: datetime) -> PaymentOrder:
    created_at = now - plan.age
    return PaymentOrder(
        cart_id=str(cart.cart_id),
        amount=cart.total_paise,
        snapshot=snapshot(cart),
        status=plan.status,
        created_at=created_at,
        expires_at=created_at + plan.expire_after,
        next_check_at=now if plan.status in OPEN else None,
    )


def _hold(orders: list[PaymentOrder], *, now: datetime) -> None:
    """Keep a place for each, as checkout does."""
    wanted = [
        {"cart_id": order.cart_id} | {name: order.snapshot[name] for name in ("puja_id", "date", "time")}
        for order in orders
    ]
    with connection.cursor() as cursor:
        cursor.execute(HOLD, {"wanted": json.dumps(wanted), "now": now})
        kept = {cart_id for (cart_id,) in cursor.fetchall()}
    for order in orders:
        order.holding = order.cart_id in kept


def _register(orders: list[PaymentOrder], plan: Plan, *, emulator: str) -> None:
    """Make the orders known to the emulator and note the ids that it gave them."""
    entries = [
        {
            "merchantOrderId": order.merchant_order_id,
            "amount": order.amount,
            "expireAfter": int(plan.expire_after.total_seconds()),
            "age": plan.age.total_seconds(),
        }
        for order in orders
    ]
    answer = _post(f"{emulator}/sandbox/api/orders", {"orders": entries})
    given = {entry["merchantOrderId"]: entry["orderId"] for entry in answer["orders"]}
    for order in orders:
        if order.status != Status.PENDING:  # a PENDING order has not heard from PhonePe yet
            order.gateway_order_id = given[order.merchant_order_id]


def _post(url: str, body: dict[str, Any]) -> dict[str, Any]:
    if urlsplit(url).scheme not in ("http", "https"):
        raise EmulatorUnreachable(f"{url} is no web address")
    request = Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})  # noqa: S310
    try:
        with urlopen(request, timeout=ANSWER_WITHIN_S) as answer:  # noqa: S310
            return json.load(answer)
    except HTTPError as error:
        detail = error.read(500).decode(errors="replace")
        raise EmulatorUnreachable(f"{url} answered {error.code}: {detail}") from error
    except (URLError, TimeoutError) as error:
        raise EmulatorUnreachable(f"{url}: {getattr(error, 'reason', error)}") from error
