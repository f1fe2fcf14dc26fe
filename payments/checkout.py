"""Reference + amount → a PENDING row → an order at PhonePe → where to send the customer."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from payments import claims, completion, gateway, holds, shop, throttle, transitions, wakeups
from payments.answers import trouble
from payments.errors import AlreadyPaid, GatewayUnavailable, NotPayable
from payments.models import PaymentEvent, PaymentOrder, WebhookDelivery
from payments.shop import Payable
from payments.states import COMPLETED, Attention, Source, Status
from phonepe_pg import CreatedOrder, OutcomeUnknown, PaymentRequest, PhonePeError, RateLimited, Unavailable

log = structlog.get_logger(__name__)

TURN_S = 3.0  # how long a customer waits for a place among the calls
SETTLE_S = 10.0  # how long for the word about an earlier attempt
ALREADY_PAID = "This has been paid for already."
IN_DOUBT = (
    "PhonePe has not told us yet whether your earlier payment went through. Our team is checking it and will write"
    " to you: please do not pay again until then."
)
UNAVAILABLE = (
    "PhonePe cannot be reached just now. Your booking details are saved: please try again in a minute."
)


@dataclass(frozen=True, slots=True)
class Started:
    """An order that the customer can be sent to pay, and whether this call made it."""

    order: PaymentOrder
    created: bool


def start(payable: Payable) -> Started:
    """Open a payment for what the shop wants paid, or return the one that is open.

    Raises AlreadyPaid, NotPayable, or GatewayUnavailable: then whatever was begun is recorded and watched,
    and the next call asks what became of it before it begins another. Raises ValueError for a sum that PhonePe
    would not take.
    """
    _refuse_what_is_paid(payable.reference)
    earlier = PaymentOrder.objects.open().filter(cart_id=payable.reference).first()
    if earlier is not None:
        resumed = _resume(earlier)
        if resumed is not None:
            return Started(resumed, created=False)
    if payable.hindrance:
        raise NotPayable(payable.hindrance)
    if not shop.LOWEST_PAISE <= payable.amount_paise <= shop.HIGHEST_PAISE:
        raise ValueError(
            f"PhonePe takes {shop.LOWEST_PAISE} paise or more; amount_paise is {payable.amount_paise}."
        )
    if not throttle.wait_for_turn(until=time.monotonic() + TURN_S):
        raise GatewayUnavailable(UNAVAILABLE)
    try:
        order = _open(payable, now=timezone.now())
    except Exception:
        throttle.give_back(1, now=timezone.now())
        raise
    if order is None:  # a second click was faster
        throttle.give_back(1, now=timezone.now())
        return start(payable)
    return Started(_create_at_gateway(order), created=True)


def _refuse_what_is_paid(reference: str) -> None:
    """Raises AlreadyPaid for what is paid for, and NotPayable while nobody knows whether it is."""
    if PaymentOrder.objects.paid().filter(cart_id=reference).exists():
        raise AlreadyPaid(ALREADY_PAID)
    if PaymentOrder.objects.in_doubt().filter(cart_id=reference).exists():
        raise NotPayable(IN_DOUBT)


def _open(payable: Payable, *, now: datetime) -> PaymentOrder | None:
    """Commit the order, watched and held for us, before PhonePe hears of it; None when one is open already.

    Raises NotPayable, and opens nothing, when the shop has nothing left to keep for the customer, and AlreadyPaid
    when money has come while the customer waited: for a call's turn, or for the line that `holds` keeps.
    """
    try:
        with transaction.atomic(durable=True):
            holding = holds.begin(payable)
            _refuse_what_is_paid(payable.reference)
            order = PaymentOrder.objects.create(
                cart_id=payable.reference,
                amount=payable.amount_paise,
                snapshot=dict(payable.snapshot),
                holding=holding,
                created_at=now,
                expires_at=now + timedelta(seconds=settings.PAYMENT_EXPIRE_AFTER),
                leased_until=now + claims.LEASE,
                next_check_at=now + claims.LEASE,
            )
            transitions.record(
                order, PaymentEvent.Kind.CREATED, source=Source.CHECKOUT, now=now, amount=order.amount
            )
            return order
    except IntegrityError:
        if PaymentOrder.objects.open().filter(cart_id=payable.reference).exists():
            return None
        raise


def adopt(
    payable: Payable, *, merchant_order_id: str, gateway_order_id: str, created_at: datetime, now: datetime
) -> PaymentOrder | None:
    """Take in an order that another system opened at PhonePe, claimed by the caller, who settles it.

    Safe to repeat: an order that is here already is returned as it is. None, and nothing done, while another
    order of the same reference is open. A hindrance means that its money can only go back.
    """
    ours_until = now + claims.LEASE
    nothing = {shop.BUYS_NOTHING: payable.hindrance} if payable.hindrance else {}
    try:
        with transaction.atomic(durable=True):
            holding = not payable.hindrance and _hold_if_any_is_left(payable)
            order = PaymentOrder.objects.create(
                holding=holding,
                merchant_order_id=merchant_order_id,
                gateway_order_id=gateway_order_id,
                cart_id=payable.reference,
                amount=payable.amount_paise,
                snapshot=dict(payable.snapshot) | nothing,
                created_at=created_at,
                expires_at=created_at + timedelta(seconds=settings.PAYMENT_EXPIRE_AFTER),
                leased_until=ours_until,
                next_check_at=ours_until,
            )
            transitions.record(
                order,
                PaymentEvent.Kind.CREATED,
                source=Source.MANUAL,
                now=now,
                amount=order.amount,
                adopted=True,
            )
            return order
    except IntegrityError:
        return completion.find(merchant_order_id)


def _hold_if_any_is_left(payable: Payable) -> bool:
    """Keep what an adopted order is for; when nothing is left, its money will go back should it come."""
    try:
        with transaction.atomic():
            return holds.begin(payable)
    except NotPayable:
        return False


def _create_at_gateway(order: PaymentOrder) -> PaymentOrder:
    """The one pay call of an order. It is never repeated: a doubt is for the watch to resolve."""
    try:
        created = gateway.create_payment(
            PaymentRequest(
                merchant_order_id=order.merchant_order_id,
                amount_paise=order.amount,
                redirect_url=return_url(order),
                expire_after_s=settings.PAYMENT_EXPIRE_AFTER,
            )
        )
    except PhonePeError as error:
        _note_trouble(order, error, now=timezone.now())
        throttle.report_call(error, now=timezone.now())
        raise GatewayUnavailable(UNAVAILABLE) from error
    initiated = _initiate(order.pk, created, now=timezone.now())
    throttle.report_call(None, now=timezone.now())
    if initiated is None:
        raise GatewayUnavailable(UNAVAILABLE)
    return initiated


@transaction.atomic(durable=True)
def _initiate(order_id: int, created: CreatedOrder, *, now: datetime) -> PaymentOrder | None:
    """Note where the customer can pay; None when nobody may be sent there: it was closed meanwhile, or is another."""
    order = transitions.lock(order_id)
    if order.status != Status.PENDING:
        return _keep_late_page(order, created, now=now)
    transitions.initiate(order, created, now=now)
    order.next_check_at = completion.next_rung(order, now=now)
    if _was_hurried(order):
        order.next_check_at, order.nudged_by = now, order.nudged_by or Source.WEBHOOK
    order.save(update_fields=["next_check_at", "nudged_by"])
    wakeups.notify(wakeups.DUE)
    return order


def _was_hurried(order: PaymentOrder) -> bool:
    """Whether a webhook came before its order was committed, or before the pay call's answer was."""
    parked = WebhookDelivery.objects.filter(
        merchant_order_id=order.merchant_order_id, state=WebhookDelivery.State.PARKED
    )
    return bool(parked.update(state=WebhookDelivery.State.NUDGED)) or order.nudged_at is not None


def _keep_late_page(order: PaymentOrder, created: CreatedOrder, *, now: datetime) -> PaymentOrder | None:
    """The answer took longer than our claim, and the checker has adopted or closed the order meanwhile."""
    transitions.record_created(order, created, now=now)
    if order.gateway_order_id not in ("", created.order_id[:64]):
        if not order.attention:
            transitions.set_attention(order, Attention.ORDER_ID_MISMATCH, source=Source.CHECKOUT, now=now)
        return None
    if order.status != Status.INITIATED:
        return None
    order.pay_page_url = created.redirect_url
    order.save(update_fields=["pay_page_url"])
    return order


@transaction.atomic(durable=True)
def _note_trouble(order: PaymentOrder, error: PhonePeError, *, now: datetime) -> None:
    """Record what came instead of a pay page and let the watch begin."""
    locked = transitions.lock(order.pk)
    transitions.record(
        locked,
        PaymentEvent.Kind.ANSWERED,
        source=Source.CHECKOUT,
        now=now,
        error=type(error).__name__,
        sent=error.sent,
        **trouble(error),
    )
    if locked.status == Status.PENDING:
        locked.leased_until, locked.next_check_at = None, completion.next_rung(locked, now=now)
        locked.save(update_fields=["leased_until", "next_check_at"])
    wakeups.notify(wakeups.DUE)
    will_heal = isinstance(error, (Unavailable, RateLimited, OutcomeUnknown))
    report = log.warning if will_heal else log.error
    report(
        "payment could not be created",
        order=order.merchant_order_id,
        error=type(error).__name__,
        why=str(error),
    )


def _resume(order: PaymentOrder) -> PaymentOrder | None:
    """The open order if the customer can still be sent to its page; None when a new one may be opened.

    An order whose page is lost or over is asked about first: nobody is sent to pay twice while the first
    attempt may have been paid.
    """
    if _is_payable(order):
        return order
    asked = completion.verify(order, source=Source.CHECKOUT, within_s=SETTLE_S)
    if _is_payable(asked):
        return asked  # its creation was under way in another request
    if asked.status == Status.SUCCESS or asked.gateway_state == COMPLETED:
        raise AlreadyPaid(ALREADY_PAID)
    if asked.answered_at is None or (order.answered_at and asked.answered_at <= order.answered_at):
        raise GatewayUnavailable(UNAVAILABLE)  # asked or not, PhonePe has said nothing new
    return _supersede(asked.pk, now=timezone.now())


def _is_payable(order: PaymentOrder) -> bool:
    return order.status == Status.INITIATED and bool(order.pay_page_url) and timezone.now() < order.expires_at


@transaction.atomic(durable=True)
def _supersede(order_id: int, *, now: datetime) -> None:
    """Cancel for the customer an order that cannot be paid any more; it stays watched to its expiry."""
    order = transitions.lock(order_id)
    if order.status == Status.SUCCESS:
        raise AlreadyPaid(ALREADY_PAID)
    if order.status in (Status.PENDING, Status.INITIATED):
        transitions.move(order, Status.CANCELLED, source=Source.CHECKOUT, now=now)


def return_url(order: PaymentOrder) -> str:
    """Where PhonePe sends the customer back to: our own page, which only asks (wire reference §3.5)."""
    path = reverse("payments:return", args=[order.merchant_order_id])
    return f"{settings.PUBLIC_URL}{path}"
