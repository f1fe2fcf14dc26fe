"""Procrastinate tasks of the bookings: thin, each calls one function and is safe to repeat."""

from __future__ import annotations

from procrastinate import RetryStrategy
from procrastinate.contrib.django import app

from bookings import fulfilment, mails, notices

# Waits of 3, 9, 27 … seconds, the last of them 16 hours: a mail server may be down over night.
AGAIN = RetryStrategy(max_attempts=11, exponential_wait=3)


@app.task(name=fulfilment.CONFIRM, retry=AGAIN)
def send_confirmation(*, booking_id: str) -> None:
    """Mail the customer that the puja is booked."""
    mails.send_confirmation(booking_id)


@app.task(name=notices.SEND, retry=AGAIN)
def send_notice(*, notice_id: int) -> None:
    """Mail the customer what became of a payment or refund."""
    mails.send_notice(notice_id)
