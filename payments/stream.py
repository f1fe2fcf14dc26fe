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
from django.core.handlers.asgi import ASGIRequest
from django.db import close_old_connections
from django.http import HttpRequest, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from payments import standing, wakeups
from payments.errors import Refusal
from payments.models import PaymentOrder

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
        order, first = await _look(cart_id, user)
    except Refusal as refusal:
        body = {"success": False, "code": refusal.code, "message": refusal.message}
        return JsonResponse(body, status=refusal.status)
    # Notices carry the reference as the order has it. A WSGI server would give a thread to each stream: it says
    # how things stand and ends, which makes the browser ask again after `RETRY_MS`.
    can_stream = isinstance(request, ASGIRequest)
    told = _told(order.cart_id, user) if can_stream else [_retry(), _data(first)]
    response = StreamingHttpResponse(told, content_type="text/event-stream")
    response["Cache-Control"] = "no-store"
    response["X-Accel-Buffering"] = "no"  # nginx would hold the events back
    return response


async def _told(cart_id: str, user: Any) -> AsyncIterator[str]:
    yield _retry()
    said = None
    with _switchboard().subscribed(cart_id) as changed:
        while True:
            changed.clear()
            order, told = await _look(cart_id, user)
            if told != said:
                yield _data(told)
                said = told
            else:
                yield ": still here\n\n"
            if order.is_final:
                return
            try:
                await asyncio.wait_for(changed.wait(), LOOK_EVERY_S)
            except TimeoutError:
                continue


def _retry() -> str:
    return f"retry: {RETRY_MS}\n\n"


def _data(told: str) -> str:
    return f"data: {told}\n\n"


@sync_to_async
def _look(cart_id: str, user: Any) -> tuple[PaymentOrder, str]:
    """The order that speaks for a cart, and its status object as JSON. Raises NotFound."""
    try:
        order, status = standing.look(cart_id, user=user)
        return order, json.dumps(standing.of(order, cart_status=status).as_json())
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
