"""The event stream: the status object now and at each change, until it is final."""

from __future__ import annotations

import asyncio
import gc
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from django.test import AsyncClient, Client
from django.utils import timezone

from payments import board, completion, stream, wakeups
from payments.models import PaymentOrder
from payments.states import Source, Status
from tests import listening, make

pytestmark = pytest.mark.django_db(transaction=True)

SOON_S = 0.6 * stream.LOOK_EVERY_S  # the next look would come later


@pytest.fixture(autouse=True)
def shop(plug):
    plug("delivers")


@pytest.fixture(autouse=True)
async def _ends_its_listening() -> AsyncIterator[None]:
    """What listens for this test's loop ends with it."""
    yield
    await listening.end()


make_order = sync_to_async(make.order)


@sync_to_async
def settle(order: PaymentOrder, state: str) -> None:
    completion.settle(order.pk, make.answer(state), source=Source.CHECKER, now=timezone.now())
    connection.close()


async def opened(cart_id: str) -> Any:
    return await AsyncClient().get(f"/api/payments/cart/{cart_id}/events/")


async def told(response: Any, *, events: int = 1) -> list[dict[str, Any]]:
    """The next events' data; fewer when the stream ends."""
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(10):
        while len(found) < events:
            try:
                chunk = await anext(response.chunks)
            except StopAsyncIteration:
                break
            lines = chunk.decode().splitlines()
            found += [json.loads(line[6:]) for line in lines if line.startswith("data: ")]
    return found


async def stream_of(cart_id: str) -> Any:
    response = await opened(cart_id)
    assert (response.status_code, response["Content-Type"]) == (200, "text/event-stream")
    response.chunks = aiter(response.streaming_content)
    return response


async def test_stream_tells_now_at_the_change_and_then_ends():
    order = await make_order(age_s=5)
    response = await stream_of(order.cart_id)

    first = await told(response)
    await asyncio.sleep(0.3)  # until it listens
    changed_at = time.monotonic()
    await settle(order, "COMPLETED")
    second = await told(response)
    took_s = time.monotonic() - changed_at
    rest = await told(response)

    assert [event["payment_status"] for event in (*first, *second)] == ["INITIATED", "SUCCESS"]
    assert (second[0]["booking_created"], rest) == (True, [])
    assert took_s < SOON_S


async def test_stream_of_a_final_order_tells_once_and_ends():
    order = await make_order(Status.FAILED)
    response = await stream_of(order.cart_id)

    events = await told(response, events=5)

    assert [event["payment_status"] for event in events] == ["FAILED"]
    assert response["Cache-Control"] == "no-store"


async def test_stream_tells_the_same_object_as_the_status_endpoint():
    order = await make_order(Status.EXPIRED)

    (event,) = await told(await stream_of(order.cart_id), events=2)
    status = await sync_to_async(lambda: Client().get(f"/api/payments/cart/{order.cart_id}/status/").json())()

    assert event == status["data"]


async def test_stream_goes_on_while_a_paid_order_awaits_its_delivery(plug):
    plug("raises")
    order = await make_order()
    response = await stream_of(order.cart_id)
    await told(response)
    await asyncio.sleep(0.3)

    await settle(order, "COMPLETED")
    (paid,) = await told(response)
    plug("delivers")
    await settle(order, "COMPLETED")
    (booked,) = await told(response)

    assert [(e["payment_status"], e["booking_created"]) for e in (paid, booked)] == [
        ("SUCCESS", False),
        ("SUCCESS", True),
    ]


@pytest.mark.parametrize("cart_id", ["nobody", "open-without-order", "%00"])
async def test_stream_without_a_cart_or_a_payment_answers_404_in_the_contracts_shape(cart_id):
    response = await opened(cart_id)

    assert (response.status_code, response.json()["code"]) == (404, "not_found")


async def test_change_between_the_first_look_and_the_first_event_is_told_at_once():
    other = await stream_of((await make_order()).cart_id)
    await told(other)
    await asyncio.sleep(0.3)  # until it listens
    order = await make_order(age_s=5)
    response = await stream_of(order.cart_id)

    changed_at = time.monotonic()
    await settle(order, "COMPLETED")
    events = await told(response, events=2)
    took_s = time.monotonic() - changed_at

    assert [event["payment_status"] for event in events] == ["INITIATED", "SUCCESS"]
    assert took_s < SOON_S


async def test_change_whose_notice_is_lost_is_told_at_the_next_look(monkeypatch):
    monkeypatch.setattr(stream, "LOOK_EVERY_S", 0.5)
    order = await make_order(age_s=5)
    response = await stream_of(order.cart_id)
    (first,) = await told(response)

    await sync_to_async(change_silently)(order)
    changed_at = time.monotonic()
    (second,) = await told(response)

    assert (first["auto_verified"], second["auto_verified"]) == (False, True)
    assert time.monotonic() - changed_at < SOON_S


def change_silently(order: PaymentOrder) -> None:
    PaymentOrder.objects.filter(pk=order.pk).update(answered_at=timezone.now())
    connection.close()


async def test_reader_who_was_slow_is_told_how_it_stands_now_and_nothing_of_before():
    order = await make_order(age_s=5)
    response = await stream_of(order.cart_id)
    await told(response)
    await asyncio.sleep(0.3)

    for _ in range(50):
        await sync_to_async(notify)(order.cart_id)
    await settle(order, "FAILED")
    await asyncio.sleep(0.3)
    events = await told(response, events=9)

    assert [event["payment_status"] for event in events] == ["FAILED"]


@pytest.mark.parametrize("events", [0, 1])
async def test_reader_who_has_gone_leaves_nothing_behind(events):
    order = await make_order()
    response = await stream_of(order.cart_id)
    await told(response, events=events)
    await asyncio.sleep(0.3)  # until it listens
    assert listening.others()

    del response
    gc.collect()  # the test client's response is a knot

    assert await listening.until(lambda: not listening.others())
    assert dict(board.of_this_loop()._streams) == {}


def notify(cart_id: str) -> None:
    wakeups.notify(wakeups.CHANGED, cart_id)
    connection.close()


async def test_stream_under_another_spelling_hears_notices_for_the_orders_own(plug):
    plug("delivers", PAYABLE="find_in_any_case")
    order = await make_order(age_s=5, cart_id="lower-case")
    response = await stream_of("LOWER-CASE")
    await told(response)
    await asyncio.sleep(0.3)

    changed_at = time.monotonic()
    await settle(order, "COMPLETED")
    (event,) = await told(response)

    assert (event["cart_id"], event["payment_status"]) == ("lower-case", "SUCCESS")
    assert time.monotonic() - changed_at < SOON_S


@pytest.mark.django_db(transaction=True)
def test_stream_on_a_wsgi_server_tells_once_and_lets_go_of_its_thread():
    order = make.order(age_s=5)

    response = Client().get(f"/api/payments/cart/{order.cart_id}/events/")
    told = b"".join(response.streaming_content).decode()

    assert (response.status_code, response["Content-Type"]) == (200, "text/event-stream")
    assert told.startswith("retry: 3000\n\ndata: ")
    assert json.loads(told.split("data: ")[1])["payment_status"] == "INITIATED"
