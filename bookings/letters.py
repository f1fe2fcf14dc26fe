"""The words of our mails, once for text and HTML. Each function reads its rows and writes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, time
from urllib.parse import urlencode

from babel.dates import format_date
from django.conf import settings
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from bookings import links, notices
from bookings.models import Booking, Notice
from catalog.money import rupees
from payments.models import PaymentOrder
from payments.states import Fulfilment, News

CANCELLED_CODES = (  # by the customer, on the page or in the UPI app (wire reference §7.3)
    "ORDER_CANCELLED_BY_USER", "TXN_CANCELLED", "CANCELLED_BY_USER", "ZA", "REQUEST_DECLINE_BY_REQUESTEE",
    "REQUEST_CANCEL_BY_REQUESTER",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail's parts: what was said, the facts as label and value, one link as label and address, the end."""

    subject: str
    name: str
    said: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    link: tuple[str, str] | None
    closing: tuple[str, ...]


def confirmation(booking: Booking, order: PaymentOrder | None) -> Letter:
    """The puja is booked: what, when, where, and a receipt."""
    return Letter(
        subject=_("Booked: %(puja)s, %(date)s (%(number)s)")
        % {"puja": _(booking.puja), "date": day(booking.date), "number": booking.booking_id},
        name=booking.name,
        said=(_("Your puja is booked and your payment has been received."),),
        facts=(
            (_("Booking number"), booking.booking_id),
            *_wanted(booking.puja, booking.package, booking.date, booking.time),
            (_("Place"), ", ".join(booking.address.splitlines())),
            (_("Paid"), rupees(booking.amount)),
            *receipt(order),
            (_("Order number"), booking.merchant_order_id),
        ),
        link=(_("Your booking"), links.own_page(booking)),
        closing=(
            _("The priest will call you on %(phone)s before the puja, usually the day before.")
            % {"phone": booking.phone},
            _("The link shows your name and address: share it only with people you trust."),
            _("If something in this mail is not right, please reply and mention your booking number."),
        ),
    )


def receipt(order: PaymentOrder | None) -> list[tuple[str, str]]:
    """How the money came, as far as PhonePe told: payment mode and the bank's reference."""
    told = (
        (_("Paid by"), mode(order.payment_mode)) if order else None,
        (_("Bank reference (UTR)"), order.utr) if order else None,
    )
    return [fact for fact in told if fact and fact[1]]


def mode(payment_mode: str) -> str:
    """PhonePe's name of an instrument in the customer's words; "" stays "", an unknown one is shown as it is."""
    if payment_mode.startswith("UPI"):
        return "UPI"
    known = {"CARD": _("Card"), "TOKEN": _("Card"), "NET_BANKING": _("Net banking"), "WALLET": _("Wallet")}
    return known.get(payment_mode, payment_mode)


def day(on: date) -> str:
    """ "Thu, 3 Dec 2026" in the reader's language, by CLDR: Django's Hindi abbreviates and spells the months oddly."""
    if (get_language() or "").startswith("hi"):
        return format_date(on, "EEE, d MMMM y", locale="hi")
    return format_date(on, "EEE, d MMM y", locale="en")


def hour(at: time) -> str:
    """ "9:30 AM", in every language: Django's Hindi has one word for AM and PM."""
    return f"{at:%I:%M %p}".lstrip("0")


def of(notice: Notice, order: PaymentOrder) -> Letter:
    """The letter for one piece of news."""
    if notice.news == News.PAYMENT_FAILED:
        return _failed(notice, order)
    if notice.news == News.PAYMENT_EXPIRED:
        return _expired(notice, order)
    return _refund(notice, order)


def _failed(notice: Notice, order: PaymentOrder) -> Letter:
    happened = _("PhonePe told us that your payment of %(amount)s failed.")
    if order.failure_code in CANCELLED_CODES:
        happened = _("Your payment of %(amount)s was cancelled.")
    return Letter(
        subject=_("Not booked: the payment for %(puja)s did not go through") % {"puja": _puja(order)},
        name=order.snapshot.get("name", ""),
        said=(
            happened % {"amount": rupees(notice.amount)},
            _("Nothing has been booked. You can try the payment again as long as the time is available."),
            comes_back(),
        ),
        facts=_facts(notice, order),
        link=(_("Back to your order"), _cart_page(order)),
        closing=(_ask(),),
    )


def _expired(notice: Notice, order: PaymentOrder) -> Letter:
    return Letter(
        subject=_("Not booked yet: no payment arrived for %(puja)s") % {"puja": _puja(order)},
        name=order.snapshot.get("name", ""),
        said=(
            _("We did not receive your payment of %(amount)s in time, so nothing has been booked.")
            % {"amount": rupees(notice.amount)},
            if_paid(order),
            _("If you have not paid, you can still do so as long as the time is available."),
        ),
        facts=_facts(notice, order),
        link=(_("Back to your order"), _cart_page(order)),
        closing=(_ask(),),
    )


def if_paid(order: PaymentOrder) -> str:
    """What whoever did pay an order that is closed unpaid can count on: on us only while PhonePe is asked."""
    if not is_asked_about(order):
        return comes_back()
    asked = _("If you have paid, do not pay again: we keep asking PhonePe.")
    late = _(
        "If the payment still reaches us, we book your puja, or refund you if that time is taken or past by"
        " then, and email you."
    )
    return f"{asked} {late}"


def is_asked_about(order: PaymentOrder) -> bool:
    """Whether PhonePe is still asked about a closed order, so that its payment would not stay unseen."""
    return order.next_check_at is not None


def comes_back() -> str:
    """What happens to money that was debited for a payment that came to nothing."""
    return _(
        "If money was debited anyway, your bank or PhonePe returns it automatically, usually within a few days."
    )


def _refund(notice: Notice, order: PaymentOrder) -> Letter:
    amount = {"amount": rupees(notice.amount)}
    if notice.news == News.REFUND_STARTED:
        subject = _("%(amount)s is on its way back to you") % amount
        money = _(
            "We are refunding %(amount)s to the account, card or wallet you paid with. This usually takes a few"
            " days; we will write again when it is done. You need not do anything."
        )
    else:
        subject = _("%(amount)s has been sent back to you") % amount
        money = _(
            "PhonePe has sent %(amount)s back to the account, card or wallet you paid with. It may take a few"
            " days to show there."
        )
    return Letter(
        subject=subject,
        name=order.snapshot.get("name", ""),
        said=(_why_refunded(notice, order), money % amount),
        facts=(*_facts(notice, order), (_("Refund number"), notice.merchant_refund_id)),
        link=None,
        closing=(_ask(),),
    )


def _why_refunded(notice: Notice, order: PaymentOrder) -> str:
    if notices.is_second_payment(order):
        return _(
            "We received two payments for this puja. It is booked once; this email is about the refund of the"
            " second payment."
        )
    if order.fulfilment != Fulfilment.BOOKED:
        return _("Your payment arrived, but this booking could not be made any more. We are sorry.")
    if notice.amount == order.amount:
        return _("This is about booking %(number)s: its whole amount goes back to you.") % {
            "number": order.fulfilment_reference
        }
    return _("This is about booking %(number)s: a part of its amount goes back to you.") % {
        "number": order.fulfilment_reference
    }


def _facts(notice: Notice, order: PaymentOrder) -> tuple[tuple[str, str], ...]:
    frozen = order.snapshot
    return (
        *_wanted(
            frozen["puja"],
            frozen["package"],
            date.fromisoformat(frozen["date"]),
            time.fromisoformat(frozen["time"]),
        ),
        (_("Amount"), rupees(notice.amount)),
        (_("Order number"), order.merchant_order_id),
    )


def _wanted(puja: str, package: str, on: date, at: time) -> tuple[tuple[str, str], ...]:
    zone = _("Indian Standard Time")
    return (
        (_("Puja"), _(puja)),
        (_("Package"), _(package)),
        (_("Date"), day(on)),
        (_("Time"), f"{hour(at)} ({zone})"),
    )


def _puja(order: PaymentOrder) -> str:
    return _(str(order.snapshot.get("puja", "")))


def _cart_page(order: PaymentOrder) -> str:
    """The way back to the cart; a signed-in customer's opens only to them."""
    path = f"/cart/{order.cart_id}/"
    if order.snapshot.get("owner_id"):
        path = f"/accounts/login/?{urlencode({'next': path})}"
    return f"{settings.PUBLIC_URL}{path}"


def _ask() -> str:
    return _("If something in this mail is not right, please reply and mention your order number.")
