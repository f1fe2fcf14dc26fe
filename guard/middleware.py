"""Refuse who knocks too often, before the view is asked: 429, and when to come again."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import structlog
from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.conf import settings
from django.db import DatabaseError, close_old_connections
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.decorators import sync_and_async_middleware

from guard import buckets
from guard.clients import client
from guard.rules import ONLY_POST, WATCHED, Rule

log = structlog.get_logger(__name__)

WINDOW_S = 60
NAMED_IN_BODY = 4096  # bytes of a body that are looked at for the cart it names
MESSAGE = "Too many requests. Please wait a moment."


@sync_and_async_middleware
def throttle(get_response: Callable) -> Callable:  # type: ignore[type-arg]
    """Watches the views of `guard.rules.WATCHED`; see there for the numbers."""
    if iscoroutinefunction(get_response):

        async def middleware(request: HttpRequest) -> HttpResponse:
            return await get_response(request)

        markcoroutinefunction(middleware)
        middleware.process_view = _process_view_on_the_loop  # type: ignore[attr-defined]
    else:

        def middleware(request: HttpRequest) -> HttpResponse:  # type: ignore[misc]
            return get_response(request)

        middleware.process_view = _process_view  # type: ignore[attr-defined]
    return middleware


async def _process_view_on_the_loop(
    request: HttpRequest, view: Any, args: Any, kwargs: dict[str, Any]
) -> HttpResponse | None:
    """A thread is for those alone whom the buckets must be asked about."""
    counted = list(_counted(request, kwargs))
    return await _judge_in_a_thread(request, counted) if counted else None


def _process_view(request: HttpRequest, view: Any, args: Any, kwargs: dict[str, Any]) -> HttpResponse | None:
    return _judge(request, _counted(request, kwargs))


def _counted(request: HttpRequest, kwargs: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The rules that this call counts for, each with whom it counts: what this process lets pass is left out."""
    door = request.resolver_match.view_name if request.resolver_match else ""
    if door not in WATCHED or (door in ONLY_POST and request.method != "POST"):
        return
    for name, caller in _callers(request, door, kwargs):
        key = f"{name} {_hashed(caller)}"
        if not _free.take(key, settings.THROTTLES[name].free):
            yield name, key


def _judge(request: HttpRequest, counted: Iterable[tuple[str, str]]) -> HttpResponse | None:
    for name, key in counted:
        wait_s = _wait(name, key)
        if wait_s:
            log.warning("throttled", rule=name, address=client(request), retry_after_s=math.ceil(wait_s))
            return _refused(request, wait_s)
    return None


@sync_to_async
def _judge_in_a_thread(request: HttpRequest, counted: Iterable[tuple[str, str]]) -> HttpResponse | None:
    try:
        return _judge(request, counted)
    finally:
        close_old_connections()  # the thread may be no request's own


def _callers(request: HttpRequest, door: str, kwargs: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The rules that hold here, each with whom it counts; a rule without a caller does not hold."""
    address = client(request)
    for name in WATCHED[door]:
        if name.endswith("_per_account_and_address"):
            caller = f"{_account(request)} {address}" if address else ""
        elif name.endswith("_per_account"):
            caller = _account(request)
        elif name.endswith("_per_address"):
            caller = address
        else:
            caller = str(kwargs.get("cart_id") or kwargs.get("merchant_order_id") or _in_body(request))
        if caller and name in settings.THROTTLES:
            yield name, caller


def _account(request: HttpRequest) -> str:
    return request.POST.get("username", "").strip().casefold()


def _in_body(request: HttpRequest) -> str:
    """The cart that a JSON body names, or "": whatever else it is, the view refuses."""
    if not 0 < int(request.META.get("CONTENT_LENGTH") or 0) <= NAMED_IN_BODY:
        return ""
    try:
        body = json.loads(request.body)
        return str(body["cart_id"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return ""


def _wait(name: str, key: str) -> float:
    """Seconds to wait for a place in the bucket that all processes share, or 0.0."""
    rule: Rule = settings.THROTTLES[name]
    try:
        return buckets.take(key, buckets.Limit(rule.calls, rule.window), now=timezone.now())
    except DatabaseError as error:  # the view needs it as well, and says so itself
        log.warning("throttle not asked", error=str(error).strip())
        return 0.0


def _hashed(caller: str) -> str:
    """Whatever was sent becomes short plain text, and no address and no mistyped password is kept."""
    return hashlib.sha256(caller.encode(errors="surrogatepass")).hexdigest()[:32]


class _Free:
    """What this process lets pass uncounted, by caller and minute; forgotten with the minute."""

    def __init__(self) -> None:
        self._minute, self._calls = 0, Counter[str]()

    def take(self, key: str, free: int) -> bool:
        minute = int(time.monotonic() // WINDOW_S)
        if minute != self._minute:
            self._minute, self._calls = minute, Counter()
        self._calls[key] += 1
        return self._calls[key] <= free


_free = _Free()


def reads_pages(request: HttpRequest) -> bool:
    """Whether a person reads the answer: anywhere but in the API, and where a browser comes back from PhonePe."""
    if not request.path.startswith("/api/"):
        return True
    found = request.resolver_match
    prefers_pages = request.get_preferred_type(["application/json", "text/html"]) == "text/html"
    return found is not None and found.view_name == "payments:return" and prefers_pages


def _refused(request: HttpRequest, wait_s: float) -> HttpResponse:
    if not reads_pages(request):
        body = {"success": False, "code": "too_many_requests", "message": MESSAGE}
        response: HttpResponse = JsonResponse(body, status=429)
    else:
        response = render(request, "429.html", status=429)
    response["Retry-After"] = str(math.ceil(wait_s))
    response["Cache-Control"] = "no-store"
    return response
