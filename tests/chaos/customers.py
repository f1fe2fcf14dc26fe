"""Customers over HTTP alone: cart, payment, PhonePe's page, and back or not. They try again, as people do."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import Any

import aiohttp

from tests.chaos.emulator import Emulator
from tests.chaos.plan import Purchase, Story
from tests.chaos.tally import Tally

TRIES = 30
ANSWER_S = 20.0


@dataclass(frozen=True, slots=True)
class Shop:
    """The web processes, any of which may be dead at this moment."""

    http: aiohttp.ClientSession
    sites: tuple[str, ...]
    tally: Tally

    async def call(
        self, chance: Random, method: str, path: str, body: Any = None, **headers: str
    ) -> tuple[int, Any]:
        """Status and JSON of an answer of one of the sites; 0 when there was none."""
        url = f"{chance.choice(self.sites)}{path}"
        limit = aiohttp.ClientTimeout(total=ANSWER_S)
        sent = {"data": body} if isinstance(body, bytes) else {"json": body}
        try:
            async with self.http.request(
                method, url, timeout=limit, allow_redirects=False, headers=headers, **sent
            ) as answer:
                told = await answer.json(content_type=None) if answer.status < 300 else None
                self.tally.count("answers", f"{answer.status // 100}xx")
                return answer.status, told
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            self.tally.count("answers", "none")
            return 0, None


@dataclass(frozen=True, slots=True)
class Customer:
    """One purchase at the web site."""

    purchase: Purchase
    shop: Shop
    emulator: Emulator
    chance: Random

    async def play(self) -> None:
        """Fill a cart, pay or not, come back or not. Whoever never got to the pay page gives up, and is counted."""
        cart_id = await self._fill_cart()
        page = await self._start(cart_id) if cart_id else None
        if page is None:
            self.shop.tally.count("customers", "gave up")
            return
        self.shop.tally.count("customers", "reached the pay page")
        name, url = page
        match self.purchase.story:
            case Story.FAILED:
                await self._press(url, "failure")
            case Story.CANCELLED:
                await self._press(url, "cancel")
            case Story.ABANDONED:
                await self._press(url, "close")
            case Story.OTHER_SUM:
                await self.emulator.decide(name, "success", amount=100)
            case Story.REVIVED:
                await self._press(url, "failure")
                await self._bank_pays_after_all(name)
            case Story.TWICE:
                await self._pay_twice(cart_id, name, url)
            case _:
                await self._press(url, "close_paid")
        await self._come_back(cart_id, name)

    async def _fill_cart(self) -> str:
        _, catalogue = await self._insist("GET", "/api/catalog/")
        if not catalogue:
            return ""
        packages = [package for puja in catalogue["data"] for package in puja["packages"]]
        body = {
            "package_id": self.chance.choice(packages)["id"],
            # Spread: a time takes only so many carts.
            "date": (date.today() + timedelta(days=self.chance.randrange(7, 360))).isoformat(),
            "time": f"{self.chance.randrange(6, 20):02}:{self.chance.choice(('00', '30'))}",
            "name": "Asha Rao",
            "email": "asha@example.invalid",
            "phone": "+919876543210",
            "address": "12 MG Road, Bengaluru 560001",
        }
        _, cart = await self._insist("POST", "/api/cart/", body)
        return str(cart["data"]["cart_id"]) if cart else ""

    async def _start(self, cart_id: str) -> tuple[str, str] | None:
        """The order's id and its pay page."""
        _, started = await self._insist("POST", "/api/payments/cart/", {"cart_id": cart_id})
        if not started:
            return None
        order = started["data"]["payment_order"]
        self.shop.tally.know(cart_id, order["merchant_order_id"])
        return order["merchant_order_id"], order["phonepe_payment_url"]

    async def _insist(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        for _ in range(TRIES):
            status, told = await self.shop.call(self.chance, method, path, body)
            if status in (200, 201, 409):
                return status, told
            await asyncio.sleep(self.chance.uniform(0.2, 1.5))
        return 0, None

    async def _pay_twice(self, cart_id: str, name: str, url: str) -> None:
        """The first attempt fails, a second one is paid, and then the bank lets the first one through as well."""
        await self._press(url, "failure")
        for _ in range(TRIES):
            await self._verify(name)
            again = await self._start(cart_id)
            if again is None or again[0] != name:
                break
            await asyncio.sleep(self.chance.uniform(0.5, 1.5))
        if again and again[0] != name:
            await self._press(again[1], "close_paid")
        await self._bank_pays_after_all(name)

    async def _bank_pays_after_all(self, name: str) -> None:
        await asyncio.sleep(self.chance.uniform(0.5, 3))
        await self.emulator.decide(name, "success", force=True)

    async def _press(self, url: str, button: str) -> None:
        """Press a button of PhonePe's page."""
        form = {"outcome": button, "paymentMode": "UPI_QR"}
        async with self.shop.http.post(url, data=form, allow_redirects=False) as answer:
            answer.raise_for_status()

    async def _verify(self, name: str) -> None:
        body = {"merchant_order_id": name}
        await self.shop.call(self.chance, "POST", "/api/payments/verify-and-complete/", body)

    async def _come_back(self, cart_id: str, name: str) -> None:
        """By the return page, by the polling script, or not at all."""
        match self.chance.randrange(3):
            case 0:
                await self.shop.call(self.chance, "GET", f"/api/payments/return/{name}/")
            case 1:
                for _ in range(5):
                    await self.shop.call(self.chance, "GET", f"/api/payments/cart/{cart_id}/status/")
                    await asyncio.sleep(1)
