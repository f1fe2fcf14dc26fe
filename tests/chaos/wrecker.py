"""Kills processes with -9 and restarts PostgreSQL with `-m immediate`, at random; and starts again what died."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random

from tests.chaos.children import Child
from tests.chaos.tally import Tally
from tests.postgres import Server

PAUSE_S = (1.5, 5.0)
DEAD_S = (0.0, 2.0)
DECK = ("checker", "web", "checker", "postgres", "checker", "web")  # dealt in another order each time
LOOK_S = 0.5


class Wrecker:
    """`rampage` until cancelled; `database_free` is held by whoever may not lose the database just now."""

    def __init__(self, children: Sequence[Child], server: Server, tally: Tally, *, seed: int) -> None:
        self._children = children
        self._server = server
        self._tally = tally
        self._chance = Random(f"{seed}/wrecker")
        self._down: set[Child] = set()
        self.database_free = asyncio.Lock()

    async def rampage(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._revive())
            while True:
                for victim in self._chance.sample(DECK, len(DECK)):
                    await asyncio.sleep(self._chance.uniform(*PAUSE_S))
                    if victim == "postgres":
                        await self._crash_postgres()
                    else:
                        tasks.create_task(self._kill(victim))

    async def _crash_postgres(self) -> None:
        async with self.database_free:
            await asyncio.to_thread(self._server.crash)
        self._tally.count("killed", "postgres")

    async def _kill(self, kind: str) -> None:
        alive = [child for child in self._children if child.name.startswith(kind) and child.is_alive]
        if not alive:
            return
        victim = self._chance.choice(alive)
        self._down.add(victim)
        victim.kill()
        self._tally.count("killed", victim.name)
        await asyncio.sleep(self._chance.uniform(*DEAD_S))
        victim.start()
        self._down.discard(victim)

    async def _revive(self) -> None:
        """What systemd does for a process that ended by itself; that it did is counted."""
        while True:
            await asyncio.sleep(LOOK_S)
            self.revive()

    def revive(self) -> None:
        """Start whatever is not alive and was not killed this moment."""
        for child in self._children:
            if not child.is_alive and child not in self._down:
                self._tally.count("ended by themselves", child.name)
                child.start()

    def make_peace(self) -> None:
        """After `rampage` was cancelled: whatever it left dead is started."""
        for child in self._down:
            child.start()
        self._down.clear()
        self.revive()
