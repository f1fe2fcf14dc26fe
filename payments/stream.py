"""A cart's payment as server-sent events: the status object now and at each change, until it is final.

One connection per event loop listens for all streams of the process; a notice only makes a stream
look at the row again, and it looks by itself every few seconds in case a notice was lost.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
import structlog
from asgiref.sync import sync_to_async
from django.db import close_old_connections
from django.http import HttpRequest, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from payments import shop, standing, wakeups
from payments.api import telling_order
from payments.errors import Refusal

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 5.0
RETRY_MS = 3000


@csrf_exempt
async def events(request: HttpRequest, cart_id: str) -> HttpResponseBase:
    """`text/event-stream` of the status object; 404 in the contract's shape for a cart that is not the caller's."""
    if request.method != "GET":
        return JsonResponse(
            {"success": False, "code": "method_not_allowed", "message": "Use GET."},
            status=405,
            headers={"Allow": "GET"},
        )
    user = await request.auser()
    try:
        payable = await sync_to_async(shop.find_payable)(cart_id, user=user)
        await _look(payable.reference, user)  # notices carry the reference as the order has it
    except Refusal as refusal:
        body = {"success": False, "code": refusal.code, "message": refusal.message}
        return JsonResponse(body, status=refusal.status)
    response = StreamingHttpResponse(_told(payable.reference, user), content_type="text/event-stream")
    response["Cache-Control"] = "no-store"
    response["X-Accel-Buffering"] = "no"  # nginx would hold the events back
    return response


async def _told(cart_id: str, user: Any) -> AsyncIterator[str]:
    yield f"retry: {RETRY_MS}\n\n"
    said = None
    with _switchboard().subscribed(cart_id) as changed:
        while True:
            changed.clear()
            told, is_final = await _look(cart_id, user)
            if told != said:
                yield f"data: {told}\n\n"
                said = told
            else:
                yield ": still here\n\n"
            if is_final:
                return
            try:
                await asyncio.wait_for(changed.wait(), LOOK_EVERY_S)
            except TimeoutError:
                continue


@sync_to_async
def _look(cart_id: str, user: Any) -> tuple[str, bool]:
    """The status object as JSON, and whether it will not change any more. Raises NotFound."""
    try:
        payable = shop.find_payable(cart_id, user=user)
        order = telling_order(payable.reference)
        return json.dumps(standing.of(order, cart_status=payable.status).as_json()), order.is_final
    finally:
        close_old_connections()  # a pooled connection goes back: a stream that waits must not hold one


class _Switchboard:
    """Passes the notices of one listening connection on to the streams of one event loop, while there are any."""

    def __init__(self) -> None:
        self._streams: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._listening: asyncio.Task[None] | None = None

    @contextmanager
    def subscribed(self, cart_id: str) -> Iterator[asyncio.Event]:
        """An event that is set whenever something about the cart's payment has changed."""
        changed = asyncio.Event()
        self._streams[cart_id].add(changed)
        if self._listening is None or self._listening.done():
            self._listening = asyncio.create_task(self._listen())
        try:
            yield changed
        finally:
            self._streams[cart_id].discard(changed)
            if not self._streams[cart_id]:
                del self._streams[cart_id]
            if not self._streams and self._listening:
                self._listening.cancel()
                self._listening = None  # it is not done yet, but the next stream must not count on it

    async def _listen(self) -> None:
        while True:
            try:
                parameters = await sync_to_async(wakeups.connect_parameters)()
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


_boards: WeakKeyDictionary[asyncio.AbstractEventLoop, _Switchboard] = WeakKeyDictionary()


def _switchboard() -> _Switchboard:
    """The board of the running event loop."""
    return _boards.setdefault(asyncio.get_running_loop(), _Switchboard())
