"""Everybody who hammers the web site at the same time: pollers, operators, returning customers and liars."""

from __future__ import annotations

import asyncio
import json
from random import Random

from tests.chaos.customers import Shop
from tests.journeys.customer import CREDENTIAL

PEOPLE = 8
PAUSE_S = 0.25
BAD_CREDENTIAL = "0" * 64
DEEDS = {"polls": 60, "verifies": 20, "returns": 5, "forges": 10, "scribbles": 5}


async def hammer(shop: Shop, *, seed: int) -> None:
    """Until cancelled."""
    await asyncio.gather(*(_one(shop, Random(f"{seed}/crowd/{n}")) for n in range(PEOPLE)))


async def _one(shop: Shop, chance: Random) -> None:
    while True:
        await asyncio.sleep(chance.uniform(0, 2 * PAUSE_S))
        if shop.tally.orders:
            [deed] = chance.choices(list(DEEDS), list(DEEDS.values()))
            await _do(deed, shop, chance)
            shop.tally.count("crowd", deed)


async def _do(deed: str, shop: Shop, chance: Random) -> None:
    at = chance.randrange(len(shop.tally.orders))
    cart_id, name = shop.tally.carts[at], shop.tally.orders[at]
    match deed:
        case "polls":
            await shop.call(chance, "GET", f"/api/payments/cart/{cart_id}/status/")
        case "verifies":
            path = "/api/payments/verify-and-complete/"
            await shop.call(chance, "POST", path, {"merchant_order_id": name})
        case "returns":
            await shop.call(chance, "GET", f"/api/payments/return/{name}/")
        case "forges":
            await _webhook(shop, chance, _forged(name, chance))
        case _:
            await _webhook(shop, chance, b"{" + chance.randbytes(20))


def _forged(name: str, chance: Random) -> bytes:
    """A callback that says COMPLETED about an order that nobody may have paid."""
    payload = {
        "merchantOrderId": name,
        "orderId": f"OMO{chance.randrange(10**9)}",
        "state": chance.choice(["COMPLETED", "FAILED"]),
        "amount": chance.choice([1, 149900]),
    }
    event = f"checkout.order.{payload['state'].lower()}"
    return json.dumps({"event": event, "payload": payload}).encode()


async def _webhook(shop: Shop, chance: Random, body: bytes) -> None:
    credential = chance.choice([CREDENTIAL, CREDENTIAL, BAD_CREDENTIAL])
    headers = {"Authorization": credential, "Content-Type": "application/json"}
    await shop.call(chance, "POST", "/api/payments/webhook/phonepe/", body, **headers)
