"""A request id for every request, in each line that is logged meanwhile and in the answer; and one line per request."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_and_async_middleware

log = structlog.get_logger(__name__)

HEADER = "X-Request-ID"
SANE = re.compile(r"[A-Za-z0-9._-]{8,64}", re.ASCII)  # a proxy's id; whatever else was sent is not repeated
OFTEN = ("/healthz", "/readyz", "/metrics", "/static/")  # asked by machines all day: told at DEBUG alone
CLIENT_WENT_AWAY = 499


@sync_and_async_middleware
def request_log(get_response: Callable) -> Callable:  # type: ignore[type-arg]
    """Outermost of all: its line has the status that the client gets and the time that everything took."""
    if iscoroutinefunction(get_response):

        async def middleware(request: HttpRequest) -> HttpResponse:
            with _followed(request) as answer:
                return answer(await get_response(request))

        return markcoroutinefunction(middleware)

    def sync_middleware(request: HttpRequest) -> HttpResponse:
        with _followed(request) as answer:
            return answer(get_response(request))

    return sync_middleware


@contextmanager
def _followed(request: HttpRequest) -> Iterator[Callable[[HttpResponse], HttpResponse]]:
    started, status = time.monotonic(), CLIENT_WENT_AWAY
    request_id = _named(request.headers.get(HEADER, ""))

    def answer(response: HttpResponse) -> HttpResponse:
        nonlocal status
        status = response.status_code
        response[HEADER] = request_id
        return response

    with structlog.contextvars.bound_contextvars(request_id=request_id):
        try:
            yield answer
        finally:
            took_ms = round((time.monotonic() - started) * 1000)
            _tell(request, status, took_ms)


def _named(sent: str) -> str:
    return sent if SANE.fullmatch(sent) else uuid.uuid4().hex


def _tell(request: HttpRequest, status: int, took_ms: int) -> None:
    """Never the query: it may hold the key of a confirmation mail, or what staff searched for."""
    say = log.debug if request.path.startswith(OFTEN) and status < 500 else log.info
    say("request answered", method=request.method, path=request.path, status=status, took_ms=took_ms)
