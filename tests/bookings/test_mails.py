"""The confirmation: once, and with what the customer needs."""

import smtplib
from datetime import date, time

import pytest
from django.core import mail

from bookings import jobs, mails
from bookings.models import Booking
from tests import make
from tests.at_once import at_once


def booking(**fields) -> Booking:
    values = {
        "cart_id": "cart-1",
        "merchant_order_id": "OKP-1",
        "puja": "Ganesh Puja",
        "package": "Essential",
        "date": date(2027, 1, 14),
        "time": time(17, 30),
        "name": "Asha & Ravi",
        "email": "asha@example.com",
        "phone": "+919876543210",
        "address": "12 Temple Road\nBengaluru 560003",
        "amount": 12345600,
    } | fields
    paid = {field: values[field] for field in ("cart_id", "merchant_order_id", "amount")}
    make.paid_order(**paid)
    return Booking.objects.create(**values)


@pytest.mark.django_db
def test_the_confirmation_says_what_was_booked():
    booked = booking(booking_id="BK-163A5751")

    assert mails.send_confirmation("BK-163A5751") is True

    [sent] = mail.outbox
    assert (sent.to, sent.subject) == (
        ["asha@example.com"],
        "Booked: Ganesh Puja, 14 Jan 2027 (BK-163A5751)",
    )
    for line in (
        "Namaste Asha & Ravi,",
        "  Booking   BK-163A5751",
        "  Puja      Ganesh Puja",
        "  Package   Essential",
        "  Date      Thu, 14 Jan 2027",
        "  Time      5:30 PM (Indian Standard Time)",
        "  Place     12 Temple Road, Bengaluru 560003",
        "  Paid      ₹1,23,456.00",
        "  Order     OKP-1",
        "Your booking: http://localhost:8000/booking-success/BK-163A5751",
    ):
        assert line in sent.body.splitlines()
    [(html, kind)] = sent.alternatives
    assert kind == "text/html"
    assert "Asha &amp; Ravi" in html
    assert 'href="http://localhost:8000/booking-success/BK-163A5751"' in html
    booked.refresh_from_db()
    assert booked.confirmation_sent_at is not None


@pytest.mark.django_db
def test_a_repeated_job_sends_nothing():
    booked = booking()
    jobs.send_confirmation(booking_id=booked.booking_id)

    jobs.send_confirmation(booking_id=booked.booking_id)

    assert len(mail.outbox) == 1


@pytest.mark.django_db
def test_a_mail_server_that_is_down_leaves_the_mail_to_be_sent(settings):
    booked = booking()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1

    with pytest.raises((OSError, smtplib.SMTPException)):
        mails.send_confirmation(booked.booking_id)

    booked.refresh_from_db()
    assert booked.confirmation_sent_at is None


@pytest.mark.django_db(transaction=True)
def test_two_senders_at_once_send_one_mail():
    for round_ in range(20):
        number = booking(cart_id=f"cart-{round_}", merchant_order_id=f"OKP-{round_}").booking_id
        mail.outbox.clear()

        results = at_once(*[lambda n=number: mails.send_confirmation(n)] * 3)

        assert sorted(results) == [False, False, True]
        assert len(mail.outbox) == 1
