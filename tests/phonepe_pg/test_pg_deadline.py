"""The time limit of a part of a task: it ends what takes too long, and only that."""

import asyncio

import pytest

from phonepe_pg.deadline import Deadline


async def test_what_takes_too_long_ends_with_a_timeout():
    with pytest.raises(TimeoutError), Deadline(0.01):
        await asyncio.sleep(5)

    await asyncio.sleep(0)  # the task itself goes on


async def test_what_is_in_time_is_not_disturbed_later():
    with Deadline(0.01):
        pass

    await asyncio.sleep(0.05)


async def test_a_deadline_that_was_moved_back_holds_when_its_timer_rings():
    with Deadline(0.01) as deadline:
        deadline.move(5)
        await asyncio.sleep(0.05)


async def test_a_deadline_that_was_moved_forward_ends_the_block_then():
    async def work() -> None:
        with Deadline(5, at_least_s=0.01) as deadline:
            deadline.move(0.02)
            await asyncio.sleep(2)

    with pytest.raises(TimeoutError):
        await work()


async def test_the_outer_of_two_deadlines_is_not_taken_for_the_inner_one():
    async def inner() -> str:
        try:
            with Deadline(5):
                await asyncio.sleep(5)
        except TimeoutError:
            return "the inner one has ended"
        return ""

    with pytest.raises(TimeoutError), Deadline(0.01):
        await inner()


async def test_a_cancellation_by_somebody_else_stays_one():
    async def work() -> None:
        with Deadline(5):
            await asyncio.sleep(5)

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_error_of_the_blocks_own_goes_through():
    with pytest.raises(KeyError), Deadline(5):
        raise KeyError("x")
