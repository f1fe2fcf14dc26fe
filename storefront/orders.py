"""How a cart's payment stands, and the words for it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Sum
from django.utils.translation import gettext as _

from bookings.letters import CANCELLED_CODES, comes_back, if_paid, is_asked_about
from bookings.models import Booking
from catalog.money import rupees
from payments.models import PaymentOrder, Refund
from payments.states import MISMATCHES, OPEN, REFUND_OPEN, Attention, Fulfilment, RefundState, Status


def telling(cart_id: str) -> PaymentOrder | None:
    """The order that speaks for a cart, or None when no payment was ever begun."""
    return PaymentOrder.objects.filter(cart_id=cart_id).telling_first().first()


def may_try_again(cart_id: str) -> bool:
    """Whether the page may offer a new payment: none of the cart's orders is open, paid or in doubt."""
    orders = PaymentOrder.objects.filter(cart_id=cart_id)
    arrived = orders.filter(status=Status.SUCCESS)
    return not any(some.exists() for some in (orders.open(), orders.paid(), arrived, orders.in_doubt()))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What to tell the customer: a heading, what happened, and what happens to the money.

    `may_be_paid`: the money may still come, so that trying again could pay twice.
    """

    heading: str
    happened: str
    money: str
    may_be_paid: bool = False


@dataclass(frozen=True, slots=True)
class Wait:
    """What to tell the customer while nothing is final. `is_attended`: our team is checking it."""

    heading: str
    happened: str
    is_paid: bool
    is_attended: bool = False


@dataclass(frozen=True, slots=True)
class Returned:
    """Paise of an order that went back, that are on their way, and whether the way takes unusually long."""

    gone: int
    coming: int
    is_slow: bool
    has_failed: bool


def returned(order: PaymentOrder) -> Returned:
    """What became of an order's refunds; `has_failed` only when none replaced the one that failed."""
    refunds = order.refunds.all()
    last = refunds.order_by("-pk").first()
    return Returned(
        gone=_sum(refunds.filter(state=RefundState.COMPLETED)),
        coming=_sum(refunds.filter(state__in=REFUND_OPEN)),
        is_slow=order.attention == Attention.REFUND_STUCK,
        has_failed=last is not None and last.state == RefundState.FAILED,
    )


def _sum(refunds) -> int:
    return refunds.aggregate(sum=Sum("amount"))["sum"] or 0


# -- while nothing is final ---------------------------------------------------------------


def wait(order: PaymentOrder) -> Wait:
    """The words for an order that is open, or paid and not booked yet."""
    if order.is_disputed:
        return Wait(_("We are checking your payment"), _differs(), is_paid=True, is_attended=True)
    if order.status == Status.SUCCESS:
        return _being_booked(order)
    said = _("PhonePe has not told us yet whether the payment went through. We keep asking.")
    if order.status == Status.PENDING:
        said = _("We are opening your payment at PhonePe and waiting for its answer.")
    return Wait(_("We are waiting for PhonePe"), said, is_paid=False)


def _being_booked(order: PaymentOrder) -> Wait:
    heading = _("Your payment has arrived")
    if order.attention == Attention.FULFILMENT_FAILED:
        said = _(
            "Your booking is taking longer than usual; our team is looking into it. Your money is safe; you need"
            " not do anything."
        )
        return Wait(heading, said, is_paid=True, is_attended=True)
    return Wait(heading, _("We are making your booking. This takes a moment."), is_paid=True)


def _differs() -> str:
    return _(
        "Money has arrived, but what PhonePe reports differs from your order. Your money is safe: our team is"
        " checking it and will write to you. Please do not pay again."
    )


# -- ends without a booking ---------------------------------------------------------------


def outcome(order: PaymentOrder) -> Outcome:
    """The words for an order that did not end in a booking."""
    if order.fulfilment == Fulfilment.UNFULFILLABLE:
        return _undeliverable(order)
    if order.is_disputed:
        return Outcome(_("We are checking your payment"), _differs(), _("There is nothing for you to do."))
    if order.handled in (*MISMATCHES, Attention.STILL_PENDING):
        return _seen_to()
    if order.status == Status.EXPIRED:
        return _expired(order)
    if order.status == Status.CANCELLED:
        return _given_up(order)
    return _failed(order)


def _seen_to() -> Outcome:
    return Outcome(
        _("Our team has finished checking this payment"),
        _("PhonePe's information was unclear, so our team checked it."),
        _("If money was debited and has not come back, please write to us before you pay again."),
    )


def _failed(order: PaymentOrder) -> Outcome:
    if order.failure_code in CANCELLED_CODES:
        told = _("It was cancelled before it was completed.")
        return Outcome(_("The payment was cancelled"), told, comes_back())
    told = _("PhonePe told us that the payment failed.")
    return Outcome(_("The payment did not go through"), told, comes_back())


def _expired(order: PaymentOrder) -> Outcome:
    if order.attention == Attention.STILL_PENDING:
        return Outcome(
            _("Still no clear answer from PhonePe"),
            _("We keep asking, and PhonePe says neither that you paid nor that you did not."),
            _("Our team is checking it and will write to you. If you have paid, please do not pay again."),
        )
    return Outcome(
        _("The time to pay is over"),
        _("No payment arrived in the time that was set for it."),
        if_paid(order),
        may_be_paid=is_asked_about(order),
    )


def _given_up(order: PaymentOrder) -> Outcome:
    if order.gateway_order_id:
        return Outcome(
            _("This payment was closed"),
            _("Its payment page could not be opened any more, so we closed it."),
            if_paid(order),
            may_be_paid=is_asked_about(order),
        )
    return Outcome(
        _("The payment was not started"),
        _("We could not open the payment page, so no payment was possible."),
        _("No money has been taken for this booking."),
    )


def _undeliverable(order: PaymentOrder) -> Outcome:
    happened = _("Your payment arrived, but this booking could not be made any more. We are sorry.")
    money = returned(order)
    left = order.amount - money.gone - money.coming
    if left > 0 and not money.coming:
        return Outcome(_("We have your payment and will contact you"), happened, _a_person_returns(money))
    if money.coming:
        return Outcome(_("Your money is on its way back"), happened, _is_coming(money))
    sent = _(
        "%(amount)s has been sent back to the account, card or wallet you paid with. It may take a few days to"
        " show there."
    ) % {"amount": rupees(money.gone)}
    return Outcome(_("Your money has been returned"), happened, sent)


def _a_person_returns(money: Returned) -> str:
    safe = _("Your money is safe. Our team is checking it and will return it or find another date with you.")
    if money.gone:
        return _("%(amount)s has been sent back to you.") % {"amount": rupees(money.gone)} + " " + safe
    return safe


def _is_coming(money: Returned) -> str:
    coming = {"amount": rupees(money.coming)}
    if money.is_slow:
        return (
            _(
                "%(amount)s is being returned to the account, card or wallet you paid with. That takes longer than"
                " usual; our team is checking it."
            )
            % coming
        )
    return (
        _(
            "%(amount)s is being returned to the account, card or wallet you paid with. This usually takes a few"
            " days; we will email you when it is done."
        )
        % coming
    )


# -- beside a booking ---------------------------------------------------------------------


def money_notes(booking: Booking) -> list[str]:
    """What a booking's page says about money that goes back: of a second payment, or of the booking itself."""
    orders = PaymentOrder.objects.filter(cart_id=booking.cart_id).order_by("pk")
    notes = [_note(order, is_own=order.merchant_order_id == booking.merchant_order_id) for order in orders]
    return [note for note in notes if note]


def _note(order: PaymentOrder, *, is_own: bool) -> str:
    if order.is_disputed:
        return _("Another payment arrived for this booking.") + " " + _differs()
    if order.status != Status.SUCCESS:
        return ""
    money = returned(order)
    said = [_went_back(money.gone, is_own=is_own), _goes_back(money, is_own=is_own)]
    left = order.amount - money.gone - money.coming
    if left > 0 and not money.coming and (money.has_failed or not is_own):
        said.append(_("Our team is checking this and will return your money."))
    told = " ".join(sentence for sentence in said if sentence)
    return told if is_own else _("You paid a second time for this booking.") + " " + told


def _went_back(gone: int, *, is_own: bool) -> str:
    if not gone:
        return ""
    if is_own:
        return _("%(amount)s of this booking has been sent back to you.") % {"amount": rupees(gone)}
    return _("%(amount)s has been sent back to you.") % {"amount": rupees(gone)}


def _goes_back(money: Returned, *, is_own: bool) -> str:
    if not money.coming:
        return ""
    amount = {"amount": rupees(money.coming)}
    if is_own:
        said = _("%(amount)s of this booking is on its way back to you.") % amount
    else:
        said = _("%(amount)s is on its way back to you.") % amount
    if money.is_slow:
        said += " " + _("That takes longer than usual; our team is checking it.")
    return said


def is_fully_returned(booking: Booking) -> bool:
    """Whether all that was paid for a booking went back or is on its way."""
    return booking.booking_id in returned_among([booking])


def returned_among(bookings: Iterable[Booking]) -> set[str]:
    """The numbers of those bookings whose whole amount went back or is on its way."""
    amounts = {booking.merchant_order_id: booking for booking in bookings}
    refunds = Refund.objects.filter(order__merchant_order_id__in=amounts)
    sums = (
        refunds.exclude(state=RefundState.FAILED)
        .values_list("order__merchant_order_id")
        .annotate(sum=Sum("amount"))
    )
    return {amounts[order].booking_id for order, total in sums if total >= amounts[order].amount}


def can_be_paid(order: PaymentOrder) -> bool:
    """Whether the customer may still be led to PhonePe's page of this order."""
    return order.status in OPEN and not order.is_disputed
