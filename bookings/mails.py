"""What we write to customers."""

from __future__ import annotations

import structlog
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.template.loader import render_to_string
from django.utils import timezone

from bookings.models import Booking
from catalog.money import rupees

log = structlog.get_logger(__name__)


@transaction.atomic
def send_confirmation(booking_id: str) -> bool:
    """Mail the booking's confirmation once; whether this call sent it. Safe to repeat and to race.

    The row stays locked while the mail server answers. That is the one place where we hold a lock over the
    network: nobody else waits for this row, and a second sender must wait for the first one's outcome.
    """
    booking = Booking.objects.select_for_update(of=("self",), no_key=True).get(booking_id=booking_id)
    if booking.confirmation_sent_at is not None:
        return False
    confirmation(booking).send()
    booking.confirmation_sent_at = timezone.now()
    booking.save(update_fields=["confirmation_sent_at"])
    log.info("confirmation sent", booking=booking.booking_id, order=booking.merchant_order_id)
    return True


def confirmation(booking: Booking) -> EmailMultiAlternatives:
    """The mail, as text and as simple HTML."""
    context = {
        "booking": booking,
        "place": ", ".join(booking.address.splitlines()),
        "amount": rupees(booking.amount),
        "link": f"{settings.PUBLIC_URL}/booking-success/{booking.booking_id}",
    }
    mail = EmailMultiAlternatives(
        subject=f"Booked: {booking.puja}, {booking.date:%d %b %Y} ({booking.booking_id})",
        body=render_to_string("bookings/confirmation.txt", context),
        to=[booking.email],
    )
    mail.attach_alternative(render_to_string("bookings/confirmation.html", context), "text/html")
    return mail
