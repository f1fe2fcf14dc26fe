"""The emulator as one thing: book, tokens, faults, journal and postman on one clock."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

from aiohttp import web

from phonepe_sandbox.book import Book
from phonepe_sandbox.clock import Clock
from phonepe_sandbox.config import Config
from phonepe_sandbox.entries import Event, Order, Outcome
from phonepe_sandbox.faults import Faults
from phonepe_sandbox.identity import Mint
from phonepe_sandbox.journal import Journal
from phonepe_sandbox.settings import Settings
from phonepe_sandbox.tokens import TokenDesk
from phonepe_sandbox.webhooks import Postman

TICK_S = 0.1
CURRENT_EVENTS = {"COMPLETED": "checkout.order.completed", "FAILED": "checkout.order.failed"}


class Sandbox:
    """Owns all state of one emulator."""

    def __init__(self, config: Config, clock: Clock | None = None) -> None:
        self.config = config
        self.clock = clock or Clock()
        self.postman = Postman(clock=self.clock, faults=lambda: self.faults, settings=lambda: self.settings)
        self._tasks: set[asyncio.Task[None]] = set()
        self._begin()

    def _begin(self) -> None:
        self.settings: Settings = self.config.settings
        chance = Random(self.config.seed)
        mint = Mint(chance)
        self.book = Book(clock=self.clock, mint=mint, settings=self.settings)
        self.tokens = TokenDesk(mint, self.clock.now)
        self.faults = Faults(Random(self.config.seed))
        self.journal = Journal()
        self._recent: deque[float] = deque()

    def change_settings(self, changes: dict[str, Any]) -> None:
        """Set switches. Raises BadSetting and changes nothing when one is wrong."""
        self.settings = self.settings.changed(changes)
        self.book.settings = self.settings

    async def reset(self) -> None:
        """Forget everything and return to the start-up settings and the real time."""
        await self._cancel_tasks()
        await self.postman.forget()
        self.clock.reset()
        self._begin()

    # -- doing things -----------------------------------------------------------------

    def act(
        self,
        order: Order,
        outcome: Outcome,
        *,
        payment_mode: str = "UPI_QR",
        reported_amount: int | None = None,
        force: bool = False,
        webhook: bool = True,
        webhook_delay_s: float | None = None,
    ) -> None:
        """What a customer does, with its webhooks. Raises OrderClosed."""
        self.catch_up()
        self.book.act(order, outcome, payment_mode=payment_mode, reported_amount=reported_amount, force=force)
        events = self.book.take_events()
        if webhook:
            self._post(events, delay_s=webhook_delay_s)

    def tell_again(self, order: Order, name: str | None = None) -> str:
        """Send a webhook for what is now so; the event's name, ours or the given one, is returned.

        Raises ValueError when there is nothing that the event could tell about.
        """
        name = name or CURRENT_EVENTS.get(order.state)
        if name is None:
            raise ValueError("the order is PENDING: name the event")
        refund = order.refunds[-1] if order.refunds and name.startswith("pg.refund.") else None
        if refund is None and name.startswith("pg.refund."):
            raise ValueError("the order has no refund")
        self.postman.post(Event(name, order, order.state if refund is None else refund.state, refund))
        return name

    def catch_up(self) -> None:
        """Let time do its work and tell the merchant about it."""
        self.book.catch_up()
        events = self.book.take_events()
        if events:
            self._post(events)

    def _post(self, events: list[Event], *, delay_s: float | None = None) -> None:
        for event in events:
            if not event.by_expiry or self.settings.webhook_on_expiry:
                self.postman.post(event, delay_s=delay_s)

    def over_limit(self) -> bool:
        """Whether this call is one too many within a second of real time (`max_rps`, §10.18)."""
        limit = self.settings.max_rps
        if limit is None:
            return False
        now = time.monotonic()
        while self._recent and self._recent[0] <= now - 1:
            self._recent.popleft()
        if len(self._recent) >= limit:
            return True
        self._recent.append(now)
        return False

    # -- life -------------------------------------------------------------------------

    def later(self, seconds: float, do: Callable[[], None]) -> None:
        """Do something after a real pause."""
        self._spawn(_after(seconds, do))

    async def alive(self, app: web.Application) -> Any:
        """aiohttp clean-up context: the ticking that makes expiry and refund webhooks come by themselves."""
        ticking = asyncio.create_task(self._tick())
        yield
        ticking.cancel()
        await asyncio.gather(ticking, return_exceptions=True)
        await self._cancel_tasks()
        await self.postman.close()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self.catch_up()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _cancel_tasks(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _after(seconds: float, do: Callable[[], None]) -> None:
    await asyncio.sleep(seconds)
    do()


SANDBOX = web.AppKey("sandbox", Sandbox)
