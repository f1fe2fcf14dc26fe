"""The calm after the chaos: wait until all money has found its place, and hurry what is not due for long.

The schedule alone ends most of it. Where an order that was paid is due in more than `SOON_S`, because the question at
its rung stayed unanswered during the chaos or the bank paid minutes after a failure, somebody does what
people do: they have it verified (`verify-and-complete`). Each time is counted.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from random import Random

from django.db import close_old_connections
from django.utils import timezone

from payments.models import PaymentOrder, Refund
from payments.states import REFUND_OPEN, Fulfilment, Status
from tests.chaos import books, verdict
from tests.chaos.customers import Shop
from tests.chaos.emulator import Emulator

SOON_S = 30.0
LOOK_S = 3.0


async def settle(
    emulator: Emulator, shop: Shop, *, seed: int, within_s: float, show: Callable[[str], None]
) -> float:
    """Wait for the end; how many seconds it took. Past `within_s` whatever is left is for the verdict."""
    started = time.monotonic()
    chance = Random(f"{seed}/settling")
    hurried: dict[str, float] = {}
    while time.monotonic() - started < within_s:
        unsettled = await asyncio.to_thread(_look, await emulator.book())
        if not unsettled:
            break
        show(f"{len(unsettled)} not settled yet")
        for name in await asyncio.to_thread(_not_due_soon, unsettled):
            if time.monotonic() - hurried.get(name, 0) > SOON_S:
                hurried[name] = time.monotonic()
                await _hurry(name, shop, chance)
        await asyncio.sleep(LOOK_S)
    return time.monotonic() - started


async def _hurry(name: str, shop: Shop, chance: Random) -> None:
    body = {"merchant_order_id": name}
    await shop.call(chance, "POST", "/api/payments/verify-and-complete/", body)
    shop.tally.count("hurried in the calm", "by verify-and-complete")


def _look(book: list[dict[str, object]]) -> list[str]:
    """Orders whose money has not found its place yet."""
    close_old_connections()
    books.lay_open(book)
    waiting = {breach.merchant_order_id for breach in verdict.breaches((verdict.PAID_FOR_NOTHING,))}
    due = PaymentOrder.objects.filter(status=Status.SUCCESS, fulfilment=Fulfilment.DUE)
    waiting |= set(due.values_list("merchant_order_id", flat=True))
    going_back = Refund.objects.filter(state__in=REFUND_OPEN)
    waiting |= set(going_back.values_list("order__merchant_order_id", flat=True))
    return sorted(waiting)


def _not_due_soon(names: list[str]) -> list[str]:
    soon = timezone.now() + timedelta(seconds=SOON_S)
    orders = PaymentOrder.objects.filter(merchant_order_id__in=names).exclude(status=Status.SUCCESS)
    return [
        order.merchant_order_id
        for order in orders
        if order.next_check_at is None or order.next_check_at > soon
    ]
