"""How fast all processes on all machines together may call PhonePe.

One row holds a token bucket, an adaptive rate and a breaker. Tokens are taken per batch, by compare and set, and
under the row's lock by whom another came before; the arithmetic is in plain functions on the row, so that it can
be tried with any clock.

**The rate.** A 429 halves it, after the pause that PhonePe asks for, and is remembered with the rate at which it
came. Success restores the rate in equal steps up to a little below that mark, which is where it settles; from
there it feels its way, first so slowly that the mark is met about once a minute, then faster and faster, should
PhonePe allow more by now. Halving and equal steps alone would use 72 % of a limit, and 54 % with a sixth of the
calls refused when PHONEPE_MAX_RPS is far above it (simulated: `tests/payments/test_throttle_settles.py`).

**Turns.** PhonePe counts when calls arrive, so they must leave evenly: at 5 a second, calls 50 ms late are one too
many. Orders have to be claimed first, which takes 15 ms or 100; therefore a sweep takes calls ahead, and each leaves
at the instant at which the bucket would have held it. Without that, 5 a second were used to 68 % by three checkers.

**Clocks.** The row is kept by PostgreSQL's clock: by their own, a machine that lags 0.2 s behind the others would
never find a token that they have not taken. Callers give and get instants of their own clock.

**The breaker.** Failures in a row open it for a pause that grows with each failed probe; then one call is let
through, and its answer decides. Who dies holding calls, a probe or a customer's priority loses them by the clock.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

import structlog
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from payments import durable, schedule
from payments.answers import Answer
from payments.models import GatewayThrottle
from phonepe_pg import Malformed, Misconfigured, OutcomeUnknown, PhonePeError, RateLimited, Unavailable

log = structlog.get_logger(__name__)

MIN_RATE = 0.5
BURST_S = 0.05  # a bucket holds so many seconds' calls, at least one: SETTLED leaves room for no more
AHEAD_S = 0.1  # a call is taken so long before its turn: claiming its order takes 0.05 s at p99
RECOVERY_S = 4.0  # of success restore a whole rate, in equal steps
SETTLED = 0.95  # of the rate that was refused last: recovery ends here
CALM_S = 40.0  # without a 429: the next one is no reason to settle lower
LEAST_MARK = 0.5  # of the rate: the mark of a 429 is never lower
FEEL_S = 6000.0  # of success feel the way as far again as the settled rate is, at first
FASTER_S = 15.0  # then the distance to the settled rate grows by e in this time
LIMITED_PAUSE_S = 1.0  # after a 429 that does not say how long
BREAKER_AFTER = 5  # failures in a row
PAUSE_S = (1.0, 60.0)
PROBE_S = 15.0  # a half-open breaker waits this long for the word of its probe
PRIORITY_S = 0.3
SHARED_EVERY_S, SHARED = 4.0, 0.25  # so much of it is the background's as well, however many customers wait
# Every batch of every checker comes by here: two statements instead of five, and a sixth of what the ORM costs.
FIELDS = [field.attname for field in GatewayThrottle._meta.concrete_fields]
SEEN = f"""
    SELECT {", ".join(FIELDS)}, xmin::text, clock_timestamp() FROM payments_throttle WHERE id = 1
"""  # noqa: S608  our own columns
DRAWN = """
    UPDATE payments_throttle SET rate = %(rate)s, tokens = %(tokens)s, refilled_at = %(refilled_at)s,
        blocked_until = %(blocked_until)s, priority_until = %(priority_until)s, probing = %(probing)s
    WHERE id = 1 AND xmin = %(version)s::xid
"""
NONE = timedelta()
POLL_S = 0.02  # the background rather waits for a few calls than locks the row for each


@dataclass(slots=True)
class _Clock:
    """How far PostgreSQL's clock was ahead of ours when last seen."""

    ahead: timedelta = NONE

    def compare(self, theirs: datetime, *, before: datetime, after: datetime) -> None:
        """Note that they had `theirs` between two instants of ours; what the way there explains is no difference."""
        self.ahead = max(theirs - after, min(NONE, theirs - before))


_clock = _Clock()


@dataclass(frozen=True, slots=True)
class Grant:
    """`count` calls may be made, each at its instant of `leave_at`; when it is 0, look again in `wait_s` seconds."""

    count: int
    wait_s: float = 0.0
    leave_at: tuple[datetime, ...] = ()
    is_well: bool = False


def take(wanted: int, *, now: datetime, ahead_s: float = 0.0, waiting_customer: bool = False) -> Grant:
    """Take up to `wanted` calls from the bucket. While customers wait, the background gets about a quarter.

    Who has something to do before calling comes `ahead_s` seconds early, and keeps to the grant's `leave_at`.
    """
    ceiling = ceiling_rate()
    row, version = _seen() or (None, "")
    now += _clock.ahead
    drawn = partial(
        draw, wanted=wanted, now=now, ceiling=ceiling, ahead_s=ahead_s, waiting_customer=waiting_customer
    )
    grant = drawn(row) if row else Grant(wanted)
    if not grant.count and not waiting_customer:
        return grant  # most looks of many checkers find nothing: those shall lock nothing
    if row is None or not _save_unless_changed(row, version):
        with transaction.atomic(durable=True):
            row = _row(now)
            grant = drawn(row)
            row.save()
    leave_at = tuple(at - _clock.ahead for at in grant.leave_at)
    return replace(grant, leave_at=leave_at, is_well=_is_well(row))


@transaction.atomic(durable=True)
def give_back(count: int, *, now: datetime) -> None:
    """Return calls that were taken and not made; a probe among them leaves its place to another."""
    if count > 0:
        now += _clock.ahead
        row = _row(now)
        row.tokens = min(row.tokens + count, burst(row.rate))
        if row.probing:
            row.probing, row.blocked_until = False, now
        row.save(update_fields=["tokens", "probing", "blocked_until"])


def wait_for_turn(*, until: float) -> bool:
    """Take one call for a waiting customer, before the background; False when `until` (monotonic) came first."""
    while True:
        grant = take(1, now=timezone.now(), waiting_customer=True)
        if grant.count:
            return True
        if time.monotonic() + grant.wait_s >= until:
            return False
        time.sleep(max(grant.wait_s, POLL_S))


def report(answers: Iterable[Answer], *, now: datetime, is_well: bool = False) -> None:
    """Learn from answers: a 429 halves the rate, failures in a row open the breaker, success heals.

    Who knows by a grant of this moment that all `is_well` need not look whether there is anything to heal.
    """
    told = Report.of(answers)
    if not (is_well and told.is_all_well):
        _learn_from(told, now=now)


def report_call(error: PhonePeError | None, *, now: datetime) -> None:
    """As `report`, of one pay or refund call that worked (None) or failed.

    These may be the breaker's probe: without their word it would stay half open until the next one.
    """
    cause = error.__cause__ if isinstance(error, OutcomeUnknown) else None
    known = cause if isinstance(cause, PhonePeError) else error
    _learn_from(Report.of_errors([known]), now=now)


def _learn_from(told: Report, *, now: datetime) -> None:
    seen = _seen()
    if told.is_all_well and (seen is None or _is_well(seen[0])):
        return  # the common case costs one read
    with transaction.atomic(durable=True):
        now += _clock.ahead
        row = _row(now)
        was_open = row.pause_s > 0
        if told.limited_asked_at:
            told = replace(told, limited_asked_at=told.limited_asked_at + _clock.ahead)
        learn(row, told, now=now, ceiling=ceiling_rate(), jitter=random.uniform(0.8, 1.2))
        row.save()
    if row.pause_s and not was_open:
        log.warning("gateway breaker opened", failures=row.failures, pause_s=round(row.pause_s, 1))
    elif was_open and not row.pause_s:
        log.info("gateway breaker closed")
    if told.limited:
        log.warning("gateway asked us to slow down", rate=row.rate, quiet_until=row.limited_until)


@dataclass(frozen=True, slots=True)
class Report:
    """What a batch of answers says of the gateway's health."""

    healthy: int = 0
    failed: int = 0
    limited: int = 0
    retry_after_s: float | None = None
    limited_asked_at: datetime | None = None  # when the last call that got a 429 was sent, if known

    @classmethod
    def of(cls, answers: Iterable[Answer]) -> Report:
        """What answers about orders say, with the moment at which the last refused call was sent."""
        told = list(answers)
        asked = [answer.asked_at for answer in told if isinstance(answer.error, RateLimited)]
        report = cls.of_errors(answer.error for answer in told)
        return replace(report, limited_asked_at=max(asked, default=None))

    @classmethod
    def of_errors(cls, errors: Iterable[PhonePeError | None]) -> Report:
        """What calls that worked (None) and errors say."""
        healthy = failed = limited = 0
        retry_after_s: float | None = None
        for error in errors:
            if isinstance(error, RateLimited):
                limited += 1
                retry_after_s = max(retry_after_s or 0, error.retry_after or 0) or None
            elif isinstance(error, (Unavailable, OutcomeUnknown)):
                failed += 1
            elif not isinstance(error, (Misconfigured, Malformed)):
                healthy += 1  # a refusal is an answer of a gateway that works
        return cls(healthy, failed, limited, retry_after_s)

    @property
    def is_all_well(self) -> bool:
        """No call failed and none met the limit; also true of a report of nothing."""
        return not self.failed and not self.limited


def burst(rate: float) -> float:
    """How many calls may be made at once after a quiet moment."""
    return max(1.0, rate * BURST_S)


def draw(
    row: GatewayThrottle,
    wanted: int,
    *,
    now: datetime,
    ceiling: float,
    ahead_s: float = 0.0,
    waiting_customer: bool = False,
) -> Grant:
    """Refill the bucket and take from it; what is taken ahead is owed. Changes `row`; the caller saves it."""
    row.rate = min(row.rate, ceiling)
    _forget_the_future(row, now)
    elapsed = max(0.0, (now - row.refilled_at).total_seconds())
    row.tokens = min(burst(row.rate), row.tokens + elapsed * row.rate)
    row.refilled_at = max(now, row.refilled_at)  # a clock that runs behind refills nothing twice
    until = max(row.limited_until or now, row.blocked_until or now)
    if until > now:
        return Grant(0, (until - now).total_seconds())
    if row.pause_s:
        row.probing, row.blocked_until = True, now + timedelta(seconds=PROBE_S)
        return Grant(1, leave_at=(now,))  # half open: one probe, and nobody else until its answer
    if not waiting_customer and (for_customers_s := _for_customers_s(row, now)):
        return Grant(0, min(for_customers_s, SHARED * SHARED_EVERY_S / 4))
    count = max(0, min(wanted, int(row.tokens + ahead_s * row.rate)))
    if count:
        there = max(0, min(count, int(row.tokens)))
        ahead = [now + timedelta(seconds=_until(row, nth)) for nth in range(there + 1, count + 1)]
        row.tokens -= count
        return Grant(count, leave_at=(now,) * there + tuple(ahead))
    wait_s = _until(row, 1)
    if waiting_customer:
        row.priority_until = now + timedelta(seconds=max(PRIORITY_S, wait_s + PRIORITY_S / 2))
        return Grant(0, wait_s)
    return Grant(0, max(POLL_S, wait_s - ahead_s))


def _for_customers_s(row: GatewayThrottle, now: datetime) -> float:
    """For how many seconds the background makes way for customers who wait.

    Not without end: in a crowd somebody always waits, and who has closed the tab has paid too.
    """
    every_s = max(SHARED_EVERY_S, 2 * SHARED_EVERY_S / row.rate)  # time for some calls at the lowest rates
    is_shared = now.timestamp() % every_s >= (1 - SHARED) * every_s
    if row.priority_until is None or is_shared:
        return 0.0
    return max(0.0, (row.priority_until - now).total_seconds())


def _forget_the_future(row: GatewayThrottle, now: datetime) -> None:
    """What was written before PostgreSQL's clock was set back by an hour shall not stop everybody for an hour."""
    latest = now + schedule.CLOCK
    row.refilled_at = now if row.refilled_at > latest else row.refilled_at
    if row.priority_until and row.priority_until > latest:
        row.priority_until = None
    if row.blocked_until and row.blocked_until > latest + timedelta(seconds=2 * PAUSE_S[1]):
        row.blocked_until = None


def _until(row: GatewayThrottle, tokens: int) -> float:
    """How long it takes, in seconds, until the bucket holds so many calls."""
    return max(0.0, (tokens - row.tokens) / row.rate)


def learn(row: GatewayThrottle, told: Report, *, now: datetime, ceiling: float, jitter: float) -> None:
    """Adapt rate and breaker to a report. Changes `row`; the caller saves it."""
    is_quiet = row.limited_until is not None and row.limited_until > now
    if told.limited:
        _slow_down(row, told, now=now)
    elif told.healthy and not is_quiet:
        elapsed_s = min(1.0, max(0.0, (now - row.adapted_at).total_seconds()))
        row.rate = faster(row, elapsed_s, ceiling=ceiling)
    row.adapted_at = now
    if told.healthy or told.limited:
        if row.pause_s:
            row.blocked_until = None
        row.failures, row.pause_s, row.probing = 0, 0, False
    elif told.failed:
        _count_failures(row, told.failed, now=now, jitter=jitter)


def _slow_down(row: GatewayThrottle, told: Report, *, now: datetime) -> None:
    """Be quiet for a while, then go on at half the rate. A call sent before the quiet began halves nothing again."""
    sent_at = told.limited_asked_at or now
    if row.limited_until is None or sent_at >= row.limited_until:
        row.refused_rate = _mark(row, sent_at)
        row.rate = max(MIN_RATE, min(row.rate, row.refused_rate) / 2)
    pause = timedelta(seconds=told.retry_after_s or LIMITED_PAUSE_S)
    row.limited_until = max(row.limited_until or now, now + pause)
    row.tokens = 0


def _mark(row: GatewayThrottle, sent_at: datetime) -> float:
    """The rate that the gateway refused; `faster` settles a little below it.

    After a long calm it is chance, as when some calls were held up and came together, and the mark stays. Of a call
    sent within a second after a pause it says more: the gateway's second was empty then, and so few calls filled it.
    """
    if row.limited_until is None:
        return row.rate
    since_s = (sent_at - row.limited_until).total_seconds()
    if since_s > CALM_S:
        return max(row.rate, row.refused_rate)
    return row.rate * min(1.0, max(LEAST_MARK, since_s))


def faster(row: GatewayThrottle, elapsed_s: float, *, ceiling: float) -> float:
    """The rate after that much more success."""
    settled = min(ceiling, SETTLED * row.refused_rate) if row.refused_rate else ceiling
    if row.rate < settled:
        return min(settled, row.rate + elapsed_s * settled / RECOVERY_S)
    step = max(settled / FEEL_S, (row.rate - settled) / FASTER_S)
    return min(ceiling, row.rate + elapsed_s * step)


def _count_failures(row: GatewayThrottle, failed: int, *, now: datetime, jitter: float) -> None:
    row.failures += failed
    # Calls that were under way when the breaker opened fail too; only a failed probe lengthens the pause.
    if row.failures >= BREAKER_AFTER and (row.probing or not row.pause_s):
        shortest, longest = PAUSE_S
        row.pause_s = min(longest, max(shortest, row.pause_s * 2))
        row.probing, row.blocked_until = False, now + timedelta(seconds=row.pause_s * jitter)


def _seen() -> tuple[GatewayThrottle, str] | None:
    """The row as it is, not locked, and its version. Compares the clocks."""
    with connection.cursor() as cursor:
        before = timezone.now()
        cursor.execute(SEEN)
        found = cursor.fetchone()
    if found is None:
        _clock.ahead = NONE  # what was seen before is of another row
        return None
    *fields, version, theirs = found
    _clock.compare(theirs, before=before, after=timezone.now())
    return GatewayThrottle.from_db(connection.alias, FIELDS, fields), version


def _save_unless_changed(row: GatewayThrottle, version: str) -> bool:
    """Write what `draw` has changed in a row that was seen in that version; False when somebody wrote it since."""
    with durable.one_statement(), connection.cursor() as cursor:
        cursor.execute(DRAWN, {name: getattr(row, name) for name in FIELDS} | {"version": version})
        return bool(cursor.rowcount)


def _row(now: datetime) -> GatewayThrottle:
    """The one row, locked; the caller holds the transaction."""
    start = {"rate": ceiling_rate(), "refilled_at": now, "adapted_at": now}
    row, _ = GatewayThrottle.objects.select_for_update(of=("self",), no_key=True).get_or_create(
        pk=1, defaults=start
    )
    return row


def _is_well(row: GatewayThrottle) -> bool:
    """Whether success has nothing to heal."""
    return not row.failures and not row.pause_s and row.rate >= ceiling_rate()


def ceiling_rate() -> float:
    """What was agreed with PhonePe, calls per second."""
    return float(settings.PHONEPE_MAX_RPS)
