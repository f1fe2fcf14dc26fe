"""What the event streams of one event loop share: a connection that listens for notices, and their looks at orders."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import Context
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
import structlog
from asgiref.sync import sync_to_async
from django.db import close_old_connections

from payments import standing, wakeups
from payments.models import PaymentOrder

log = structlog.get_logger(__name__)

PACE_S = 0.1  # between two looks: 2,000 streams that look every 5 s make some 40 for one query
TOGETHER = 500  # carts to a query, a few ms each: events of other streams are sent in between


@dataclass(frozen=True, slots=True)
class Seen:
    """How a cart's payment stood when somebody looked; `told` is the status object as JSON."""

    cart_id: str
    told: str
    is_final: bool


# Of their own: whatever keeps other threads busy, a request that waits for its look among it, looks go on.
_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="event-streams")


async def look_together(asked: Sequence[tuple[str, Any]]) -> list[Seen | Exception]:
    """What each of these users sees of that cart, in their order, by one query; or what kept it from being seen."""
    return await sync_to_async(_look, thread_sensitive=False, executor=_thread)(asked)


def _look(asked: Sequence[tuple[str, Any]]) -> list[Seen | Exception]:
    try:
        orders = standing.telling_orders([cart_id for cart_id, _ in asked])
        return [_seen(cart_id, user, orders.get(cart_id)) for cart_id, user in asked]
    finally:
        close_old_connections()  # a pooled connection goes back: streams that wait must not hold one


def _seen(cart_id: str, user: Any, order: PaymentOrder | None) -> Seen | Exception:
    try:
        order, status = standing.seen(cart_id, order, user=user)
        told = json.dumps(standing.of(order, cart_status=status).as_json())
        return Seen(order.cart_id, told, order.is_final)
    except Exception as error:  # noqa: BLE001  one cart's trouble ends no other's stream
        return error


class Board:
    """Passes notices on to the streams of one event loop, and looks for them; it runs nothing while there are none."""

    def __init__(self) -> None:
        self._streams: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._asked: list[tuple[str, Any, asyncio.Future[Seen]]] = []
        self._listening: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[None] | None = None

    @contextmanager
    def subscribed(self, cart_id: str) -> Iterator[asyncio.Event]:
        """An event that is set whenever something about the cart's payment has changed."""
        changed = asyncio.Event()
        self._streams[cart_id].add(changed)
        if self._listening is None or self._listening.done():
            self._listening = _begin(self._listen())
        try:
            yield changed
        finally:
            self._streams[cart_id].discard(changed)
            if not self._streams[cart_id]:
                del self._streams[cart_id]
            if not self._streams and self._listening:
                self._listening.cancel()
                self._listening = None  # it is not done yet, but the next stream must not count on it

    async def look(self, cart_id: str, user: Any) -> Seen:
        """How the cart's payment stands at a moment after this call. Raises NotFound.

        One who looks alone is not kept waiting; who comes within PACE_S of the last look is served with all others
        that do.
        """
        answer: asyncio.Future[Seen] = asyncio.get_running_loop().create_future()
        self._asked.append((cart_id, user, answer))
        if self._looking is None or self._looking.done():
            self._looking = _begin(self._serve())
        return await answer

    async def _serve(self) -> None:
        while self._asked:
            asked, self._asked = self._asked[:TOGETHER], self._asked[TOGETHER:]
            found: Sequence[Seen | Exception]
            try:
                found = await look_together([(cart_id, user) for cart_id, user, _ in asked])
            except Exception as error:  # noqa: BLE001  theirs, who know what to do without an answer
                found = [error] * len(asked)
            for (_, _, answer), one in zip(asked, found, strict=True):
                if answer.done():  # who asked has gone
                    continue
                if isinstance(one, Exception):
                    answer.set_exception(one)
                else:
                    answer.set_result(one)
            await asyncio.sleep(PACE_S)

    async def _listen(self) -> None:
        while True:
            try:
                parameters = await sync_to_async(
                    wakeups.connect_parameters, thread_sensitive=False, executor=_thread
                )()
                async with await psycopg.AsyncConnection.connect(**parameters, autocommit=True) as listening:
                    await listening.execute(f"LISTEN {wakeups.CHANGED}")
                    self._ring(self._streams)
                    async for notice in listening.notifies():
                        self._ring([notice.payload])
            except psycopg.OperationalError as error:
                log.warning("the event streams' listener was interrupted", error=str(error).strip())
                await asyncio.sleep(wakeups.RECONNECT_S)

    def _ring(self, cart_ids: Iterable[str]) -> None:
        for cart_id in list(cart_ids):
            for changed in self._streams.get(cart_id, ()):
                changed.set()


def _begin(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """A task that belongs to no request: else it would log under the id of whoever came first."""
    return asyncio.get_running_loop().create_task(work, context=Context())


_boards: WeakKeyDictionary[asyncio.AbstractEventLoop, Board] = WeakKeyDictionary()


def of_this_loop() -> Board:
    """The board of the running event loop."""
    return _boards.setdefault(asyncio.get_running_loop(), Board())
