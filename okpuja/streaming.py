"""Django for event streams: everything on the event loop, and no thread for any of them.

Django's own handler runs each hook of each middleware in a thread that belongs to the request: twenty changes of thread
before the first event, and a thread as long as the stream is open. With 500 opened at once the last was told its first
event after 5.6 s, at 140 KiB each (`make bench`, part 5, says what it is now).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from io import BytesIO
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.handlers.asgi import ASGIHandler, ASGIRequest, get_script_prefix
from django.core.handlers.exception import convert_exception_to_response
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix
from django.utils.deprecation import MiddlewareMixin
from django.utils.module_loading import import_string

STREAMS = re.compile(r"/api/payments/cart/[^/]+/events/?")  # as in deploy/nginx/okpuja.conf
NOT_FOR_STREAMS = {"whitenoise.middleware.WhiteNoiseMiddleware"}  # serves files, from a thread

Answering = Callable[[HttpRequest], Awaitable[HttpResponseBase]]


def is_stream(scope: Any) -> bool:
    """Whether this is a request for an event stream."""
    return scope["type"] == "http" and scope["method"] == "GET" and bool(STREAMS.fullmatch(scope["path"]))


class StreamHandler(ASGIHandler):
    """The project's middlewares, with hooks that wait for nothing.

    They may not: a stream's request changes no session and leaves no message, and Django refuses a query on the
    event loop. What does wait, the looks at orders above all, shares one thread of asgiref's.
    """

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """As Django does, without signals of a request's start, whose receivers would each want a thread."""
        set_script_prefix(get_script_prefix(scope))
        request, refusal = self.create_request(scope, BytesIO())
        if request is None:
            await self.send_response(refusal, send)
            return
        telling = asyncio.create_task(self._tell(request, send))
        leaving = asyncio.create_task(_leave(receive))
        try:
            await asyncio.wait((telling, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            telling.cancel(), leaving.cancel()
        with suppress(asyncio.CancelledError):
            await telling

    async def _tell(self, request: ASGIRequest, send: Any) -> None:
        response = await self.run_get_response(request)
        try:
            await self.send_response(response, send)
        finally:
            response.close()

    def load_middleware(self, is_async: bool = True) -> None:
        """As Django does, but for the way in which hooks are called."""
        self._view_middleware, self._template_response_middleware, self._exception_middleware = [], [], []
        chain = convert_exception_to_response(self._get_response_async)
        for path in reversed(settings.MIDDLEWARE):
            if path in NOT_FOR_STREAMS:
                continue
            made = import_string(path)
            if not getattr(made, "async_capable", False):
                raise ImproperlyConfigured(f"{path} can only run in a thread: event streams cannot have it.")
            middleware = made(chain)
            if hasattr(middleware, "process_view"):
                self._view_middleware.insert(0, _awaitable(middleware.process_view))
            if hasattr(middleware, "process_exception"):
                self._exception_middleware.append(middleware.process_exception)
            chain = convert_exception_to_response(_on_the_loop(middleware, chain))
        self._middleware_chain = chain


def _on_the_loop(middleware: Any, get_response: Answering) -> Answering:
    """The middleware itself, or, if Django's adapter would call its hooks in a thread, one that calls them here."""
    if getattr(type(middleware), "__acall__", None) is not MiddlewareMixin.__acall__:
        return middleware  # type: ignore[no-any-return]
    before = getattr(middleware, "process_request", lambda request: None)
    after = getattr(middleware, "process_response", lambda request, response: response)

    async def answer(request: HttpRequest) -> HttpResponseBase:
        return after(request, before(request) or await get_response(request))

    return markcoroutinefunction(answer)


def _awaitable(hook: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
    if iscoroutinefunction(hook):
        return hook

    async def called(*arguments: Any) -> Any:
        return hook(*arguments)

    return called


async def _leave(receive: Any) -> None:
    """Wait until the browser has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
