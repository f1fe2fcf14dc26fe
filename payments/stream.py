"""A cart's payment as server-sent events: the status object now and at each change, until it is final.

Thousands of them may be open in one process, and after a restart all of them are opened at once. So they share what
costs something (`payments.board`): one connection that listens, and one query for all who want to look.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from payments import board, failures
from payments.errors import Refusal

LOOK_EVERY_S = 5.0
RETRY_MS = 3000


@csrf_exempt
async def events(request: HttpRequest, cart_id: str) -> HttpResponseBase:
    """`text/event-stream` of the status object; 404 in the contract's shape for a cart that is not the caller's."""
    if request.method != "GET":
        refused = failures.body("method_not_allowed", "Use GET.")
        return JsonResponse(refused, status=405, headers={"Allow": "GET"})
    # Who asks stays unasked (`request.user` is lazy) until a cart turns out to be somebody's: guests cost no query.
    # A WSGI server would give a thread to each stream: it says how things stand and ends, which makes the browser ask
    # again after `RETRY_MS`.
    begun = _opened if isinstance(request, ASGIRequest) else _told_once
    try:
        told = await begun(cart_id, request.user)
    except Refusal as refusal:
        return JsonResponse(failures.body(refusal.code, refusal.message), status=refusal.status)
    response = StreamingHttpResponse(told, content_type="text/event-stream")
    response["Cache-Control"] = "no-store"
    response["X-Accel-Buffering"] = "no"  # nginx would hold the events back
    return response


async def _opened(cart_id: str, user: Any) -> AsyncGenerator[str]:
    """A stream that has had its first look, which is where NotFound is raised."""
    told = _told(cart_id, user)
    reference = await anext(told)
    if reference != cart_id:  # notices carry the reference as the order has it
        await told.aclose()
        told = _told(reference, user)
        await anext(told)
    return told


async def _told(cart_id: str, user: Any) -> AsyncGenerator[str]:
    """First the reference as the order has it, for `_opened`; from then on what is sent.

    Begun before the answer is, it is also ended whatever happens to that: asyncio closes a generator that was begun.
    """
    shared, said = board.of_this_loop(), ""
    with shared.subscribed(cart_id) as changed:  # before the first look: no change falls between the two
        seen = await shared.look(cart_id, user)
        yield seen.cart_id
        yield _retry()
        while True:
            yield _data(seen.told) if seen.told != said else ": still here\n\n"
            said = seen.told
            if seen.is_final:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S):  # a notice may be lost
                    await changed.wait()
            changed.clear()
            seen = await shared.look(cart_id, user)


async def _told_once(cart_id: str, user: Any) -> list[str]:
    (seen,) = await board.look_together([(cart_id, user)])
    if isinstance(seen, Exception):
        raise seen
    return [_retry(), _data(seen.told)]


def _retry() -> str:
    return f"retry: {RETRY_MS}\n\n"


def _data(told: str) -> str:
    return f"data: {told}\n\n"
