"""The emulator's control API for many tasks at once."""

from __future__ import annotations

from typing import Any

import aiohttp

EVERYTHING = 999_999


class Emulator:
    """Calls of the control API on the loop's one session."""

    def __init__(self, http: aiohttp.ClientSession, origin: str) -> None:
        self._http = http
        self._origin = origin

    async def call(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """Raises aiohttp.ClientResponseError for what the emulator refuses."""
        async with self._http.request(method, f"{self._origin}/sandbox/api/{path}", json=body) as answer:
            answer.raise_for_status()
            return dict(await answer.json())

    async def register(self, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return list((await self.call("POST", "orders", {"orders": entries}))["orders"])

    async def decide(self, merchant_order_id: str, outcome: str, **how: Any) -> None:
        """What the customer or the bank does, with its webhook."""
        await self.call("POST", f"orders/{merchant_order_id}/outcome", {"outcome": outcome, **how})

    async def book(self) -> list[dict[str, Any]]:
        """Every order with its refunds, as the gateway has them."""
        return list((await self.call("GET", f"orders?limit={EVERYTHING}"))["orders"])
