"""The story: what each customer does, over HTTP alone, and what should become of it."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import aiohttp

from okpuja.demo.processes import DemoFailed, Places

PATIENCE_S = 60.0
APART_S = 0.3


@dataclass(slots=True)
class Customer:
    """One customer: what they do, what we expect, and what has been seen of it so far."""

    name: str
    does: str
    story: Callable[[Visit, Customer], Awaitable[None]]
    expect_status: str
    expect_source: str = ""  # "" where nobody completes anything
    cart_id: str = ""
    order_ids: list[str] = field(default_factory=list)
    now: str = "waiting for a turn"
    trouble: str = ""

    @property
    def order_id(self) -> str:
        """The order that counts: the last one begun."""
        return self.order_ids[-1] if self.order_ids else ""


class Visit:
    """What a browser, a phone or a person with curl can do to the shop and to PhonePe's page."""

    def __init__(self, http: aiohttp.ClientSession, places: Places) -> None:
        self._http = http
        self._places = places

    async def fill_cart(self, customer: Customer) -> None:
        """Choose the ₹1,499 package and leave name, date and address."""
        catalogue = await self._shop("GET", "/api/catalog/")
        packages = [package for puja in catalogue["data"] for package in puja["packages"]]
        chosen = next(package for package in packages if package["price_paise"] == 149900)
        body = {
            "package_id": chosen["id"],
            # Any day will do; another one for each customer and each demo, so that no time is ever full.
            "date": (date.today() + timedelta(days=random.randint(7, 350))).isoformat(),  # noqa: DTZ011
            "time": "09:00",
            "name": customer.name,
            "email": f"{customer.name.lower()}@example.com",
            "phone": "9876543210",
            "address": "12 Temple Street, Bengaluru 560001",
        }
        customer.cart_id = (await self._shop("POST", "/api/cart/", body))["data"]["cart_id"]

    async def go_to_pay(self, customer: Customer) -> str:
        """Press "Pay": the address of PhonePe's page."""
        answer = await self._shop("POST", "/api/payments/cart/", {"cart_id": customer.cart_id})
        order = answer["data"]["payment_order"]
        customer.order_ids.append(order["merchant_order_id"])
        customer.now = "on PhonePe's page"
        return str(order["phonepe_payment_url"])

    async def press(self, pay_page: str, button: str) -> str:
        """Open PhonePe's page and press a button; where it sends the browser ("" when nowhere)."""
        async with self._http.get(pay_page) as page:
            page.raise_for_status()
        form = {"outcome": button, "paymentMode": "UPI_QR"}
        async with self._http.post(pay_page, data=form, allow_redirects=False) as answer:
            return answer.headers.get("Location", "")

    async def follow(self, address: str) -> str:
        """Let the browser go where it is sent, and say where it ends."""
        async with self._http.get(address) as answer:
            return str(answer.url.path)

    async def poll(self, customer: Customer) -> None:
        """The seed's polling script: read the status until it is SUCCESS."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            told = await self._shop("GET", f"/api/payments/cart/{customer.cart_id}/status/")
            if told["data"]["payment_status"] == "SUCCESS":
                return
            await asyncio.sleep(2)

    async def verify(self, customer: Customer) -> None:
        """What an operator does by curl."""
        await self._shop(
            "POST", "/api/payments/verify-and-complete/", {"merchant_order_id": customer.order_id}
        )

    async def lose_webhooks(self, merchant_order_id: str) -> None:
        """The emulator keeps this order's callbacks to itself."""
        await self._sandbox(
            "POST", "faults", {"on": "webhook", "kind": "lost", "merchantOrderId": merchant_order_id}
        )

    async def lose_answer(self) -> None:
        """The next pay call is carried out, but its answer never comes."""
        await self._sandbox(
            "POST", "faults", {"on": "pay", "kind": "stored_then_hang", "seconds": 30, "count": 1}
        )

    async def newest_order(self) -> str:
        """The merchant order id that PhonePe heard of last."""
        newest = await self._sandbox("GET", "orders?limit=1")
        return str(newest["orders"][0]["merchantOrderId"])

    async def gateway_order(self, merchant_order_id: str) -> dict[str, Any]:
        """What PhonePe has about an order."""
        return await self._sandbox("GET", f"orders/{merchant_order_id}")

    async def gateway_calls(self) -> dict[str, int]:
        """How often PhonePe was called, by kind."""
        return await self._sandbox("GET", "calls")

    async def _sandbox(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        address = f"{self._places.sandbox}/sandbox/api/{path}"
        async with self._http.request(method, address, json=body) as answer:
            answer.raise_for_status()
            return dict(await answer.json())

    async def _shop(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        async with self._http.request(method, f"{self._places.site}{path}", json=body) as answer:
            told = dict(await answer.json())
            if answer.status >= 400:
                raise DemoFailed(f"{method} {path} answered {answer.status}: {told.get('message')}")
            return told


async def pays_and_closes(visit: Visit, customer: Customer) -> None:
    page = await visit.go_to_pay(customer)
    await visit.press(page, "close_paid")
    customer.now = "paid, tab closed"


async def pays_and_closes_unheard(visit: Visit, customer: Customer) -> None:
    page = await visit.go_to_pay(customer)
    await visit.lose_webhooks(customer.order_id)
    await visit.press(page, "close_paid")
    customer.now = "paid, tab closed, webhook lost"


async def pays_and_returns(visit: Visit, customer: Customer) -> None:
    page = await visit.go_to_pay(customer)
    await visit.lose_webhooks(customer.order_id)
    customer.now = f"came back to {await visit.follow(await visit.press(page, 'success'))}"


async def fails(visit: Visit, customer: Customer) -> None:
    page = await visit.go_to_pay(customer)
    await visit.lose_webhooks(customer.order_id)
    customer.now = f"payment failed, came back to {await visit.follow(await visit.press(page, 'failure'))}"


async def cancels(visit: Visit, customer: Customer) -> None:
    page = await visit.go_to_pay(customer)
    await visit.lose_webhooks(customer.order_id)
    customer.now = f"cancelled, came back to {await visit.follow(await visit.press(page, 'cancel'))}"


async def abandons(visit: Visit, customer: Customer) -> None:
    page = await visit.go_to_pay(customer)
    await visit.press(page, "close")
    customer.now = "closed the tab without paying"


async def is_polled(visit: Visit, customer: Customer) -> None:
    page = await visit.go_to_pay(customer)
    await visit.lose_webhooks(customer.order_id)
    await visit.press(page, "close_paid")
    customer.now = "paid; the front end polls"
    await visit.poll(customer)


async def is_verified(visit: Visit, customer: Customer) -> None:
    page = await visit.go_to_pay(customer)
    await visit.lose_webhooks(customer.order_id)
    await visit.press(page, "close_paid")
    await visit.verify(customer)
    customer.now = "paid; an operator ran curl"


async def loses_the_answer(visit: Visit, customer: Customer) -> None:
    """The pay call times out after PhonePe stored the order; the customer tries again and pays."""
    await visit.lose_answer()
    customer.now = "waits: PhonePe does not answer"
    try:
        await visit.go_to_pay(customer)
    except DemoFailed:
        customer.order_ids.append(await visit.newest_order())
        customer.now = "told that nothing is lost; tries again"
    page = await visit.go_to_pay(customer)
    await visit.press(page, "close_paid")
    customer.now = "second try paid, tab closed"


def cast() -> list[Customer]:
    """Everybody who appears, in the order of the table."""
    return [
        Customer("Asha", "pays, closes the tab", pays_and_closes, "SUCCESS", "webhook"),
        Customer("Bala", "pays, closes the tab", pays_and_closes, "SUCCESS", "webhook"),
        Customer(
            "Chitra", "pays, closes the tab; webhook lost", pays_and_closes_unheard, "SUCCESS", "checker"
        ),
        Customer("Dev", "pays, closes the tab; webhook lost", pays_and_closes_unheard, "SUCCESS", "checker"),
        Customer("Esha", "pays and returns; webhook lost", pays_and_returns, "SUCCESS", "return"),
        Customer("Farid", "payment fails", fails, "FAILED"),
        Customer("Gita", "cancels on PhonePe's page", cancels, "FAILED"),
        Customer("Hari", "abandons the page", abandons, "INITIATED"),
        Customer("Indu", "pays; the front end polls", is_polled, "SUCCESS", "status"),
        Customer("Jai", "pays; an operator verifies", is_verified, "SUCCESS", "manual"),
        Customer("Kavya", "pay call times out, tries again", loses_the_answer, "SUCCESS", "webhook"),
    ]


async def play(visit: Visit, customers: list[Customer]) -> None:
    """Everybody shortly after one another, but for the one whose lost answer must not hit somebody else's call."""

    async def one(customer: Customer, *, after_s: float = 0) -> None:
        await asyncio.sleep(after_s)
        try:
            await customer.story(visit, customer)
        except (DemoFailed, aiohttp.ClientError, TimeoutError) as error:
            customer.trouble = str(error) or type(error).__name__

    for customer in customers:
        await visit.fill_cart(customer)
    unlucky = [customer for customer in customers if customer.story is loses_the_answer]
    others = [customer for customer in customers if customer not in unlucky]
    await asyncio.gather(*(one(customer, after_s=at * APART_S) for at, customer in enumerate(others)))
    for customer in unlucky:
        await one(customer)
