"""The pipeline over due orders, once or for ever.

One thread claims, the gateway's loop asks, the writer's thread writes down. Up to `gateway.MAX_IN_FLIGHT`
questions are under way at any time, and while answers come in, more orders than a turn brings wait in
line behind them: a line that becomes free is taken at once, not after the next turn. Each answer comes back
through one queue as soon as it is there, so a slow call holds up nobody but its own order. The same queue
carries what was written down, wake-ups and the wish to stop.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from functools import partial

import structlog
from django.db import InterfaceError, OperationalError, close_old_connections
from django.utils import timezone

from payments import claims, completion, gateway, throttle
from payments.answers import Answer
from payments.models import PaymentOrder
from payments.states import Status
from payments.transitions import Verdict, judge
from payments.writing import Checked, Writer, guard
from phonepe_pg import Misconfigured, PhonePeError, Unavailable

log = structlog.get_logger(__name__)

STOP_WITHIN_S = 8.0  # the contract allows 10 from the signal to the exit
STOP_POLL_S = 0.1
RECONNECT_S = 1.0
SIGN_IN_S = 2.0  # a sweep waits for a call to sign in with, and signs in all the same
REFUSED_AGAIN_S = 60.0  # for a token that PhonePe gives and refuses, and for rights that we lack
MANY = 50  # under way: then answers are gathered for a moment: a turn costs as much for one as for thirty
GATHER_S = 0.03
IN_HAND = 3  # times the calls that may be under way: who is slow to write down claims no more
LOCKED_S = 0.2  # what is due is in other checkers' hands just now


class Notice(Enum):
    """What the queue carries besides answers and reports."""

    WAKE = "look for due orders, or at the wish to stop"


Mail = tuple[PaymentOrder, Answer | None] | Checked | Notice


@dataclass(slots=True)
class Summary:
    """What a sweep has done so far."""

    checked: int = 0
    unanswered: int = 0
    silence: int = 0  # questions in a row that PhonePe could not be reached for
    moved: dict[str, int] = field(default_factory=dict)
    trouble: str = ""  # why the gateway could not be used at all

    @property
    def gateway_is_dead(self) -> bool:
        """So many questions in a row without an answer that one sweep had better come back another time."""
        return self.silence >= throttle.BREAKER_AFTER

    def add(self, checked: Checked) -> None:
        self.checked += 1
        is_silent = checked.answer is not None and isinstance(checked.answer.error, Unavailable)
        self.silence = self.silence + 1 if is_silent else 0
        if checked.answer is not None and not checked.answer.is_answer:
            self.unanswered += 1
        if checked.moved:
            self.moved[checked.order.status] = self.moved.get(checked.order.status, 0) + 1

    @property
    def gateway_was_unusable(self) -> bool:
        """Nothing at all could be learnt from the gateway."""
        return bool(self.trouble) or (self.checked > 0 and self.unanswered == self.checked)


class Sweep:
    """Claims due orders, asks about them and settles them. One thread runs it; any may `wake` or `stop` it."""

    def __init__(
        self, *, limit: int | None = None, on_checked: Callable[[Checked], None] | None = None
    ) -> None:
        self.summary = Summary()
        self._left = limit
        self._due_by: datetime | None = None  # one sweep takes what was due at its start; None: for ever
        self._on_checked = on_checked
        self._mail: queue.SimpleQueue[Mail] = queue.SimpleQueue()
        self._in_flight: dict[int, PaymentOrder] = {}
        self._unheard: list[Answer] = []  # by the throttle
        self._is_well = False  # by the throttle's last grant
        self._writer = Writer(self._on_written, self.wake)
        self._unasked: list[PaymentOrder] = []
        self._came_in = 0  # answers of the last turn
        self._trusted = gateway.is_accepted()  # whether our credentials are known to be accepted
        self._heard_until = 0.0  # refused questions are no news so long
        self._paused_until = 0.0
        self._stopping_since: float | None = None

    def wake(self) -> None:
        """Look for due orders now. From any thread or signal handler."""
        self._mail.put(Notice.WAKE)

    def stop(self) -> None:
        """Claim nothing more, finish what is under way, return. From any thread or signal handler."""
        self._stopping_since = self._stopping_since or time.monotonic()
        self._mail.put(Notice.WAKE)

    @property
    def stopping_time_left_s(self) -> float:
        """How long the process may still take to finish, once it was told to stop."""
        since = self._stopping_since or time.monotonic()
        return since + STOP_WITHIN_S - time.monotonic()

    def run_once(self, only: Sequence[PaymentOrder] | None = None) -> Summary:
        """Work off what is due at this moment, or just the given claimed orders."""
        self._due_by = timezone.now()
        try:
            if self._check_credentials():
                self._work_off(only)
        except Exception:
            self._let_go()  # the writer's thread and connection shall not outlive the sweep
            raise
        self._let_go()
        return self.summary

    def _work_off(self, only: Sequence[PaymentOrder] | None) -> None:
        if only is not None:
            self._left = 0
            self._ask_about(only)
        while not self._is_stopped() and not self.summary.gateway_is_dead:
            close_old_connections()
            pause = self._turn()
            if pause is None and not self._is_busy:
                return
            self._collect(1.0 if pause is None else min(pause, 1.0))

    def run_for_ever(self, *, interval_s: float, on_turn: Callable[[], None]) -> Summary:
        """Work until `stop`, looking at least every `interval_s` seconds; `on_turn` comes before each look."""
        while not self._is_stopped():
            try:
                close_old_connections()  # one that died would be used for ever, were it only looked at in a turn
                on_turn()
                if self._paused_until <= time.monotonic() and not self._check_credentials():
                    self._paused_until = time.monotonic() + interval_s
                    log.error("the gateway refuses us; trying again later", why=self.summary.trouble)
                pause = self._turn()
            except (OperationalError, InterfaceError) as error:
                # Answers wait in memory and claims run out by themselves: coming back later loses nothing.
                log.warning("the database cannot be used; trying again", error=str(error).strip())
                pause = RECONNECT_S
            except Exception:
                log.exception("a turn of the sweep failed; trying again")
                pause = RECONNECT_S
            if self._stopping_since:
                pause = STOP_POLL_S
            self._collect(interval_s if pause is None else min(pause, interval_s))
        self._let_go()
        return self.summary

    def _turn(self) -> float | None:
        """Write down what was answered and claim what is due. The pause until there is more; None: not known."""
        self._write_down()
        if self._stopping_since is not None:
            return None
        paused_s = self._paused_until - time.monotonic()
        return paused_s if paused_s > 0 else self._claim_more()

    def _claim_more(self) -> float | None:
        in_line = min(self._came_in * 5 // 2, gateway.MAX_IN_FLIGHT)
        room = gateway.MAX_IN_FLIGHT + in_line - len(self._in_flight)
        room = min(room, IN_HAND * gateway.MAX_IN_FLIGHT - len(self._in_flight) - len(self._writer))
        room = room if self._left is None else min(room, self._left)
        now = timezone.now()
        due_at = claims.next_due() if room > 0 else None
        if due_at is None or (self._due_by and due_at > self._due_by):
            return None
        if due_at > now:
            return (due_at - now).total_seconds()
        grant = throttle.take(room, now=now, ahead_s=throttle.AHEAD_S)
        self._is_well = grant.is_well
        if not grant.count:
            return grant.wait_s
        orders = claims.claim_due(now=now, limit=grant.count, due_by=self._due_by)
        asked = self._ask_about(orders, leave_at=grant.leave_at)
        throttle.give_back(grant.count - asked, now=now)
        if self._left is not None:
            self._left -= len(orders)
        return 0.0 if orders else LOCKED_S

    def _ask_about(self, orders: Sequence[PaymentOrder], *, leave_at: Sequence[datetime] = ()) -> int:
        """Send the questions off; how many calls that makes. Paid orders only want their fulfilment again."""
        unpaid = [order for order in orders if order.status != Status.SUCCESS]
        self._in_flight |= {order.pk: order for order in unpaid}
        if unpaid:
            gateway.submit_ask(unpaid, self._on_answer, leave_at=leave_at)
        for order in orders:
            if order.status == Status.SUCCESS:
                fulfil = partial(completion.fulfil_again, order.pk, now=timezone.now())
                guard(order, None, fulfil, report=self._report)
        return len(unpaid)

    def _on_answer(self, order: PaymentOrder, answer: Answer | None) -> None:
        self._mail.put((order, answer))

    def _on_written(self, checked: Checked) -> None:
        self._mail.put(checked)

    def _collect(self, timeout_s: float) -> None:
        """Sleep until something arrives, then take all that is there."""
        with suppress(queue.Empty):
            self._take_in(self._mail.get(timeout=max(timeout_s, 0.001)))
            if len(self._in_flight) >= MANY:
                time.sleep(GATHER_S)
        self._empty_mail()
        # Whom PhonePe keeps waiting or refuses stands better in the queue than in line.
        has_trouble = self._unasked or not all(answer.is_answer for answer in self._unheard)
        self._came_in = 0 if has_trouble else len(self._unheard)

    def _empty_mail(self) -> None:
        with suppress(queue.Empty):
            while True:
                self._take_in(self._mail.get_nowait())

    def _report_written(self) -> None:
        """Count what the writer's last words are about; who is answered this late is given up like the rest."""
        with suppress(queue.Empty):
            while True:
                if isinstance(item := self._mail.get_nowait(), Checked):
                    self._report(item)

    def _take_in(self, item: Mail) -> None:
        if isinstance(item, Checked):
            self._report(item)
        elif not isinstance(item, Notice):
            order, answer = item
            self._in_flight.pop(order.pk, None)
            if answer is None:
                self._unasked.append(order)
            else:
                self._writer.add(order, answer)
                self._unheard.append(answer)

    def _write_down(self) -> None:
        self._writer.go_on()
        if self._unasked:
            self._give_back_unasked()
        if self._unheard:
            self._hear_refusals()
            throttle.report(self._unheard, now=timezone.now(), is_well=self._is_well)
            self._is_well &= all(answer.error is None for answer in self._unheard)
            self._unheard.clear()

    def _hear_refusals(self) -> None:
        """Sign in anew where no token was given or ours was refused; of any other refusal a person must hear."""
        refusals = [answer.error for answer in self._unheard if isinstance(answer.error, Misconfigured)]
        if any(not refusal.sent for refusal in refusals):
            self._trusted = False
        elif refusals and self._heard_until <= time.monotonic():
            self._heard_until = time.monotonic() + REFUSED_AGAIN_S
            self._trusted &= all(refusal.http_status != 401 for refusal in refusals)
            log.error("PhonePe refuses our questions", why=str(refusals[0]))

    def _give_back_unasked(self) -> None:
        """Those who were still in line when PhonePe wanted fewer calls are due again, as if never claimed."""
        claims.release(self._unasked, until=self._due_by or timezone.now())
        throttle.give_back(len(self._unasked), now=timezone.now())
        if self._left is not None:
            self._left += len(self._unasked)
        self._unasked.clear()

    def _report(self, checked: Checked) -> None:
        self.summary.add(checked)
        if self._on_checked:
            self._on_checked(checked)

    def _check_credentials(self) -> bool:
        """Whether PhonePe accepts us; asked once, and again after it has refused us."""
        if self._trusted:
            return True
        # The token's call counts like any other, for PhonePe and for us; it may be the breaker's probe.
        throttle.wait_for_turn(until=time.monotonic() + SIGN_IN_S)
        try:
            gateway.check_credentials()
            throttle.report_call(None, now=timezone.now())
        except Misconfigured as error:
            self.summary.trouble = str(error)
            return False
        except PhonePeError as error:
            throttle.report_call(error, now=timezone.now())
            if self._due_by is not None:
                self.summary.trouble = str(error)
                return False
            # Not reachable: the breaker's business, order by order. A refusal will come as an answer.
        self._trusted = True
        return True

    @property
    def _is_busy(self) -> bool:
        """Whether any claimed order still waits for its answer, or to be written down."""
        return bool(self._in_flight or self._unasked or self._writer.is_busy or not self._mail.empty())

    def _is_stopped(self) -> bool:
        if self._stopping_since is None:
            return False
        return not self._is_busy or time.monotonic() - self._stopping_since > STOP_WITHIN_S

    def _let_go(self) -> None:
        """No claim outlives the process that made it; with the database gone, claims run out by themselves."""
        self._empty_mail()
        self._writer.close(within_s=max(0.1, self.stopping_time_left_s))
        self._report_written()
        held = [*self._in_flight.values(), *self._writer.orders, *self._unasked]
        if not held:
            return
        log.warning("giving up questions under way", orders=len(held))
        try:
            claims.release(held, until=timezone.now())
        except (OperationalError, InterfaceError) as error:
            log.warning("claims could not be given up", error=str(error).strip())


def preview(orders: Sequence[PaymentOrder]) -> Iterator[tuple[PaymentOrder, Answer, Verdict]]:
    """Ask about orders without claiming, recording or changing anything: what would be done with each."""
    for order in orders:
        answer = completion.ask_in_turn(order.merchant_order_id)
        yield order, answer, judge(order, answer, now=timezone.now())
