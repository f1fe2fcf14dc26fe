"""One emulator per test, over real HTTP, with a clock that stands still until it is moved."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from phonepe_sandbox.app import make_app
from phonepe_sandbox.clock import Clock
from phonepe_sandbox.config import Config

NOW_S = 1_800_000_000
SHOP = "http://shop.test/pay/return/ORD-1"
CREDENTIALS = {
    "client_id": "SANDBOX_CLIENT",
    "client_secret": "sandbox-secret",
    "client_version": "1",
    "grant_type": "client_credentials",
}


@dataclass
class Reply:
    status: int
    body: Any
    headers: Any


class Merchant:
    """The hands of a test: the PG API with a token, and the control API."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self.http = http
        self.url = url
        self.authorization: str | None = None

    async def call(self, method: str, path: str, **options: Any) -> Reply:
        async with self.http.request(method, self.url + path, allow_redirects=False, **options) as answer:
            is_json = answer.content_type == "application/json"
            raw = await answer.read()
            body = await answer.json() if is_json and raw else raw.decode()
            return Reply(answer.status, body, answer.headers)

    async def token(self, path: str = "/apis/pg-sandbox/v1/oauth/token", **changes: str) -> Reply:
        return await self.call("POST", path, data=CREDENTIALS | changes)

    async def api(self, method: str, path: str, *, base: str = "/apis/pg-sandbox", **options: Any) -> Reply:
        if self.authorization is None:
            oauth = "/apis/identity-manager" if base == "/apis/pg" else base
            given = await self.token(f"{oauth}/v1/oauth/token")
            self.authorization = f"O-Bearer {given.body['access_token']}"
        return await self.call(method, base + path, headers={"Authorization": self.authorization}, **options)

    async def pay(self, merchant_order_id: str = "ORD-1", amount: int = 149_900, **changes: Any) -> Reply:
        return await self.api(
            "POST", "/checkout/v2/pay", json=self.order(merchant_order_id, amount, **changes)
        )

    async def status(self, merchant_order_id: str = "ORD-1", query: str = "") -> Reply:
        return await self.api("GET", f"/checkout/v2/order/{merchant_order_id}/status{query}")

    async def refund(self, refund_id: str = "R-1", amount: Any = 1000, order_id: Any = "ORD-1") -> Reply:
        body = {"merchantRefundId": refund_id, "originalMerchantOrderId": order_id, "amount": amount}
        return await self.api("POST", "/payments/v2/refund", json=body)

    async def refund_status(self, refund_id: str = "R-1") -> Reply:
        return await self.api("GET", f"/payments/v2/refund/{refund_id}/status")

    async def control(self, method: str, path: str, body: Any = None) -> Reply:
        return await self.call(method, f"/sandbox/api{path}", json=body)

    async def customer(self, outcome: str, merchant_order_id: str = "ORD-1", **options: Any) -> Reply:
        return await self.control(
            "POST", f"/orders/{merchant_order_id}/outcome", {"outcome": outcome, **options}
        )

    async def paid(self, merchant_order_id: str = "ORD-1", amount: int = 149_900) -> None:
        await self.pay(merchant_order_id, amount)
        await self.customer("success", merchant_order_id)

    async def fault(self, on: str, kind: str, **options: Any) -> Reply:
        return await self.control("POST", "/faults", {"on": on, "kind": kind, **options})

    async def advance(self, seconds: float) -> None:
        await self.control("POST", "/clock", {"advance": seconds})

    async def switch(self, **settings: Any) -> Reply:
        return await self.control("POST", "/settings", settings)

    async def orders_known(self) -> list[str]:
        return [order["merchantOrderId"] for order in (await self.control("GET", "/orders")).body["orders"]]

    @staticmethod
    def order(merchant_order_id: str = "ORD-1", amount: Any = 149_900, **changes: Any) -> dict[str, Any]:
        flow = {"type": "PG_CHECKOUT", "merchantUrls": {"redirectUrl": SHOP}}
        whole = {
            "merchantOrderId": merchant_order_id,
            "amount": amount,
            "paymentFlow": flow,
            "expireAfter": 900,
        }
        return whole | changes


@dataclass
class Shop:
    """A merchant's webhook endpoint."""

    url: str = ""
    answer: int = 200
    received: list[tuple[dict[str, str], dict[str, Any]]] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        self.raw.append(await request.read())
        self.received.append((dict(request.headers), await request.json()))
        return web.Response(status=self.answer)

    async def wait_for(self, count: int) -> list[dict[str, Any]]:
        async with asyncio.timeout(5):
            while len(self.received) < count:
                await asyncio.sleep(0.005)
        return [body for _, body in self.received]


@pytest.fixture
async def merchant() -> AsyncIterator[Merchant]:
    server = TestServer(make_app(Config(), clock=Clock(lambda: NOW_S)))
    await server.start_server()
    async with aiohttp.ClientSession() as http:
        yield Merchant(http, str(server.make_url("/")).rstrip("/"))
    await server.close()


@pytest.fixture
async def shop(merchant: Merchant) -> AsyncIterator[Shop]:
    shop = Shop()
    app = web.Application()
    app.router.add_post("/hook", shop.take)
    server = TestServer(app)
    await server.start_server()
    shop.url = str(server.make_url("/hook"))
    await merchant.switch(webhook_url=shop.url, webhook_username="username", webhook_password="password")
    yield shop
    await server.close()
