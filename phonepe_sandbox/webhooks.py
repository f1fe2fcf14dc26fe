"""Delivery of webhooks (§6): asynchronous, recorded, and never a danger to the emulator."""

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

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
    message: Json
    delay_s: float = 0.0
    copies: int = 1
    genuine: bool = True
    hmac_mode: bool = False
    before_redirect: bool = False
    held_s: float = 0.0  # it waits for the order's next webhook to overtake it, so long at most
    result: str = "waiting"
    status: int | None = None
    error: str | None = None
    tries: int = 0
    took_ms: float = 0.0
    body: bytes = b""
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    overtaken: asyncio.Event = field(default_factory=asyncio.Event)

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
        self.keeps_fresh = False
        self.fresh: list[Delivery] = []  # ended, not yet in the state file

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
            message=wire.webhook(event, settings),
            delay_s=settings.webhook_delay if delay_s is None else delay_s,
        )
        if settings.refund_webhook_shape == "flat":
            _flatten(delivery)
        for rule in self._faults().draw("webhook", delivery.merchant_order_id):
            SPOILT[rule.kind](delivery, rule)
        delivery.body = json.dumps(delivery.message, separators=(",", ":")).encode()
        overtaken = [one for one in self.deliveries(delivery.merchant_order_id) if one.held_s]
        self.remember(delivery)
        if delivery.result == "lost":
            self._end(delivery)
        else:
            self._start(delivery, overtaken)
        return delivery

    def deliveries(self, merchant_order_id: str) -> list[Delivery]:
        return list(self._by_order.get(merchant_order_id, ()))

    def remember(self, delivery: Delivery) -> None:
        kept = self._by_order.setdefault(delivery.merchant_order_id, deque(maxlen=KEPT_PER_ORDER))
        kept.append(delivery)

    async def forget(self) -> None:
        """Drop what is under way and what is remembered."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._by_order.clear()
        self.fresh.clear()

    async def close(self) -> None:
        await self.forget()
        if self._session is not None:
            await self._session.close()

    def _start(self, delivery: Delivery, overtaken: list[Delivery]) -> None:
        task = asyncio.create_task(self._deliver(delivery, overtaken))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # Also when a reset cancels it: a customer may be waiting at the pay page.
        task.add_done_callback(lambda _: delivery.ended.set())

    async def _deliver(self, delivery: Delivery, overtaken: list[Delivery]) -> None:
        await asyncio.sleep(delivery.delay_s)
        if delivery.held_s:
            await _either(delivery.overtaken, delivery.held_s)
        for _ in range(delivery.copies):
            await self._try_repeatedly(delivery)
        self._end(delivery)
        for held in overtaken:
            held.overtaken.set()

    def _end(self, delivery: Delivery) -> None:
        delivery.ended.set()
        if self.keeps_fresh:
            self.fresh.append(delivery)

    async def _try_repeatedly(self, delivery: Delivery) -> None:
        settings = self._settings()
        pause = settings.webhook_retry_pause
        for nth in range(settings.webhook_tries):
            if nth:
                await asyncio.sleep(pause)
                pause *= 2
            await self._try(delivery, settings)
            if delivery.result == "delivered":
                return

    async def _try(self, delivery: Delivery, settings: Settings) -> None:
        started = time.perf_counter()
        delivery.tries += 1
        proof = wire.webhook_headers(
            delivery.body, settings, hmac_mode=delivery.hmac_mode, genuine=delivery.genuine
        )
        try:
            async with self._client().post(
                delivery.url,
                data=delivery.body,
                headers=proof | {"Content-Type": "application/json"},
                timeout=aiohttp.ClientTimeout(total=settings.webhook_timeout),
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


async def _either(event: asyncio.Event, seconds: float) -> None:
    """Wait for the event, or so long."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return


def _lost(delivery: Delivery, rule: FaultRule) -> None:
    delivery.result = "lost"


def _delayed(delivery: Delivery, rule: FaultRule) -> None:
    delivery.delay_s += rule.params["seconds"]


def _doubled(delivery: Delivery, rule: FaultRule) -> None:
    delivery.copies *= 2


def _before_redirect(delivery: Delivery, rule: FaultRule) -> None:
    delivery.before_redirect = True


def _out_of_order(delivery: Delivery, rule: FaultRule) -> None:
    delivery.held_s = rule.params["seconds"]


def _wrong_credential(delivery: Delivery, rule: FaultRule) -> None:
    delivery.genuine = False


def _flat(delivery: Delivery, rule: FaultRule) -> None:
    _flatten(delivery)


def _flatten(delivery: Delivery) -> None:
    """§6.4: some samples of refund webhooks have neither `event` nor `payload`."""
    if delivery.event.startswith("pg.refund.") and "payload" in delivery.message:
        delivery.message = delivery.message["payload"]


def _nameless_refund(delivery: Delivery, rule: FaultRule) -> None:
    """§6.4: some failed ones lack `merchantRefundId`."""
    delivery.message.get("payload", delivery.message).pop("merchantRefundId", None)


def _hmac(delivery: Delivery, rule: FaultRule) -> None:
    delivery.hmac_mode = True


SPOILT: dict[str, Callable[[Delivery, FaultRule], None]] = {
    "lost": _lost,
    "delayed": _delayed,
    "doubled": _doubled,
    "before_redirect": _before_redirect,
    "out_of_order": _out_of_order,
    "wrong_credential": _wrong_credential,
    "flat": _flat,
    "nameless_refund": _nameless_refund,
    "hmac": _hmac,
}
