"""Give money back: record first, ask PhonePe once, and when in doubt ask what became of it."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial

import structlog
from django.db import transaction
from django.db.models import Sum
from django.utils import timezone
from procrastinate.contrib.django import app as jobs
from procrastinate.exceptions import AlreadyEnqueued

from payments import gateway, shop, throttle, transitions
from payments.answers import masked, trouble
from payments.errors import NotRefundable
from payments.models import PaymentEvent, PaymentOrder, Refund
from payments.shop import LOWEST_PAISE
from payments.states import REFUND_OPEN, Attention, News, RefundState, Source, Status
from phonepe_pg import (
    Misconfigured,
    OutcomeUnknown,
    PhonePeError,
    RefundRequest,
    RefundStatus,
    Rejected,
    UnknownRefund,
)

log = structlog.get_logger(__name__)

AGAIN_S = (2, 5, 15, 60, 300, 1800, 3600)  # how long PhonePe takes is not documented (wire reference §5.2)
UNANSWERED_AT_MOST = 4  # who heard nothing asks again within a minute, however late on the ladder
REFUSAL_STANDS_AFTER = timedelta(minutes=10)  # what was sent before that has arrived or never will
STUCK_AFTER = timedelta(days=7)
UNMENDED_AFTER = timedelta(minutes=10)  # keys, address or rights are wrong: a person mends that, or nobody
UNSENT_AFTER = timedelta(hours=6)  # PhonePe has not taken it in: an outage, or it never will
OF_A_REFUND = (Attention.REFUND_FAILED, Attention.REFUND_STUCK)
ENDED_BY_A_REFUND = (Attention.UNFULFILLABLE, Attention.REFUND_FAILED)
MONEY_IS_OUT = (Attention.REFUND_FAILED, Attention.REFUND_STUCK, Attention.UNFULFILLABLE)
TURN_S = 10.0
PURSUE = "payments.pursue_refund"
HURRIED = 1  # else a look that is planned for later, being the older one under the same lock, comes first


def left_to_refund(order: PaymentOrder) -> int:
    """Paise of a paid order that were neither given back nor are on their way."""
    if order.status != Status.SUCCESS:
        return 0
    given = order.refunds.exclude(state=RefundState.FAILED).aggregate(sum=Sum("amount"))["sum"]
    return order.amount - (given or 0)


@transaction.atomic(durable=True)
def request(
    merchant_order_id: str,
    *,
    amount_paise: int | None,
    reason: str,
    requested_by: str,
    now: datetime,
    idempotency_key: str = "",
) -> Refund:
    """Start a refund by a person: of `amount_paise`, or of all that is left.

    A request that is repeated with its `idempotency_key` (at most 64 characters) gets the refund that it has
    started, whatever became of that. What waited for the refund needs nobody once all the money is on its way.
    Raises NotFound, or NotRefundable when that much is not left, another refund is under way, or the key is that
    of another sum.
    """
    order = transitions.lock_named(merchant_order_id)
    made = order.refunds.filter(idempotency_key=idempotency_key).first() if idempotency_key else None
    if made is not None:
        if amount_paise not in (None, made.amount):
            raise NotRefundable("This idempotency key was used for a refund of another sum.")
        return made
    made = open_refund(
        order,
        amount_paise=amount_paise,
        reason=reason,
        requested_by=requested_by,
        now=now,
        idempotency_key=idempotency_key,
    )
    if order.attention in ENDED_BY_A_REFUND and left_to_refund(order) == 0:
        settled = {"settled": order.attention, "by": requested_by}
        how = f"Refund {made.merchant_refund_id} was asked for."
        transitions.set_attention(order, Attention.NONE, source=Source.MANUAL, now=now, **settled, reason=how)
    return made


def open_refund(
    order: PaymentOrder,
    *,
    amount_paise: int | None,
    reason: str,
    requested_by: str,
    now: datetime,
    idempotency_key: str = "",
) -> Refund:
    """Record a refund and the job that pursues it. The caller holds the transaction and the order's lock.

    Raises NotRefundable as `request` does, and TypeError when `amount_paise` is neither a whole int nor None.
    """
    if amount_paise is not None and type(amount_paise) is not int:
        raise TypeError(f"amount_paise must be a whole int, not {type(amount_paise).__name__}.")
    left = left_to_refund(order)
    amount = left if amount_paise is None else amount_paise
    if order.refunds.filter(state__in=REFUND_OPEN).exists():
        raise NotRefundable(
            "Another refund of this order is still under way. Wait until PhonePe has finished it."
        )
    if order.status != Status.SUCCESS:
        raise NotRefundable("This order has not been paid: there is nothing to give back.")
    if not 0 < amount <= left:
        raise NotRefundable(f"This order has {left} paise left to refund; {amount} paise were asked for.")
    if amount < LOWEST_PAISE and amount != left:  # wire reference §10, row 5
        raise NotRefundable(f"PhonePe gives back {LOWEST_PAISE} paise or more, or all that is left.")
    if order.handled in OF_A_REFUND:  # a new refund is a new matter
        order.handled = Attention.NONE
        order.save(update_fields=["handled"])
    refund = Refund.objects.create(
        order=order,
        amount=amount,
        reason=masked(reason)[:200],
        requested_by=requested_by[:150],
        idempotency_key=idempotency_key,
        created_at=now,
    )
    _record(refund, now=now, state=refund.state, reason=reason, requested_by=requested_by)
    shop.tell(News.REFUND_STARTED, order, refund=refund)
    pursue_soon(refund, attempt=0)
    return refund


def pursue_soon(refund: Refund, *, attempt: int) -> None:
    """Defer a look at a refund in the running transaction: now (`attempt` 0), or later and later."""
    if attempt == 0:
        hurried = jobs.configure_task(PURSUE, lock=f"refund-{refund.pk}", priority=HURRIED)
        hurried.defer(refund_id=refund.pk, attempt=attempt)
        return
    pause = AGAIN_S[min(attempt, len(AGAIN_S)) - 1]
    later = jobs.configure_task(
        PURSUE,
        lock=f"refund-{refund.pk}",
        queueing_lock=f"refund-{refund.pk}",
        schedule_in={"seconds": pause},
    )
    # A refund hurried by webhooks keeps its one place in the queue.
    with suppress(AlreadyEnqueued), transaction.atomic():
        later.defer(refund_id=refund.pk, attempt=attempt)


def pursue(refund_id: int, *, attempt: int) -> None:
    """Bring a refund one step on: send it, or ask what became of it, and come back until it is final.

    Safe to repeat. A call whose outcome is unknown is followed by a question, never by a repeat; only
    when PhonePe does not know the refund is it sent again, with the same id (wire reference §5.2).
    """
    refund = Refund.objects.select_related("order").get(pk=refund_id)
    if refund.state not in REFUND_OPEN:
        return
    if not _has_turn():
        _settle(refund, None, attempt=attempt, now=timezone.now())
        return
    outcome: RefundStatus | PhonePeError
    try:
        outcome = _send_or_ask(refund)
    except PhonePeError as error:
        outcome = error
    _settle(refund, outcome, attempt=attempt, now=timezone.now())
    throttle.report_call(outcome if isinstance(outcome, PhonePeError) else None, now=timezone.now())


def _has_turn() -> bool:
    """Wait for a call within the limit of all processes; each of a refund's calls needs one."""
    return throttle.wait_for_turn(until=time.monotonic() + TURN_S)


class _Refused(Rejected):
    """PhonePe refused the refund and knows none of this id: there is and will be no such refund."""


def _send_or_ask(refund: Refund) -> RefundStatus:
    """Raises _Refused when the refund is certainly not made, else whatever left its outcome open."""
    unsent = Refund.objects.filter(pk=refund.pk, sent_at__isnull=True)
    if unsent.update(sent_at=timezone.now()):  # committed: whoever comes next, or after a crash, asks first
        return _send(refund, is_first=True)
    try:
        return gateway.refund_status(refund.merchant_refund_id)
    except UnknownRefund:
        if refund.state != RefundState.DUE or not _has_turn():
            raise
    return _send(refund, is_first=False)


def _send(refund: Refund, *, is_first: bool) -> RefundStatus:
    try:
        return gateway.refund(
            RefundRequest(
                merchant_refund_id=refund.merchant_refund_id,
                original_merchant_order_id=refund.order.merchant_order_id,
                amount_paise=refund.amount,
            )
        )
    except (Rejected, Misconfigured, OutcomeUnknown) as refusal:
        # Refused, or another call of ours arrived first and this one collided with it (wire reference §5.2).
        if not _is_refusal(refusal) or not _has_turn():
            raise
        return _status_after(refusal, refund, is_first=is_first)


def _is_refusal(error: PhonePeError) -> bool:
    """Whether PhonePe said no to the refund (§7.2): also by 403, or as if there were one of this id (§3.4)."""
    if isinstance(error, OutcomeUnknown):
        return isinstance(error.__cause__, Rejected)
    return isinstance(error, Rejected) or error.http_status == 403


def _status_after(refusal: PhonePeError, refund: Refund, *, is_first: bool) -> RefundStatus:
    try:
        return gateway.refund_status(refund.merchant_refund_id)
    except UnknownRefund as unknown:
        is_old = refund.sent_at is not None and timezone.now() > refund.sent_at + REFUSAL_STANDS_AFTER
        is_clear = is_first and not isinstance(refusal, OutcomeUnknown)
        if not (is_clear or is_old):
            raise refusal from unknown  # an earlier call may still be on its way into PhonePe's books
    raise _Refused(
        str(refusal), http_status=refusal.http_status, code=refusal.code, body=refusal.body
    ) from refusal


@transaction.atomic(durable=True)
def _settle(
    refund: Refund, outcome: RefundStatus | PhonePeError | None, *, attempt: int, now: datetime
) -> None:
    order = transitions.lock(refund.order_id)
    refund.refresh_from_db()
    if refund.state not in REFUND_OPEN:
        return
    is_of_another = isinstance(outcome, RefundStatus) and _contradicts(refund, outcome)
    if isinstance(outcome, RefundStatus):
        _apply(refund, outcome, is_of_another=is_of_another, now=now)
    elif outcome is not None:
        if isinstance(outcome, _Refused):
            refund.state, refund.error_code = RefundState.FAILED, outcome.code[:64]
        name = type(outcome).__name__.lstrip("_")
        _record(refund, now=now, state=refund.state, error=name, **trouble(outcome))
    refund.save(update_fields=["state", "error_code", "gateway_refund_id", "completed_at"])
    _conclude(order, refund, outcome, attempt=attempt, is_of_another=is_of_another, now=now)


def _conclude(
    order: PaymentOrder,
    refund: Refund,
    outcome: RefundStatus | PhonePeError | None,
    *,
    attempt: int,
    is_of_another: bool,
    now: datetime,
) -> None:
    """What follows from a refund's state: the next look, or a person, or the customer hears of it."""
    attend = partial(
        transitions.set_attention, order, source=Source.CHECKER, now=now, refund=refund.merchant_refund_id
    )
    is_stuck = is_of_another or _is_late(refund, outcome, now=now)
    is_heard = isinstance(outcome, RefundStatus)
    if is_heard and not is_stuck:
        transitions.withdraw(
            order, Attention.REFUND_STUCK, source=Source.CHECKER, now=now, refund=refund.merchant_refund_id
        )
    if refund.state == RefundState.COMPLETED:
        shop.tell(News.REFUND_COMPLETED, order, refund=refund)
        if order.attention in MONEY_IS_OUT and left_to_refund(order) == 0:
            attend(Attention.NONE)
    elif refund.state == RefundState.FAILED:
        attend(Attention.REFUND_FAILED)
    else:
        if is_stuck:
            attend(Attention.REFUND_STUCK)
        pursue_soon(refund, attempt=attempt + 1 if is_heard else min(attempt + 1, UNANSWERED_AT_MOST))


def _is_late(refund: Refund, outcome: RefundStatus | PhonePeError | None, *, now: datetime) -> bool:
    """Whether an open refund has waited for longer than what stands in its way may last."""
    patience = STUCK_AFTER
    if refund.state == RefundState.DUE:
        patience = UNMENDED_AFTER if isinstance(outcome, Misconfigured) else UNSENT_AFTER
    return refund.state in REFUND_OPEN and now > refund.created_at + patience


def _contradicts(refund: Refund, status: RefundStatus) -> bool:
    """Whether an answer speaks of another sum or order than the refund's; it may name neither (wire reference §5)."""
    sum_differs = status.amount_paise not in (None, refund.amount)
    order_differs = status.original_merchant_order_id not in ("", refund.order.merchant_order_id)
    return sum_differs or order_differs


def _apply(refund: Refund, status: RefundStatus, *, is_of_another: bool, now: datetime) -> None:
    """Record what PhonePe says, and take it over unless it is not about this refund."""
    if is_of_another:
        _record(refund, now=now, state=refund.state, error="mismatch", body=masked(dict(status.raw)))
        return
    came_from = refund.state
    known = status.state in (RefundState.CONFIRMED, RefundState.COMPLETED, RefundState.FAILED)
    refund.state = RefundState(status.state) if known else RefundState.PENDING
    refund.gateway_refund_id = status.refund_id[:64]
    refund.error_code = (status.detailed_error_code or status.error_code)[:64]
    refund.completed_at = now if refund.state == RefundState.COMPLETED else None
    _record(refund, now=now, state=refund.state, body=masked(dict(status.raw)))
    if refund.state != came_from:
        log.info("refund moved", refund=refund.merchant_refund_id, was=came_from, state=refund.state)


def _record(refund: Refund, *, now: datetime, **detail: object) -> None:
    transitions.record(
        refund.order,
        PaymentEvent.Kind.REFUND,
        source="",
        now=now,
        refund=refund.merchant_refund_id,
        amount=refund.amount,
        **detail,
    )
