"""The only writer of `status`: which moves an answer of PhonePe asks for, and one function that makes a move.

Everything here but `judge` expects that the caller holds the transaction and the order's lock. `together`
makes the same moves for many orders at once, by `note_answer` and `set_status`, and writes them itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import transaction

from payments import asked, schedule, shop, wakeups
from payments.answers import Answer, masked
from payments.errors import IllegalMove, NotFound
from payments.models import PaymentEvent, PaymentOrder
from payments.states import MOVES, OPEN, Attention, Fulfilment, News, Source, Status
from phonepe_pg import CreatedOrder, OrderStatus

log = structlog.get_logger(__name__)

# PhonePe may not know yet an order whose creation is under way (wire reference §3.4, §4.4).
UNKNOWN_IS_FINAL_AFTER = timedelta(minutes=2)
AGAIN = (Attention.NONE, Attention.AUDIT, Attention.UNSETTLED)  # whatever a person has dealt with before
EXPIRED_CODES = ("ORDER_EXPIRED",)
NEWS = {Status.FAILED: News.PAYMENT_FAILED, Status.EXPIRED: News.PAYMENT_EXPIRED}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an answer asks for: moves in this order, or a person's attention, or neither."""

    moves: tuple[Status, ...] = ()
    attention: Attention = Attention.NONE


def judge(order: PaymentOrder, answer: Answer, *, now: datetime) -> Verdict:
    """Compare PhonePe's answer with our order. Pure: reads the two, changes nothing.

    Only the root `state` decides (wire reference §4.5); a state that we do not know is not terminal.
    """
    if answer.status is None:
        return _judge_no_status(order, answer, now=now)
    adopt = (Status.INITIATED,) if order.status == Status.PENDING else ()
    if answer.status.completed:
        return _judge_completed(order, answer.status, adopt)
    if order.status == Status.SUCCESS:
        return Verdict()
    # Whatever became of another order, ours is waited for, and ends by our own deadline.
    is_of_another = answer.status.failed and _names_another(order, answer.status)
    attention = Attention.ORDER_ID_MISMATCH if is_of_another else Attention.NONE
    if order.status not in OPEN:
        return Verdict((), attention)
    if answer.status.failed and not is_of_another:
        expired = answer.status.detailed_error_code in EXPIRED_CODES and now >= order.expires_at
        return Verdict((*adopt, Status.EXPIRED if expired else Status.FAILED))
    if now >= order.expires_at + schedule.GRACE:
        return Verdict((*adopt, Status.EXPIRED), attention)
    return Verdict(adopt, attention)


def _judge_completed(order: PaymentOrder, status: OrderStatus, adopt: tuple[Status, ...]) -> Verdict:
    if order.status == Status.SUCCESS:
        return Verdict()
    if status.amount_paise != order.amount:
        return Verdict(adopt, Attention.AMOUNT_MISMATCH)
    if order.gateway_order_id and (not status.order_id or _names_another(order, status)):
        return Verdict(adopt, Attention.ORDER_ID_MISMATCH)
    return Verdict((*adopt, Status.SUCCESS))


def _names_another(order: PaymentOrder, status: OrderStatus) -> bool:
    """Whether PhonePe's order id is known on both sides and is not the same (wire reference §4.5)."""
    return bool(order.gateway_order_id and status.order_id) and status.order_id[:64] != order.gateway_order_id


def _judge_no_status(order: PaymentOrder, answer: Answer, *, now: datetime) -> Verdict:
    if not answer.is_unknown_order:
        return Verdict()
    if order.status == Status.PENDING and now >= order.created_at + UNKNOWN_IS_FINAL_AFTER:
        return Verdict((Status.CANCELLED,))
    if order.status == Status.INITIATED and now >= order.expires_at + schedule.GRACE:
        return Verdict((Status.EXPIRED,))
    return Verdict()


def lock(order_id: int) -> PaymentOrder:
    """The order with its row locked until the caller's transaction ends."""
    return PaymentOrder.objects.select_for_update(of=("self",), no_key=True).get(pk=order_id)


def lock_named(merchant_order_id: str) -> PaymentOrder:
    """As `lock`, for a person or program that names the order. Raises NotFound."""
    found = PaymentOrder.objects.named(merchant_order_id).first()
    if found is None:
        raise NotFound("There is no such order.")
    return lock(found.pk)


def record(
    order: PaymentOrder, kind: PaymentEvent.Kind, *, source: Source | str, now: datetime, **detail: Any
) -> None:
    """Append a line to the order's audit trail; personal data is masked, whatever `detail` holds."""
    PaymentEvent.objects.create(order=order, at=now, kind=kind, source=source, detail=masked(detail))


def record_answer(order: PaymentOrder, answer: Answer, *, source: Source, now: datetime) -> None:
    """Keep what PhonePe said, before anything is made of it, and end the claim under which it was asked."""
    PaymentEvent.objects.create(
        order=order, at=now, kind=PaymentEvent.Kind.ANSWERED, source=source, detail=answer.evidence()
    )
    order.save(update_fields=note_answer(order, answer, now=now))


def note_answer(order: PaymentOrder, answer: Answer, *, now: datetime) -> list[str]:
    """Set the columns that an answer fills; their names. Saves nothing.

    An answer that was asked for before the one already known goes into the trail only.
    """
    order.asks += 1
    order.asked_after_ms = asked.log(order, answer)
    order.leased_until, order.crash_count = None, 0
    fields = ["asks", "asked_after_ms", "leased_until", "crash_count"]
    is_newest = order.asked_at is None or answer.asked_at >= order.asked_at
    if is_newest:
        order.asked_at = answer.asked_at
        fields.append("asked_at")
    if answer.is_answer:
        order.answered_at = now
        fields.append("answered_at")
    # Clocks of machines differ: that the money came is never outdated by when it was asked about.
    is_telling = is_newest and order.status != Status.SUCCESS
    if answer.status and (is_telling or answer.status.completed):
        order.gateway_state = answer.status.state[:32]
        fields.append("gateway_state")
    return fields


def move(
    order: PaymentOrder, to: Status, *, source: Source, now: datetime, status: OrderStatus | None = None
) -> None:
    """Move an order along `states.MOVES`: status, what belongs to it, the event, the notice. Raises IllegalMove."""
    came_from = Status(order.status)
    order.save(update_fields=set_status(order, to, source=source, now=now, status=status))
    PaymentEvent.objects.create(
        order=order, at=now, kind=PaymentEvent.Kind.MOVED, source=source, from_status=came_from, to_status=to
    )
    wakeups.notify(wakeups.CHANGED, order.cart_id)
    if to in NEWS:
        shop.tell(NEWS[to], order)
    log_move(order, came_from, source=source)


def log_move(order: PaymentOrder, came_from: Status, *, source: Source) -> None:
    """Say that a payment moved, once that is written."""
    facts = {"order": order.merchant_order_id, "was": came_from, "status": order.status, "source": source}

    def tell() -> None:
        log.info("payment moved", **facts)

    transaction.on_commit(tell, robust=True)


def set_status(
    order: PaymentOrder, to: Status, *, source: Source, now: datetime, status: OrderStatus | None = None
) -> list[str]:
    """Set the status and the columns that go with it; their names. Saves nothing.

    Raises IllegalMove for a way that is not in `states.MOVES`; the database would refuse it as well.
    """
    came_from = Status(order.status)
    if to not in MOVES[came_from]:
        raise IllegalMove(f"{order} cannot go from {came_from} to {to}.")
    order.status = to
    return ["status", *_consequences(order, to, source=source, now=now, status=status)]


def _consequences(
    order: PaymentOrder, to: Status, *, source: Source, now: datetime, status: OrderStatus | None
) -> list[str]:
    """Set the columns that go with a status; their names."""
    if to == Status.SUCCESS:
        paid = status.paid_attempt if status else None
        order.completed_at, order.completed_by = now, source
        order.fulfilment = Fulfilment.DUE
        order.failure_code = ""
        if paid:
            order.paid_at, order.utr, order.payment_mode = paid.at, paid.utr[:64], paid.payment_mode[:32]
        if status and not order.gateway_order_id:  # cancelled before PhonePe was known to have it
            order.gateway_order_id = status.order_id[:64]
        return [
            "completed_at", "completed_by", "fulfilment", "failure_code",
            "paid_at", "utr", "payment_mode", "gateway_order_id",
        ]  # fmt: skip
    if to == Status.INITIATED and status and not order.gateway_order_id:
        order.gateway_order_id = status.order_id[:64]
        return ["gateway_order_id"]
    if status and status.failed and not _names_another(order, status):
        order.failure_code = (status.detailed_error_code or status.error_code)[:64]
        return ["failure_code"]
    return []


def initiate(order: PaymentOrder, created: CreatedOrder, *, now: datetime) -> None:
    """PhonePe has the order and a page to pay on: PENDING → INITIATED, and the creator's claim ends."""
    order.gateway_order_id = created.order_id[:64]
    order.pay_page_url = created.redirect_url
    order.leased_until = None
    order.save(update_fields=["gateway_order_id", "pay_page_url", "leased_until"])
    record_created(order, created, now=now)
    move(order, Status.INITIATED, source=Source.CHECKOUT, now=now)


def record_created(order: PaymentOrder, created: CreatedOrder, *, now: datetime) -> None:
    """Keep PhonePe's answer to the pay call (wire reference §3.3), whatever became of the order meanwhile."""
    record(
        order,
        PaymentEvent.Kind.ANSWERED,
        source=Source.CHECKOUT,
        now=now,
        state=created.state,
        gateway_order_id=created.order_id,
        expire_at=created.expire_at.isoformat() if created.expire_at else None,
        body=dict(created.raw),
    )


def set_attention(
    order: PaymentOrder, why: Attention, *, source: Source | str, now: datetime, **detail: Any
) -> None:
    """Put the order before a person's eyes; once for the same reason, and not for what a person dealt with."""
    was_handled = why == order.handled and why not in AGAIN
    if why == order.attention or was_handled:
        return
    order.attention, order.attention_at = why, now
    order.save(update_fields=["attention", "attention_at"])
    record(order, PaymentEvent.Kind.ATTENTION, source=source, now=now, why=why, **detail)
    if why:
        log.error("payment needs attention", order=order.merchant_order_id, why=why)


def withdraw(order: PaymentOrder, why: Attention, *, source: Source, now: datetime, **detail: Any) -> None:
    """`why` needs nobody any more; should it come again, a person hears of that too."""
    if order.attention == why:
        set_attention(order, Attention.NONE, source=source, now=now, **detail)
    if order.handled == why:
        order.handled = Attention.NONE
        order.save(update_fields=["handled"])


def set_next_check(order: PaymentOrder, at: datetime | None, *, answer: Answer, now: datetime) -> None:
    """When the order is due again: `at`, or at once if it was hurried after `answer` had been asked for.

    Who hurried it is forgotten when there is an answer.
    """
    hurried = order.nudged_at is not None and order.nudged_at >= answer.asked_at
    if hurried and order.status != Status.SUCCESS:
        at, order.nudged_at = now, None  # once, however far ahead the clock was of whoever hurried it
    elif answer.is_answer:
        order.nudged_by = ""
    order.next_check_at = at
    order.save(update_fields=["next_check_at", "nudged_by", "nudged_at"])
