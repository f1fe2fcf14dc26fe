"""What we write to customers, one mail per event.

A process that dies between the mail server's yes and our commit leaves the mail to be sent again, under the same
Message-ID. Nobody can do better: the server has no word for "had I sent you this?".
"""

from __future__ import annotations

from smtplib import SMTPException, SMTPRecipientsRefused
from urllib.parse import urlsplit

import structlog
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import connection, transaction
from django.template.loader import render_to_string
from django.utils import timezone, translation

from bookings import letters, notices
from bookings.calendar import invitation
from bookings.letters import Letter
from bookings.models import Booking, Notice
from payments.models import PaymentOrder

log = structlog.get_logger(__name__)

# `EMAIL_TIMEOUT` is for one of the server's words, of which a mail takes ten. PostgreSQL ends a transaction that rests
# for 15 s (`okpuja.database`): the mail would be on its way and we could not note it, so it would go out again.
PATIENCE = "60s"


class MailRefused(SMTPException):
    """The mail server did not take a mail; told without its own words, which name the recipient."""


@transaction.atomic
def send_confirmation(booking_id: str) -> bool:
    """Mail the booking's confirmation once; whether this call sent it. Safe to repeat and to race.

    The row stays locked while the mail server answers. Only here and in `send_notice` do we hold a lock over
    the network: a second sender must wait for the first one's outcome, and so must staff who change the
    booking; no customer does.
    """
    booking = Booking.objects.select_for_update(of=("self",), no_key=True).get(booking_id=booking_id)
    if booking.confirmation_sent_at is not None:
        return False
    _post(confirmation(booking))
    booking.confirmation_sent_at = timezone.now()
    booking.save(update_fields=["confirmation_sent_at"])
    log.info("confirmation sent", booking=booking.booking_id, order=booking.merchant_order_id)
    return True


def confirmation(booking: Booking) -> EmailMultiAlternatives:
    """The mail with its receipt, and the date as a calendar file."""
    order = PaymentOrder.objects.named(booking.merchant_order_id).first()
    with translation.override(language_of(order)):
        mail = _mail(
            letters.confirmation(booking, order),
            to=booking.email,
            event=f"confirmation.{booking.booking_id}",
        )
        mail.attach(f"{booking.booking_id}.ics", invitation(booking).decode(), "text/calendar")
    return mail


@transaction.atomic
def send_notice(notice_id: int) -> bool:
    """Mail one piece of news once, or drop it when it has become pointless; whether this call sent it.

    Safe to repeat and to race, as `send_confirmation` is.
    """
    notice = Notice.objects.select_for_update(of=("self",), no_key=True).get(pk=notice_id)
    if notice.is_settled:
        return False
    order = PaymentOrder.objects.get(merchant_order_id=notice.merchant_order_id)
    to = order.snapshot.get("email", "")
    is_wanted = bool(to) and not notices.is_pointless(notice, order)
    if is_wanted:
        _post(news(notice, order))
    end = "sent_at" if is_wanted else "dropped_at"
    setattr(notice, end, timezone.now())
    notice.save(update_fields=[end])
    log.info("news settled", news=notice.news, order=order.merchant_order_id, sent=is_wanted)
    return is_wanted


def news(notice: Notice, order: PaymentOrder) -> EmailMultiAlternatives:
    """The mail about this news of the order, to the address that it was ordered with."""
    about = notice.merchant_refund_id or notice.merchant_order_id
    with translation.override(language_of(order)):
        return _mail(letters.of(notice, order), to=order.snapshot["email"], event=f"{notice.news}.{about}")


def language_of(order: PaymentOrder | None) -> str | None:
    """The language that the customer saw while ordering; None, the site's own, when it was not noted."""
    return (order.snapshot.get("language") if order else None) or None


def _mail(letter: Letter, *, to: str, event: str) -> EmailMultiAlternatives:
    """The mail under its event's name: whoever gets it a second time, after a crash of ours, can tell."""
    name = f"<{event}@{urlsplit(settings.PUBLIC_URL).hostname}>"
    context = {"letter": letter, "language": translation.get_language()}
    mail = EmailMultiAlternatives(
        subject=letter.subject,
        body=render_to_string("bookings/letter.txt", context),
        to=[to],
        headers={"Message-ID": name},
    )
    mail.attach_alternative(render_to_string("bookings/letter.html", context), "text/html")
    return mail


def _post(mail: EmailMultiAlternatives) -> None:
    """Hand the mail to the server; the caller holds the transaction, which may rest for `PATIENCE` from here on.

    Raises MailRefused, or another OSError when the server cannot be reached.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('idle_in_transaction_session_timeout', %s, true)", [PATIENCE])
    try:
        mail.send()
    except SMTPRecipientsRefused as error:
        codes = sorted({code for code, _ in error.recipients.values()})
        raise MailRefused(f"The mail server refused the recipient: {codes}") from None
    except SMTPException as error:
        code = getattr(error, "smtp_code", "")
        raise MailRefused(f"The mail server failed: {type(error).__name__} {code}".rstrip()) from None
