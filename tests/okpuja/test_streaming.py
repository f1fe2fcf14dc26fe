"""Event streams as `okpuja.asgi` serves them: as Django would, but without a thread for each."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from importlib import import_module
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.conf import settings as project
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.core.exceptions import ImproperlyConfigured
from django.core.handlers.asgi import ASGIHandler
from django.db.backends.utils import CursorWrapper

from cart import payable
from guard import middleware as guard
from guard.rules import rules
from okpuja.streaming import StreamHandler, is_stream
from payments import board
from payments.models import PaymentOrder
from tests import listening, make
from tests.cart import rows

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
async def _ends_its_listening() -> AsyncIterator[None]:
    """What listens for this test's loop ends with it."""
    yield
    await listening.end()


@sync_to_async
def ordered(owner: Any = None) -> PaymentOrder:
    cart = rows.cart(owner=owner)
    return make.order(cart_id=str(cart.cart_id), snapshot=payable.snapshot(cart), age_s=5)


@sync_to_async
def session_of(user: Any) -> str:
    """The cookie of somebody who has signed in."""
    session = import_module(project.SESSION_ENGINE).SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = project.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return f"{project.SESSION_COOKIE_NAME}={session.session_key}"


def scope(path: str, method: str = "GET", **headers: str) -> dict[str, Any]:
    named = {"host": "testserver"} | headers
    return {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in named.items()],
        "client": ["203.0.113.9", 40000],
        "server": ["testserver", 80],
    }


class Browser:
    """One request to a handler, whose answer comes in parts."""

    def __init__(self, handler: Any, order: PaymentOrder | str, **headers: str) -> None:
        cart_id = order if isinstance(order, str) else order.cart_id
        self._line = ApplicationCommunicator(
            handler, scope(f"/api/payments/cart/{cart_id}/events/", **headers)
        )

    async def opened(self) -> tuple[int, dict[str, str]]:
        """The status and the headers."""
        await self._line.send_input({"type": "http.request", "body": b"", "more_body": False})
        start = await self._line.receive_output(10)
        return start["status"], {name.decode(): value.decode() for name, value in start["headers"]}

    async def told(self) -> str:
        part = await self._line.receive_output(10)
        return str(part["body"].decode())

    async def event(self) -> Any:
        """The next event's data."""
        while True:
            told = await self.told()
            if told.startswith("data: "):
                return json.loads(told[6:])

    async def leave(self) -> None:
        await self._line.send_input({"type": "http.disconnect"})
        await self._line.wait(5)


async def test_stream_tells_and_has_all_headers_that_django_gives_it():
    order = await ordered()
    origin = {"origin": "https://stranger.example", "x-request-id": "a-proxys-own-id"}
    django, ours = Browser(ASGIHandler(), order, **origin), Browser(StreamHandler(), order, **origin)

    known = await django.opened()
    answered = await ours.opened()
    event = await ours.event()
    await django.leave(), await ours.leave()

    assert answered == known
    assert answered[0] == 200
    assert {"X-Request-ID", "Content-Security-Policy", "X-Content-Type-Options"} <= set(answered[1])
    assert (event["cart_id"], event["payment_status"]) == (order.cart_id, "INITIATED")


async def test_streams_hold_no_thread_and_leave_nothing_behind():
    handler = StreamHandler()
    first = Browser(handler, await ordered())
    await first.opened(), await first.event()
    before = threading.active_count()

    browsers = [Browser(handler, await ordered()) for _ in range(10)]
    for browser in browsers:
        await browser.opened(), await browser.event()
    held = threading.active_count()
    for browser in (first, *browsers):
        await browser.leave()
    await asyncio.sleep(0.3)

    assert held == before
    assert (listening.others(), dict(board.of_this_loop()._streams)) == ([], {})


async def test_guests_stream_costs_one_query_even_with_somebodys_cookie(monkeypatch):
    order = await ordered()
    cookie = await session_of(await sync_to_async(rows.customer)())
    asked = []
    execute = CursorWrapper.execute
    monkeypatch.setattr(
        CursorWrapper, "execute", lambda self, sql, *more: asked.append(sql) or execute(self, sql, *more)
    )
    browser = Browser(StreamHandler(), order, cookie=cookie)

    status, _ = await browser.opened()
    await browser.event()
    await browser.leave()

    assert status == 200
    assert ["payments_order" in sql for sql in asked] == [True]


@pytest.mark.parametrize(("caller", "status"), [("owner", 200), ("staff", 200), ("other", 404), (None, 404)])
async def test_customers_stream_is_for_its_owner_and_staff_alone(caller, status):
    people = {
        name: await sync_to_async(rows.customer)(name, is_staff=name == "staff")
        for name in ("owner", "staff", "other")
    }
    order = await ordered(people["owner"])
    cookie = {"cookie": await session_of(people[caller])} if caller else {}
    browser = Browser(StreamHandler(), order, **cookie)

    answered, headers = await browser.opened()
    told = await browser.told()
    await browser.leave()

    assert answered == status
    if status == 404:
        assert json.loads(told)["code"] == "not_found"
        assert headers["Content-Type"] == "application/json"


async def test_stranger_host_is_refused(settings):
    settings.ALLOWED_HOSTS = ["shop.example"]
    browser = Browser(StreamHandler(), await ordered(), host="elsewhere.example")

    status, _ = await browser.opened()

    assert (status, json.loads(await browser.told())["code"]) == (400, "bad_request")


async def test_who_opens_too_many_is_sent_away(settings, monkeypatch):
    """One passes uncounted in this process, two find a place in the bucket."""
    settings.THROTTLES = rules({"events_per_cart": 2})
    monkeypatch.setattr(guard, "WINDOW_S", 1e9)  # no minute ends meanwhile
    guard._free.__init__()
    handler, order = StreamHandler(), await ordered()

    answers = []
    for _ in range(4):
        browser = Browser(handler, order)
        status, headers = await browser.opened()
        answers.append((status, "Retry-After" in headers))
        await browser.leave()

    assert answers == [(200, False)] * 3 + [(429, True)]


async def test_middleware_that_needs_a_thread_is_refused_not_left_out(settings):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "tests.okpuja.test_streaming.OnlyInAThread"]

    with pytest.raises(ImproperlyConfigured, match="OnlyInAThread"):
        StreamHandler()


class OnlyInAThread:
    sync_capable, async_capable = True, False


@pytest.mark.parametrize(
    ("path", "method", "is_one"),
    [
        ("/api/payments/cart/1f6f/events/", "GET", True),
        ("/api/payments/cart/1f6f/events", "GET", True),
        ("/api/payments/cart/1f6f/events/", "POST", False),
        ("/api/payments/cart/1f6f/status/", "GET", False),
        ("/x/api/payments/cart/1f6f/events/", "GET", False),
    ],
)
def test_only_streams_are_served_in_this_way(path, method, is_one):
    assert is_stream(scope(path, method)) == is_one
    assert not is_stream({"type": "lifespan"})
