"""Ask PhonePe about orders and settle them by the answer. There is no other road to a completed payment."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextvars import copy_context
from datetime import datetime, timedelta
from functools import partial

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError, close_old_connections, transaction
from django.db.models import Q
from django.utils import timezone

from payments import claims, contained, fulfilment, gateway, holds, schedule, throttle, transitions
from payments.answers import Answer
from payments.errors import NotFound, TooManyRequests
from payments.models import PaymentEvent, PaymentOrder
from payments.states import COMPLETED, FAILED, Attention, Fulfilment, Source, Status
from payments.transitions import Verdict
from phonepe_pg import Malformed, RateLimited, Unavailable

log = structlog.get_logger(__name__)

POLL_S = 0.05
BY_HAND_GAP_S = 3.0
TURN_S = 60.0
FLIGHTS = 16  # at once, of a process
MISMATCH_AGAIN = timedelta(hours=1)
# PostgreSQL's errors: lost, cut off or read-only after a failover, in conflict, short of something, locked, stopped.
PASSING = ("08", "25006", "25P03", "25P04", "40", "53", "55", "57")
IN_DOUBT = (Attention.STILL_PENDING, Attention.UNSETTLED)  # which the next good answer ends
_pool = ThreadPoolExecutor(FLIGHTS, thread_name_prefix="verify")


def settle(order_id: int, answer: Answer, *, source: Source, now: datetime) -> PaymentOrder:
    """Hand PhonePe's answer to the order: record it, make the moves it asks for, fulfil, say when to look again.

    Safe to repeat and to race: the row lock puts callers in line, and whoever comes second finds the move made.
    Raises what the moves raised: then the answer is recorded by itself, and the order is before a person.
    """
    try:
        return fulfilment.anew(partial(_settle, order_id, answer, source=source, now=now), claimed=order_id)
    except Exception as bug:
        if not _will_pass(bug):
            _set_aside(order_id, answer, bug, source=source, now=now)
        raise


def _will_pass(bug: Exception) -> bool:
    """Whether it is the database's own trouble: a lost connection, a conflict, a shortage, a lock, a time-out."""
    sqlstate = getattr(bug.__cause__, "sqlstate", None)
    is_lost = isinstance(bug, (OperationalError, InterfaceError)) and not sqlstate
    return is_lost or (sqlstate or "").startswith(PASSING)


@transaction.atomic(durable=True)
def _set_aside(order_id: int, answer: Answer, bug: Exception, *, source: Source, now: datetime) -> None:
    """Keep an answer that could not be settled, and let a person look while it goes on being asked."""
    order = transitions.lock(order_id)

    def keep() -> None:
        with transaction.atomic():
            transitions.record_answer(order, answer, source=source, now=now)

    # It may be the answer itself that cannot be stored.
    contained.attempt("an answer could not be recorded", keep, order=order.merchant_order_id)
    order.leased_until, order.crash_count = None, 0
    order.next_check_at = next_rung(order, now=now) or now + schedule.LATE_EVERY
    order.save(update_fields=["leased_until", "crash_count", "next_check_at"])
    reason = f"PhonePe's answer could not be settled ({type(bug).__name__}); the log says why."
    if not order.attention:
        transitions.set_attention(order, Attention.UNSETTLED, source=source, now=now, reason=reason)


@transaction.atomic(durable=True)
def _settle(
    order_id: int, answer: Answer, *, source: Source, now: datetime, undelivered: Exception | None
) -> PaymentOrder:
    order = transitions.lock(order_id)
    came_from, took_money = order.status, order.gateway_state == COMPLETED
    transitions.record_answer(order, answer, source=source, now=now)
    verdict = transitions.judge(order, answer, now=now)
    for status in verdict.moves:
        transitions.move(order, status, source=source, now=now, status=answer.status)
    if verdict.attention:
        transitions.set_attention(order, verdict.attention, source=source, now=now, **answer.evidence())
    next_check = _next_check(order, answer, verdict, came_from=came_from, now=now)
    if order.status == Status.SUCCESS and not took_money:  # it was of another order, and ours is paid
        transitions.withdraw(order, Attention.ORDER_ID_MISMATCH, source=source, now=now)
    if order.attention == Attention.UNSETTLED and answer.is_answer:
        transitions.set_attention(order, Attention.NONE, source=source, now=now)
    in_vain = _is_watched_in_vain(order, answer, next_check, now=now)
    if order.status == Status.SUCCESS or answer.is_dead or (answer.status and not in_vain):
        transitions.withdraw(order, Attention.STILL_PENDING, source=source, now=now)
    elif in_vain and not _has_spoken(order, answer):
        transitions.set_attention(order, Attention.STILL_PENDING, source=source, now=now)
    transitions.set_next_check(order, next_check, answer=answer, now=now)
    holds.end_if_spoken(order, answer, source=source, now=now)
    deliver_if_due(order, undelivered, source=source, now=now)
    return order


def deliver_if_due(
    order: PaymentOrder, undelivered: Exception | None, *, source: Source, now: datetime
) -> None:
    """Let the shop deliver what is due, or note that it was `undelivered` a moment ago."""
    if order.fulfilment == Fulfilment.DUE and undelivered:
        fulfilment.try_again_later(order, undelivered, source=source, now=now)
    elif order.fulfilment == Fulfilment.DUE:
        fulfilment.deliver(order, source=source, now=now)


def changes_nothing(order: PaymentOrder, answer: Answer, *, now: datetime) -> claims.Waiting | None:
    """The write-back of an answer that asks for no move, cheaper than `settle`; None when settle is needed."""
    verdict = transitions.judge(order, answer, now=now)
    next_check = _next_check(order, answer, verdict, came_from=order.status, now=now)
    if verdict != Verdict() or order.fulfilment or next_check is None or holds.ends(order, answer):
        return None
    is_in_doubt = order.attention in IN_DOUBT or order.handled == Attention.STILL_PENDING
    if is_in_doubt or _is_watched_in_vain(order, answer, next_check, now=now):
        return None
    return claims.Waiting(order, answer, order.noticed_by, next_check)


def fulfil_again(order_id: int, *, now: datetime) -> PaymentOrder:
    """Try the shop's fulfilment of a paid order once more. Safe to repeat; PhonePe is not asked again.

    Ends the claim on any paid order, also on one that was delivered while it was being claimed.
    """
    return fulfilment.anew(partial(_fulfil_again, order_id, now=now), claimed=order_id)


@transaction.atomic(durable=True)
def _fulfil_again(order_id: int, *, now: datetime, undelivered: Exception | None) -> PaymentOrder:
    order = transitions.lock(order_id)
    if order.status == Status.SUCCESS:
        order.leased_until, order.next_check_at, order.crash_count = None, None, 0
        order.save(update_fields=["leased_until", "next_check_at", "crash_count"])
    deliver_if_due(order, undelivered, source=Source.CHECKER, now=now)
    return order


def verify(order: PaymentOrder, *, source: Source, within_s: float, not_before_s: float = 0) -> PaymentOrder:
    """Ask PhonePe about one order now and return the order as it then stands, after `within_s` at the latest.

    Single flight: whoever finds somebody else asking waits for that answer. An order that was asked about
    less than `not_before_s` ago is not asked about again. When PhonePe is slow, the answer is settled in
    the background all the same; when it may not be asked at all, the order comes back as it was.
    """
    until = time.monotonic() + within_s
    now = timezone.now()
    if order.status == Status.SUCCESS and not _may_be_delivered(order, source, now=now):
        return order
    not_asked_since = now - timedelta(seconds=not_before_s)
    if order.asked_at and not_asked_since <= order.asked_at <= now + schedule.CLOCK:
        return order
    claimed = claims.claim_one(order.pk, now=now, not_asked_since=not_asked_since)
    if claimed is None:
        return _wait_for_other(order, until=until)
    if claimed.status != Status.SUCCESS and not throttle.wait_for_turn(until=until):
        claims.release([claimed], until=now)
        return PaymentOrder.objects.get(pk=order.pk)
    # In a copy of the context, so that what is logged there names the request as well.
    flight = _pool.submit(copy_context().run, _ask_and_settle, claimed, source)
    return _land(flight, order, until=until)


def _may_be_delivered(order: PaymentOrder, source: Source, *, now: datetime) -> bool:
    """Whether a paid order wants delivery and this is its time: each try that raises puts the next one further off,
    so a customer who reloads a page must not use them up."""
    is_time = not order.fulfil_attempts or order.next_check_at is None or order.next_check_at <= now
    return order.fulfilment == Fulfilment.DUE and (is_time or source == Source.MANUAL)


def find(merchant_order_id: str) -> PaymentOrder | None:
    """The order of this id, or None."""
    return PaymentOrder.objects.named(merchant_order_id).first()


def verify_by_hand(merchant_order_id: str, *, within_s: float, at_once: bool = False) -> PaymentOrder:
    """As `verify`, for a person or program that names the order; `at_once` also delivers before its time.

    Raises NotFound, or TooManyRequests when the same order was verified by hand within the last seconds
    and may still change.
    """
    now = timezone.now()
    order = find(merchant_order_id)
    if order is None:
        raise NotFound("There is no such order.")
    if order.status == Status.SUCCESS:
        return verify(order, source=Source.MANUAL if at_once else Source.STATUS, within_s=within_s)
    gap = timedelta(seconds=BY_HAND_GAP_S)
    lately = Q(verify_requested_at__gt=now - gap, verify_requested_at__lte=now + schedule.CLOCK)
    rested = Q(verify_requested_at__isnull=True) | ~lately
    if not PaymentOrder.objects.filter(rested, pk=order.pk).update(verify_requested_at=now):
        last = order.verify_requested_at or now
        raise TooManyRequests(
            "This order was verified a moment ago. Please wait a little.",
            retry_after_s=max(1.0, (last + gap - now).total_seconds()),
        )
    return verify(order, source=Source.MANUAL, within_s=within_s)


def ask_in_turn(merchant_order_id: str) -> Answer:
    """Ask PhonePe when it is the background's turn, for a program that looks at orders one after the other.

    Settles nothing. When no call was allowed for a minute, the answer is an Unavailable that was not sent.
    """
    until = time.monotonic() + TURN_S
    while not (grant := throttle.take(1, now=timezone.now(), ahead_s=throttle.AHEAD_S)).count:
        if time.monotonic() + grant.wait_s >= until:
            why = Unavailable(f"No call was allowed within {TURN_S:g} s.", sent=False)
            return Answer(asked_at=timezone.now(), took_ms=0, error=why)
        time.sleep(max(grant.wait_s, throttle.POLL_S))
    time.sleep(max(0.0, (grant.leave_at[0] - timezone.now()).total_seconds()))
    answer = gateway.ask(merchant_order_id)
    throttle.report([answer], now=timezone.now())
    return answer


def _land(flight: Future[PaymentOrder], order: PaymentOrder, *, until: float) -> PaymentOrder:
    close_old_connections()  # who waits holds no pooled connection: the flight needs one
    try:
        return flight.result(max(0, until - time.monotonic()))
    except FutureTimeoutError:
        if flight.done():
            return flight.result()  # or what it raised, be that a time-out of its own
        flight.add_done_callback(partial(_log_crash, order))
        return PaymentOrder.objects.get(pk=order.pk)


def _log_crash(order: PaymentOrder, flight: Future[PaymentOrder]) -> None:
    """Whoever waited has gone, and nobody else would hear of it."""
    if bug := flight.exception():
        log.error("an order could not be settled", order=order.merchant_order_id, exc_info=bug)


def _ask_and_settle(order: PaymentOrder, source: Source) -> PaymentOrder:
    """One flight, in a thread of its own, so that a request may stop waiting without losing the answer."""
    close_old_connections()
    try:
        if order.status == Status.SUCCESS:
            return fulfil_again(order.pk, now=timezone.now())
        if order.leased_until and order.leased_until <= timezone.now():
            # It waited for a thread until its claim was over: others may be asking, and its call's turn is past.
            return PaymentOrder.objects.get(pk=order.pk)
        answer = gateway.ask(order.merchant_order_id)
        settled = settle(order.pk, answer, source=source, now=timezone.now())
        throttle.report([answer], now=timezone.now())
        return settled
    finally:
        close_old_connections()


def _wait_for_other(order: PaymentOrder, *, until: float) -> PaymentOrder:
    """Look at the row until its holder has put it back or `until` (monotonic) has come."""
    while True:
        current = PaymentOrder.objects.get(pk=order.pk)
        if not current.is_claimed(timezone.now()) or time.monotonic() + POLL_S >= until:
            return current
        close_old_connections()
        time.sleep(POLL_S)


def _next_check(
    order: PaymentOrder, answer: Answer, verdict: Verdict, *, came_from: str, now: datetime
) -> datetime | None:
    """When to look at the order again, given its status after the verdict's moves; None: not any more."""
    status = verdict.moves[-1] if verdict.moves else order.status
    if status == Status.SUCCESS:
        return None
    if order.nudged_by and not answer.is_answer:
        # Somebody had a reason to hurry; it stands until there is an answer, and the next rung may be an hour off.
        soon = now + schedule.UNANSWERED_AGAIN
        return min(next_rung(order, now=now) or soon, soon)
    is_dead = answer.is_dead and not verdict.attention  # else it is another order that is
    if status == Status.FAILED and (is_dead or not answer.is_answer):
        looked_again = came_from == Status.FAILED and is_dead
        return _look_at_failed(order, now=now) if looked_again else now + schedule.FAILED_AGAIN
    if verdict.attention and not answer.is_dead:
        return now + MISMATCH_AGAIN if now < _end_of_watch(order) else None
    if status == Status.CANCELLED and is_dead and now > order.expires_at + schedule.GRACE:
        return None
    due = next_rung(order, now=now)
    # A watch ends with an answer: what nobody could be asked about may have been paid.
    return due if due or answer.is_answer else now + schedule.LATE_EVERY


def _look_at_failed(order: PaymentOrder, *, now: datetime) -> datetime | None:
    """The next look at an order that stays FAILED: some minutes after it failed, and after its expiry.

    Counted from the failure, since webhook and return page make us ask again within seconds of it.
    """
    moved = order.events.filter(kind=PaymentEvent.Kind.MOVED, to_status=Status.FAILED)
    failed_at = moved.values_list("at", flat=True).first() or order.created_at
    soon = failed_at + schedule.FAILED_AGAIN
    looks = (soon, max(soon, order.expires_at + schedule.GRACE))
    return next((look for look in looks if look > now), None)


def _is_watched_in_vain(
    order: PaymentOrder, answer: Answer, next_check: datetime | None, *, now: datetime
) -> bool:
    """Whether the watch is over and PhonePe's last word is PENDING, or an answer that is of no use.

    One that cannot be read, or a word never heard of, may say that money came, so it is not waited for as long.
    That PhonePe cannot be reached just now is no word about the order.
    """
    if answer.status:
        is_unread = answer.status.strange and now >= order.expires_at + schedule.UNREADABLE_FOR
        return answer.status.pending and (next_check is None or is_unread)
    if isinstance(answer.error, Malformed):
        last_read_at = order.answered_at or order.created_at
        return now >= max(order.expires_at, last_read_at) + schedule.UNREADABLE_FOR
    is_silent = isinstance(answer.error, (Unavailable, RateLimited))
    return not answer.is_answer and not is_silent and now >= _end_of_watch(order)


def _has_spoken(order: PaymentOrder, answer: Answer) -> bool:
    """Whether PhonePe has said before what an answer of no use leaves as it is."""
    told = order.gateway_state in (COMPLETED, FAILED) or order.attention not in ("", Attention.STILL_PENDING)
    return answer.status is None and told


def _end_of_watch(order: PaymentOrder) -> datetime:
    return order.expires_at + timedelta(hours=settings.LATE_WATCH_HOURS)


def next_rung(order: PaymentOrder, *, now: datetime) -> datetime | None:
    """The next instant of the order's ladder; None when its late watch is over."""
    return schedule.next_check(
        created_at=order.created_at,
        expires_at=order.expires_at,
        now=now,
        spread=schedule.spread_of(order.pk),
        late_watch=timedelta(hours=settings.LATE_WATCH_HOURS),
    )
