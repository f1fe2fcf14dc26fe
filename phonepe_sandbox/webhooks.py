"""Delivery of webhooks (§6): asynchronous, recorded, and never a danger to the emulator."""

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp

from phonepe_sandbox import wire
from phonepe_sandbox.clock import Clock
from phonepe_sandbox.entries import Event, Json
from phonepe_sandbox.faults import FaultRule, Faults
from phonepe_sandbox.settings import Settings

KEPT_PER_ORDER = 50


@dataclass(slots=True)
class Delivery:
    """One webhook on its way. `result`: waiting, delivered, refused, failed, lost."""

    event: str
    merchant_order_id: str
    at_ms: int
    url: str
    body: bytes
    credential: str
    delay_s: float = 0.0
    copies: int = 1
    result: str = "waiting"
    status: int | None = None
    error: str | None = None
    tries: int = 0
    took_ms: float = 0.0

    def shown(self) -> Json:
        return {
            "event": self.event,
            "merchantOrderId": self.merchant_order_id,
            "at": self.at_ms,
            "url": self.url,
            "result": self.result,
            "status": self.status,
            "error": self.error,
            "tries": self.tries,
            "tookMs": round(self.took_ms, 1),
            "body": self.body.decode(),
        }


class Postman:
    """Sends webhooks and remembers what became of them."""

    def __init__(
        self, *, clock: Clock, faults: Callable[[], Faults], settings: Callable[[], Settings]
    ) -> None:
        self._clock = clock
        self._faults = faults
        self._settings = settings
        self._session: aiohttp.ClientSession | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._by_order: dict[str, deque[Delivery]] = {}

    def post(self, event: Event, *, delay_s: float | None = None) -> Delivery | None:
        """Send one event soon; None when no webhook is configured. The body is fixed now."""
        settings = self._settings()
        if settings.webhook_url is None:
            return None
        delivery = Delivery(
            event=event.name,
            merchant_order_id=event.order.merchant_order_id,
            at_ms=self._clock.now_ms(),
            url=settings.webhook_url,
            body=json.dumps(wire.webhook(event, settings), separators=(",", ":")).encode(),
            credential=wire.webhook_credential(settings.webhook_username, settings.webhook_password),
            delay_s=settings.webhook_delay if delay_s is None else delay_s,
        )
        for rule in self._faults().draw("webhook", delivery.merchant_order_id):
            SPOILT[rule.kind](delivery, rule)
        kept = self._by_order.setdefault(delivery.merchant_order_id, deque(maxlen=KEPT_PER_ORDER))
        kept.append(delivery)
        if delivery.result != "lost":
            self._start(delivery)
        return delivery

    def deliveries(self, merchant_order_id: str) -> list[Delivery]:
        return list(self._by_order.get(merchant_order_id, ()))

    async def forget(self) -> None:
        """Drop what is under way and what is remembered."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._by_order.clear()

    async def close(self) -> None:
        await self.forget()
        if self._session is not None:
            await self._session.close()

    def _start(self, delivery: Delivery) -> None:
        task = asyncio.create_task(self._deliver(delivery))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, delivery: Delivery) -> None:
        await asyncio.sleep(delivery.delay_s)
        for _ in range(delivery.copies):
            await self._try_repeatedly(delivery)

    async def _try_repeatedly(self, delivery: Delivery) -> None:
        settings = self._settings()
        pause = settings.webhook_retry_pause
        for nth in range(settings.webhook_tries):
            if nth:
                await asyncio.sleep(pause)
                pause *= 2
            await self._try(delivery, settings.webhook_timeout)
            if delivery.result == "delivered":
                return

    async def _try(self, delivery: Delivery, timeout_s: float) -> None:
        started = time.perf_counter()
        delivery.tries += 1
        headers = {"Authorization": delivery.credential, "Content-Type": "application/json"}
        try:
            async with self._client().post(
                delivery.url,
                data=delivery.body,
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=timeout_s),
                allow_redirects=False,
            ) as answer:
                delivery.status, delivery.error = answer.status, None
                delivery.result = "delivered" if 200 <= answer.status < 300 else "refused"
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            delivery.status, delivery.result = None, "failed"
            delivery.error = f"{type(error).__name__}: {error}"
        delivery.took_ms = 1000 * (time.perf_counter() - started)

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            # A merchant's development server may answer slowly: many at once, none in the way of another.
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=50))
        return self._session


def _lost(delivery: Delivery, rule: FaultRule) -> None:
    delivery.result = "lost"


def _delayed(delivery: Delivery, rule: FaultRule) -> None:
    delivery.delay_s += rule.params["seconds"]


def _doubled(delivery: Delivery, rule: FaultRule) -> None:
    delivery.copies *= 2


def _wrong_credential(delivery: Delivery, rule: FaultRule) -> None:
    delivery.credential = wire.webhook_credential("somebody", "else12345")


SPOILT: dict[str, Callable[[Delivery, FaultRule], None]] = {
    "lost": _lost,
    "delayed": _delayed,
    "doubled": _doubled,
    "wrong_credential": _wrong_credential,
}
