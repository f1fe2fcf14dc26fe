"""The one door to PhonePe: a client on an event loop of its own, one per process.

Web threads and the sweep are synchronous; what they ask runs on the loop's thread, so that hundreds
of calls can be under way while one thread does the database work.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from datetime import datetime
from functools import lru_cache
from itertools import zip_longest
from typing import Any, TypeVar

import structlog
import uvloop
from django.conf import settings
from django.utils import timezone

from payments.answers import Answer
from payments.models import PaymentOrder
from phonepe_pg import (
    Client,
    CreatedOrder,
    Credentials,
    Hosts,
    Malformed,
    Misconfigured,
    OutcomeUnknown,
    PaymentRequest,
    PhonePeError,
    RateLimited,
    RefundRequest,
    RefundStatus,
    Unavailable,
)
from phonepe_pg.deadline import Deadline

T = TypeVar("T")
log = structlog.get_logger(__name__)

MAX_IN_FLIGHT = 200
CLOSE_LIMIT_S = 5.0
TOKEN_LIMIT_S = 5.0  # short: whoever waits for it may be told to stop meanwhile
LINE_LIMIT_S = 3.0  # with the question itself less than a claim lasts
ASK_LIMIT_S = 15.0  # one question with everything it may need: a token, a repeat after a 401
REQUIRED = ("PHONEPE_CLIENT_ID", "PHONEPE_CLIENT_SECRET", "PHONEPE_CLIENT_VERSION")


def missing_settings() -> list[str]:
    """The names of the credentials that are not set."""
    return [name for name in REQUIRED if not getattr(settings, name)]


def hosts() -> Hosts:
    """Both bases, by `PHONEPE_ENV` or as overridden; a lone PHONEPE_BASE_URL serves both (contract)."""
    default = Hosts.of(settings.PHONEPE_ENV)
    pg = settings.PHONEPE_BASE_URL or default.pg
    oauth = settings.PHONEPE_OAUTH_URL or settings.PHONEPE_BASE_URL or default.oauth
    return Hosts(pg=pg, oauth=oauth)


class _Door:
    """The process's loop, thread and client, made at first use and again after a fork."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.client = Client(
            Credentials(
                settings.PHONEPE_CLIENT_ID, settings.PHONEPE_CLIENT_SECRET, settings.PHONEPE_CLIENT_VERSION
            ),
            hosts(),
            max_connections=MAX_IN_FLIGHT,
        )
        self.loop = uvloop.new_event_loop()  # a call costs a quarter less than on asyncio's own
        self.limited_at = float("-inf")  # when PhonePe last wanted fewer calls
        self.is_accepted = False  # our credentials, by the last question
        self.lines = asyncio.Semaphore(MAX_IN_FLIGHT)
        self.asking: set[asyncio.Task[None]] = set()  # a loop keeps no hold on its tasks
        self.thread = threading.Thread(target=self.loop.run_forever, name="phonepe", daemon=True)
        self.thread.start()

    def submit(self, call: Coroutine[Any, Any, T]) -> Future[T]:
        return asyncio.run_coroutine_threadsafe(call, self.loop)

    def close(self) -> None:
        self.submit(self._end()).result(CLOSE_LIMIT_S)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(CLOSE_LIMIT_S)
        self.loop.close()

    async def _end(self) -> None:
        """Close the connections and let what still waits for them hear it, so that nothing is left on the loop."""
        await self.client.close()
        waiting = asyncio.all_tasks() - {asyncio.current_task()}
        _, stubborn = await asyncio.wait(waiting, timeout=1) if waiting else (set(), set())
        for task in stubborn:
            task.cancel()
        await asyncio.gather(*stubborn, return_exceptions=True)


_door: _Door | None = None
_guard = threading.Lock()


def _open_door() -> _Door:
    global _door
    missing = missing_settings()
    if missing:
        raise Misconfigured(
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set.", sent=False
        )
    with _guard:
        if _door is None or _door.pid != os.getpid():
            _door = _Door()
        return _door


def close() -> None:
    """Close the connections of this process, if it has any. The next call opens new ones."""
    global _door
    with _guard:
        if _door is not None and _door.pid == os.getpid():
            _door.close()
        _door = None


def is_accepted() -> bool:
    """Whether PhonePe has accepted our credentials in this process, and no question since was refused or lost."""
    return _door is not None and _door.pid == os.getpid() and _door.is_accepted


def check_credentials() -> None:
    """Get a token. Raises Misconfigured, RateLimited or Unavailable, each saying why."""
    door = _open_door()
    try:
        door.submit(door.client.check_credentials()).result(TOKEN_LIMIT_S)
        door.is_accepted = True
    except Misconfigured as refused:
        why = f"PhonePe does not accept {', '.join(REQUIRED[:-1])} or {REQUIRED[-1]}"
        if refused.is_of_address:
            why = f"There is no token of PhonePe's for us at {hosts().oauth}"
        raise Misconfigured(
            f"{why}: {refused}",
            http_status=refused.http_status,
            code=refused.code,
            body=refused.body,
        ) from refused
    except FutureTimeoutError as slow:
        raise Unavailable(f"No token within {TOKEN_LIMIT_S:g} s.", sent=False) from slow


def create_payment(request: PaymentRequest) -> CreatedOrder:
    """Create an order at PhonePe (wire reference §3). Sent once; see phonepe_pg for what it raises."""
    door = _open_door()
    return door.submit(_sent_once(door.client.create_payment(request))).result()


def refund(request: RefundRequest) -> RefundStatus:
    """Ask for a refund (wire reference §5.1). Sent once; see phonepe_pg for what it raises."""
    door = _open_door()
    return door.submit(_sent_once(door.client.refund(request))).result()


def refund_status(merchant_refund_id: str) -> RefundStatus:
    """Ask what became of a refund (wire reference §5.2). Changes nothing."""
    door = _open_door()
    return door.submit(door.client.refund_status(merchant_refund_id)).result()


def ask(merchant_order_id: str) -> Answer:
    """Ask what became of an order (wire reference §4) and wait for the answer; never raises PhonePeError."""
    try:
        door = _open_door()
        return door.submit(_ask(door, merchant_order_id)).result()
    except Misconfigured as error:
        return Answer(asked_at=timezone.now(), took_ms=0, error=error)


def submit_ask(
    orders: Sequence[PaymentOrder],
    on_answer: Callable[[PaymentOrder, Answer | None], None],
    *,
    leave_at: Sequence[datetime] = (),
) -> None:
    """As `ask`, about many and without waiting: `on_answer` is called on the loop's thread for each.

    Each question leaves at its instant of `leave_at`, or at once where that has passed or there is none.
    No more than `MAX_IN_FLIGHT` are asked about at once, the others wait in line. Whoever is still in line when
    PhonePe wants fewer calls, or after too long, is not asked about: its answer is None. Raises Misconfigured.
    """
    door = _open_door()

    def begin() -> None:
        now = timezone.now()
        for order, turn in zip_longest(orders, leave_at[: len(orders)]):
            early_s = (turn - now).total_seconds() if turn and turn > now else 0.0
            task = door.loop.create_task(_ask_in_line(door, order, on_answer, early_s))
            door.asking.add(task)
            task.add_done_callback(door.asking.discard)

    door.loop.call_soon_threadsafe(begin)  # once: waking the loop for each costs a tenth of its call


async def _ask_in_line(
    door: _Door,
    order: PaymentOrder,
    on_answer: Callable[[PaymentOrder, Answer | None], None],
    early_s: float,
) -> None:
    answer, joined = None, time.monotonic()
    if early_s:
        await asyncio.sleep(min(early_s, LINE_LIMIT_S))  # a clock that was set back must not hold it
    async with door.lines:
        is_late = time.monotonic() - joined > LINE_LIMIT_S
        if not is_late and door.limited_at < joined:
            answer = await _ask(door, order.merchant_order_id)
            if isinstance(answer.error, RateLimited):
                door.limited_at = time.monotonic()
    on_answer(order, answer)


async def _sent_once(call: Coroutine[Any, Any, T]) -> T:
    """Let a pay or refund call take no longer than the claim under which it is made lasts."""
    try:
        with Deadline(ASK_LIMIT_S):
            return await call
    except TimeoutError as slow:
        raise OutcomeUnknown(f"No answer within {ASK_LIMIT_S:g} s.") from slow


async def _ask(door: _Door, merchant_order_id: str) -> Answer:
    asked_at, started = timezone.now(), time.monotonic()
    status = error = None
    try:
        with Deadline(ASK_LIMIT_S):
            status = await door.client.order_status(merchant_order_id)
        if status.strange:
            _tell_of(status.state)
    except PhonePeError as trouble:
        error = trouble
        door.is_accepted &= not isinstance(trouble, (Misconfigured, Unavailable))
    except TimeoutError:
        error = Unavailable(f"No answer within {ASK_LIMIT_S:g} s.")
    except Exception as bug:
        # The call may have been made: the order waits for its next rung as after any answer of no use.
        log.exception("an order could not be asked about", order=merchant_order_id)
        error = Malformed(f"The answer could not be read ({type(bug).__name__}); the log says why.")
    took_ms = round((time.monotonic() - started) * 1000)
    return Answer(asked_at=asked_at, took_ms=took_ms, status=status, error=error)


@lru_cache(maxsize=64)
def _tell_of(state: str) -> None:
    """Say once in this process that PhonePe has a word for orders which nothing here was written for."""
    log.error("PhonePe says a state that is not known here", state=state[:32])
