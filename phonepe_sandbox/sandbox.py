"""The emulator as one thing: book, tokens, faults, journal and postman on one clock."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

from aiohttp import web

from phonepe_sandbox.book import Book
from phonepe_sandbox.clock import Clock
from phonepe_sandbox.config import Config
from phonepe_sandbox.entries import AUTO_FAILED, Event, Failure, Order, Outcome, Plan
from phonepe_sandbox.faults import Faults
from phonepe_sandbox.identity import Mint
from phonepe_sandbox.journal import Journal
from phonepe_sandbox.keeper import Keeper
from phonepe_sandbox.settings import Settings
from phonepe_sandbox.store import StateError
from phonepe_sandbox.tokens import TokenDesk
from phonepe_sandbox.webhooks import Delivery, Postman
from phonepe_sandbox.window import Window

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
        self.keeper = Keeper(self, config.state) if config.state else None

    def _begin(self) -> None:
        self.settings: Settings = self.config.settings
        self.changed: dict[str, Any] = {}  # settings that differ from the start-up's
        mint = Mint(Random(self.config.seed))
        self.book = Book(clock=self.clock, mint=mint, settings=self.settings)
        self.tokens = TokenDesk(mint, self.clock.now)
        self.faults = Faults(self.config.seed)
        for rule in self.config.faults or ():
            self.faults.add(rule)
        self.journal = Journal()
        self._window = Window()

    def change_settings(self, changes: dict[str, Any]) -> None:
        """Set switches. Raises BadSetting and changes nothing when one is wrong."""
        self.settings = self.settings.changed(changes)
        self.changed |= changes
        self.book.settings = self.settings

    async def reset(self) -> None:
        """Forget everything, in the state file too, and return to the start-up settings and the real time."""
        await self._cancel_tasks()
        await self.postman.forget()
        self.clock.reset()
        self._begin()
        if self.keeper is not None:
            self.keeper.begin()

    # -- doing things -----------------------------------------------------------------

    def act(
        self,
        order: Order,
        outcome: Outcome,
        *,
        payment_mode: str | None = None,
        card: str = "CREDIT_CARD",
        failure: Failure = AUTO_FAILED,
        reported_amount: int | None = None,
        force: bool = False,
        webhook: bool = True,
        webhook_delay_s: float | None = None,
    ) -> list[Delivery]:
        """What a customer does, with its webhooks. Raises OrderClosed."""
        self.catch_up()
        self.book.act(
            order,
            outcome,
            payment_mode=payment_mode,
            card=card,
            failure=failure,
            reported_amount=reported_amount,
            force=force,
        )
        return self._tell(self.book.take_events(), webhook=webhook, delay_s=webhook_delay_s)

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
            self._tell(events)

    def _tell(
        self, events: list[Event], *, webhook: bool = True, delay_s: float | None = None
    ) -> list[Delivery]:
        posted: list[Delivery | None] = []
        for event in events:
            if event.name == "checkout.order.failed":
                self._plan_late_success(event)
            if webhook and event.webhook and (not event.by_expiry or self.settings.webhook_on_expiry):
                posted.append(self.postman.post(event, delay_s=delay_s))
        return [delivery for delivery in posted if delivery is not None]

    def _plan_late_success(self, event: Event) -> None:
        """§8, §10.20: a bank that pays after all, by a rule or by the switch."""
        after_s = self.settings.late_success_after if event.by_expiry else None
        told = True
        on = "expiry" if event.by_expiry else "failure"
        for rule in self.faults.draw(on, event.order.merchant_order_id):
            after_s, told = rule.params["seconds"], rule.params["webhook"]
        if after_s is not None:
            due_ms = self.clock.now_ms() + int(1000 * after_s)
            self.book.plan(event.order, Plan(due_ms, "late_success", told))

    def over_limit(self) -> bool:
        """Whether this call is one too many within a second of real time (`max_rps`, §10.18)."""
        limit = self.settings.max_rps
        return limit is not None and self._window.is_full(limit)

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
        self.save()
        await self.postman.close()
        if self.keeper is not None:
            self.keeper.close()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self.catch_up()
            self.save()

    def save(self) -> None:
        """Write what changed to the state file, if there is one. Trouble is told, not raised."""
        if self.keeper is None:
            return
        try:
            self.keeper.save()
        except StateError as error:
            sys.stderr.write(f"phonepe_sandbox: {error}\n")

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
