"""What event streams share: notices reach those whom they concern, and many looks are one query."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import AnonymousUser
from django.db import DatabaseError, connection

from payments import wakeups
from payments.board import PACE_S, TOGETHER, Board
from payments.errors import NotFound
from tests import listening, make

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def shop(plug: Callable[..., None]) -> None:
    plug("delivers", STATUS="status_for_all")


@pytest.fixture(autouse=True)
async def _ends_its_listening() -> AsyncIterator[None]:
    """What listens for this test's loop ends with it."""
    yield
    await listening.end()


@sync_to_async
def carts(count: int) -> list[str]:
    return [make.order(cart_id=f"cart-{nth}").cart_id for nth in range(count)]


@sync_to_async
def notify(cart_id: str) -> None:
    wakeups.notify(wakeups.CHANGED, cart_id)
    connection.close()


@asynccontextmanager
async def queries(*, refused: bool = False) -> AsyncIterator[list[str]]:
    """What is asked of the database in the thread where looks are, meanwhile; `refused`, and nothing is answered."""
    found: list[str] = []

    def note(execute: Any, sql: str, *arguments: Any) -> Any:
        found.append(sql)
        if refused:
            raise DatabaseError("the server has gone")
        return execute(sql, *arguments)

    await listening.in_the_thread_of_looks(lambda: connection.execute_wrappers.append(note))
    try:
        yield found
    finally:
        await listening.in_the_thread_of_looks(lambda: connection.execute_wrappers.remove(note))


def looks(board: Board, cart_ids: list[str]) -> Any:
    return asyncio.gather(*(board.look(one, AnonymousUser()) for one in cart_ids), return_exceptions=True)


@pytest.mark.parametrize("count", [1, 50])
async def test_those_who_look_at_the_same_time_cost_one_query(count):
    names = await carts(count)

    async with queries() as asked:
        seen = await looks(Board(), names)

    assert [one.cart_id for one in seen] == names
    assert len(asked) == 1


async def test_more_than_one_query_may_carry_are_seen_one_after_the_other():
    (name,) = await carts(1)

    async with queries() as asked:
        seen = await looks(Board(), [name] * (TOGETHER + 1))

    assert [one.cart_id for one in seen] == [name] * (TOGETHER + 1)
    assert len(asked) == 2


async def test_who_looks_while_a_query_is_out_gets_an_answer_of_later():
    """The running one may have read the row before the change that somebody has just heard of."""
    board, (name,) = Board(), await carts(1)

    async with queries() as asked:
        first = asyncio.create_task(board.look(name, AnonymousUser()))
        while not board._looking:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        await asyncio.gather(first, board.look(name, AnonymousUser()))

    assert len(asked) == 2


async def test_looks_of_many_streams_are_no_more_queries_than_the_pace_allows():
    board, names = Board(), await carts(20)
    until = asyncio.get_running_loop().time() + 10 * PACE_S

    async def look_on_and_on(name: str) -> int:
        seen = 0
        while asyncio.get_running_loop().time() < until:
            await board.look(name, AnonymousUser())
            seen += 1
            await asyncio.sleep(PACE_S / 7)
        return seen

    async with queries() as asked:
        seen = await asyncio.gather(*map(look_on_and_on, names))

    assert len(asked) <= 12
    assert sum(seen) > 3 * len(asked)


async def test_one_carts_trouble_is_no_others(plug):
    plug("delivers", STATUS="status_with_a_bug")
    (good,) = await carts(1)
    await sync_to_async(make.order)(cart_id="broken")

    seen, unknown, bug, hostile = await looks(Board(), [good, "nobody", "broken", "\0"])

    assert seen.cart_id == good
    assert (type(unknown), type(bug), type(hostile)) == (NotFound, RuntimeError, NotFound)


async def test_lost_database_is_told_to_all_who_look_and_the_next_look_is_answered():
    board, (name,) = Board(), await carts(1)

    async with queries(refused=True):
        failed = await looks(board, [name, name])
    seen = await looks(board, [name])

    assert [type(one) for one in failed] == [DatabaseError, DatabaseError]
    assert [one.cart_id for one in seen] == [name]


async def test_who_has_gone_before_the_answer_spoils_it_for_nobody():
    board, (name,) = Board(), await carts(1)
    gone = asyncio.create_task(board.look(name, AnonymousUser()))
    await asyncio.sleep(0)
    stays = asyncio.create_task(board.look(name, AnonymousUser()))
    await asyncio.sleep(0)

    gone.cancel()

    assert (await stays).cart_id == name


async def test_stream_opened_the_moment_the_last_one_ended_is_told_of_changes_at_once():
    board = Board()
    with board.subscribed("one"):
        await asyncio.sleep(0.3)
    with board.subscribed("two") as changed:
        await asyncio.sleep(0.5)
        changed.clear()
        await notify("two")
        async with asyncio.timeout(2):
            await changed.wait()


async def test_stream_of_another_cart_is_not_woken():
    board = Board()
    with board.subscribed("one") as one, board.subscribed("two") as two:
        async with asyncio.timeout(5):
            await one.wait(), await two.wait()  # both, once it listens
        one.clear(), two.clear()
        await notify("two")
        await asyncio.wait_for(two.wait(), 2)

        assert not one.is_set()


async def test_board_without_streams_runs_nothing():
    board = Board()
    with board.subscribed("one"):
        await asyncio.sleep(0.3)
        assert len(listening.others()) == 1

    assert await listening.until(lambda: not listening.others())
