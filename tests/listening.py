"""The end of what event streams leave running in a test's event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from asgiref.sync import sync_to_async
from django.db import connections

from payments import board


def others() -> list[asyncio.Task[None]]:
    """Whatever else runs in this loop."""
    return [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]


async def until(condition: Callable[[], Any], *, within_s: float = 5.0) -> Any:
    """The first true value of `condition()`, or its last one after `within_s`; the loop goes on meanwhile."""
    loop = asyncio.get_running_loop()
    over_at = loop.time() + within_s
    while not (value := condition()) and loop.time() < over_at:
        await asyncio.sleep(0.02)
    return value


async def end() -> None:
    """End what else runs, and the connections of the threads that did its work."""
    left = others()
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    await sync_to_async(connections.close_all)()
    await in_the_thread_of_looks(connections.close_all)


async def in_the_thread_of_looks(work: Callable[[], Any]) -> None:
    """Do something where event streams look at orders."""
    await asyncio.get_running_loop().run_in_executor(board._thread, work)
