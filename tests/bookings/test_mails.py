"""The confirmation: once, and with what the customer needs."""

import smtplib
from datetime import UTC, date, datetime, time, timedelta
from email import message_from_bytes

import pytest
from django.core import mail
from django.db import connection, transaction
from icalendar import Calendar

from bookings import jobs, links, mails
from bookings.calendar import invitation
from bookings.models import Booking
from catalog.models import Puja
from payments.models import PaymentOrder
from tests import make
from tests.at_once import at_once
from tests.mailserver import MailServer


def booking(**fields) -> Booking:
    values = {
        "cart_id": "cart-1",
        "merchant_order_id": "OKP-1",
        "puja": "Ganesh Puja",
        "package": "Essential",
        "date": date(2094, 1, 14),
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
        "Booked: Ganesh Puja, Thu, 14 Jan 2094 (BK-163A5751)",
    )
    for line in (
        "Namaste Asha & Ravi,",
        "  Booking number       BK-163A5751",
        "  Puja                 Ganesh Puja",
        "  Package              Essential",
        "  Date                 Thu, 14 Jan 2094",
        "  Time                 5:30 PM (Indian Standard Time)",
        "  Place                12 Temple Road, Bengaluru 560003",
        "  Paid                 ₹1,23,456.00",
        "  Order number         OKP-1",
        f"Your booking: http://localhost:8000/booking-success/BK-163A5751?key={links.key(booked)}",
    ):
        assert line in sent.body.splitlines()
    [(html, kind)] = sent.alternatives
    assert kind == "text/html"
    assert "Asha &amp; Ravi" in html
    assert f'href="http://localhost:8000/booking-success/BK-163A5751?key={links.key(booked)}"' in html
    booked.refresh_from_db()
    assert booked.confirmation_sent_at is not None


@pytest.mark.django_db
def test_the_confirmation_is_a_receipt_with_the_banks_reference():
    booked = booking()
    paid = PaymentOrder.objects.filter(merchant_order_id=booked.merchant_order_id)
    paid.update(payment_mode="UPI_QR", utr="123456789012")

    mails.send_confirmation(booked.booking_id)

    body = mail.outbox[0].body.splitlines()
    assert "  Paid by              UPI" in body
    assert "  Bank reference (UTR) 123456789012" in body
    assert f"  Order number         {booked.merchant_order_id}" in body


@pytest.mark.django_db
def test_a_confirmation_that_goes_out_again_after_a_crash_bears_the_same_message_id(settings):
    settings.PUBLIC_URL = "https://shop.example"
    booked = booking(booking_id="BK-163A5751")

    with transaction.atomic():  # the mail server has it, and we die before we have noted that
        assert mails.send_confirmation(booked.booking_id)
        transaction.set_rollback(True)
    assert mails.send_confirmation(booked.booking_id)

    ids = [sent.message()["Message-ID"] for sent in mail.outbox]
    assert ids == ["<confirmation.BK-163A5751@shop.example>"] * 2


@pytest.mark.django_db
def test_the_confirmation_carries_the_date_as_a_calendar_file():
    Puja.objects.create(slug="g", name="Ganesh Puja", summary="s", description="d", duration_minutes=75)
    booked = booking(booking_id="BK-163A5751")

    mails.send_confirmation(booked.booking_id)

    parts = message_from_bytes(mail.outbox[0].message().as_bytes()).walk()
    [file] = [part for part in parts if part.get_content_type() == "text/calendar"]
    [event] = Calendar.from_ical(file.get_payload(decode=True)).walk("VEVENT")
    assert file.get_filename() == "BK-163A5751.ics"
    assert (str(event["UID"]), str(event["SUMMARY"])) == ("BK-163A5751@okpuja", "Ganesh Puja (Essential)")
    assert event["DTSTART"].dt == datetime(2094, 1, 14, 12, 0, tzinfo=UTC)
    assert event["DTEND"].dt == datetime(2094, 1, 14, 13, 15, tzinfo=UTC)
    assert str(event["LOCATION"]) == "12 Temple Road, Bengaluru 560003"


@pytest.mark.django_db
def test_the_calendar_file_of_a_puja_that_left_the_catalogue_lasts_an_hour():
    [event] = Calendar.from_ical(invitation(booking())).walk("VEVENT")

    assert event["DTEND"].dt - event["DTSTART"].dt == timedelta(hours=1)


@pytest.mark.django_db
def test_a_link_opens_its_own_booking_alone_and_outlives_a_new_secret(settings):
    mine, other = booking(), booking(cart_id="cart-2", merchant_order_id="OKP-2")
    key = links.key(mine)

    opened = [
        links.opens(mine, key),
        links.opens(other, key),
        links.opens(mine, ""),
        links.opens(mine, key[:-1]),
    ]
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another-" * 8

    assert opened == [True, False, False, False]
    assert links.opens(mine, key)
    assert links.key(mine) != key


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
def test_a_mail_server_that_is_slow_at_every_word_gets_the_mail_once(settings):
    booked = booking()
    server = MailServer(slow_s=0.1)
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
    with connection.cursor() as cursor:  # 15 s in earnest, which seven words of 3 s exceed
        cursor.execute("SET idle_in_transaction_session_timeout = '200ms'")

    sent = [mails.send_confirmation(booked.booking_id) for _ in range(2)]

    with connection.cursor() as cursor:
        cursor.execute("SHOW idle_in_transaction_session_timeout")
        assert cursor.fetchone() == ("200ms",)  # longer for the mail alone
    connection.close()
    server.close()
    assert (sent, server.taken) == ([True, False], 1)


@pytest.mark.django_db(transaction=True)
def test_two_senders_at_once_send_one_mail():
    for round_ in range(20):
        number = booking(cart_id=f"cart-{round_}", merchant_order_id=f"OKP-{round_}").booking_id
        mail.outbox.clear()

        results = at_once(*[lambda n=number: mails.send_confirmation(n)] * 3)

        assert sorted(results) == [False, False, True]
        assert len(mail.outbox) == 1
