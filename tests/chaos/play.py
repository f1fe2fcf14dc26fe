"""One run: orders arrive while everything breaks, then calm, then the verdict."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any

import aiohttp
from django.db import connection

from tests.chaos import bulk, crowd, plan, settling, verdict, weather
from tests.chaos.children import Child
from tests.chaos.customers import Customer, Shop
from tests.chaos.emulator import Emulator
from tests.chaos.plan import Purchase, Size
from tests.chaos.tally import Tally
from tests.chaos.verdict import Breach
from tests.chaos.wrecker import Wrecker
from tests.postgres import Server
from tests.processes import ROOT

BATCH_S = 0.5
READY_S = 60.0
CUSTOMERS_END_S = 120.0
SAVE_TRIES = 5


@dataclass(slots=True)
class Run:
    """The parts of a run that are there for all of it."""

    size: Size
    emulator: Emulator
    shop: Shop
    wrecker: Wrecker
    webhook_urls: tuple[str, ...]
    show: Callable[[str], None]
    started: float = field(default_factory=time.monotonic)
    customers: set[asyncio.Task[None]] = field(default_factory=set)
    database: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))

    @property
    def tally(self) -> Tally:
        return self.shop.tally

    @property
    def calm_in_s(self) -> float:
        return self.started + self.size.chaos_s - time.monotonic()

    async def chaos(self) -> None:
        """Bring all orders and let everything break; ends when the last customer and deed is done."""
        self.started = time.monotonic()
        breaking = [
            asyncio.create_task(self.wrecker.rampage()),
            asyncio.create_task(
                weather.blow(self.emulator, self.webhook_urls, self.tally, seed=self.size.seed)
            ),
            asyncio.create_task(crowd.hammer(self.shop, seed=self.size.seed)),
        ]
        bringing = asyncio.create_task(self._bring())
        await asyncio.wait([*breaking, bringing], return_when=asyncio.FIRST_COMPLETED)
        for task in (bringing, *breaking):
            if task.done():
                task.result()  # none of the breaking ends by itself but by a mistake of ours
        await asyncio.sleep(max(0, self.calm_in_s))
        await self._end_deeds()
        async with self.wrecker.database_free:  # a restart of PostgreSQL is not left half done
            for task in breaking:
                task.cancel()
        await asyncio.gather(*breaking, return_exceptions=True)
        await asyncio.to_thread(self.wrecker.make_peace)
        await weather.clear(self.emulator, self.tally)

    async def calm(self) -> float:
        """Wait until all money has found its place; how long that took."""
        return await settling.settle(
            self.emulator, self.shop, seed=self.size.seed, within_s=self.size.settle_s, show=self.show
        )

    async def _bring(self) -> None:
        """Let each purchase come at its time: by HTTP, or in batches of rows."""
        packages = await self._in_database(bulk.packages)
        waiting = plan.purchases(self.size)
        while waiting:
            now_s = time.monotonic() - self.started
            come = [one for one in waiting if one.at_s <= now_s]
            waiting = waiting[len(come) :]
            for one in come:
                if one.by_http:
                    self._do(self._buy(one), one.story)
            await self._write([one for one in come if not one.by_http], packages)
            self.show(f"{self.size.orders - len(waiting):,} of {self.size.orders:,} purchases")
            await asyncio.sleep(BATCH_S)

    async def _buy(self, purchase: Purchase) -> None:
        chance = Random(f"{self.size.seed}/customer/{purchase.number}")
        await Customer(purchase, self.shop, self.emulator, chance).play()

    async def _write(self, come: Sequence[Purchase], packages: Sequence[Any]) -> None:
        """Register with the emulator, then commit; PostgreSQL is not crashed between the two."""
        if not come:
            return
        async with self.wrecker.database_free:
            now, hurry = bulk.now(), min(1.0, self.size.chaos_s / 120)
            made = await self._in_database(
                lambda: [
                    bulk.make(one, packages, now=now, calm_in_s=self.calm_in_s, hurry=hurry) for one in come
                ]
            )
            known = await self.emulator.register(bulk.entries(made, now=now))
            await self._in_database(lambda: bulk.save(made, known))
        for one in made:
            for order in one.orders:
                self.tally.know(order.cart_id, order.merchant_order_id)
            for deed in one.deeds:
                self._do(self._act(deed), f"deed: {deed.outcome}")

    async def _act(self, deed: bulk.Deed) -> None:
        await asyncio.sleep(deed.after_s)
        await self.emulator.decide(deed.merchant_order_id, deed.outcome, **deed.how)

    def _do(self, doing: Any, name: str) -> None:
        task = asyncio.create_task(doing, name=name)
        self.customers.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self.customers.discard(task)
        if not task.cancelled() and (error := task.exception()):
            why = getattr(error, "status", type(error).__name__)
            self.tally.count("stories cut short", f"{task.get_name()} ({why})")

    async def _end_deeds(self) -> None:
        """Whoever is not done long after the end is sent home."""
        if self.customers:
            _, late = await asyncio.wait(self.customers, timeout=CUSTOMERS_END_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _in_database(self, work: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self.database, _on_a_new_connection, work)


def _on_a_new_connection(work: Callable[[], Any]) -> Any:
    """An old one may have been lost with the server meanwhile."""
    connection.close()
    return work()


async def play(
    size: Size,
    *,
    origin: str,
    sites: tuple[str, ...],
    webhook_urls: tuple[str, ...],
    children: Sequence[Child],
    server: Server,
    tally: Tally,
    show: Callable[[str], None],
) -> tuple[list[dict[str, Any]], float]:
    """Chaos and calm; the gateway's book at the end, and how many seconds the calm took."""
    connector = aiohttp.TCPConnector(limit=200, force_close=True)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=60)) as http:
        emulator = Emulator(http, origin)
        shop = Shop(http, sites, tally)
        await _all_ready(shop)
        wrecker = Wrecker(children, server, tally, seed=size.seed)
        run = Run(size, emulator, shop, wrecker, webhook_urls, show)
        await run.chaos()
        calm_s = await run.calm()
        for kind, count in (await emulator.call("GET", "calls")).items():
            tally.count("gateway calls", kind, count)
        return await emulator.book(), calm_s


async def _all_ready(shop: Shop) -> None:
    until = time.monotonic() + READY_S
    for site in shop.sites:
        while True:
            with suppress(aiohttp.ClientError, OSError, TimeoutError):
                async with shop.http.get(f"{site}/readyz") as answer:
                    if answer.status == 200:
                        break
            assert time.monotonic() < until, f"{site} does not come up"
            await asyncio.sleep(0.2)


def audited(environment: dict[str, str]) -> list[Breach]:
    """What `payment_audit` finds, as breaches."""
    done = subprocess.run(
        [sys.executable, "manage.py", "payment_audit", "--json"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    *findings, summary = [json.loads(line) for line in done.stdout.splitlines()]
    assert summary["findings"] == len(findings), done.stdout
    return [
        Breach(verdict.UNEXPLAINED, f"payment_audit: {found['question']}", found["merchant_order_id"])
        for found in findings
    ]
