"""A booking as a calendar file (RFC 5545)."""

from __future__ import annotations

from datetime import UTC, timedelta

from django.utils.translation import gettext as _
from icalendar import Calendar, Event

from bookings.models import Booking
from catalog.models import Puja

USUAL_LENGTH = timedelta(hours=1)  # of a puja that is not in the catalogue any more


def invitation(booking: Booking) -> bytes:
    """One event in UTC, which needs no time zone definition and is shown in the reader's own zone.

    In the language that is active. Its UID is made of the booking's number: a second import replaces the first.
    """
    event = Event()
    event.add("uid", f"{booking.booking_id}@okpuja")
    event.add("dtstamp", booking.created_at.astimezone(UTC))
    event.add("dtstart", booking.starts_at.astimezone(UTC))
    event.add("dtend", (booking.starts_at + _length(booking)).astimezone(UTC))
    event.add("summary", f"{_(booking.puja)} ({_(booking.package)})")
    event.add("location", ", ".join(booking.address.splitlines()))
    event.add("description", booking.booking_id)
    calendar = Calendar()
    calendar.add("prodid", "-//OkPuja//Bookings//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    calendar.add_component(event)
    return calendar.to_ical()


def _length(booking: Booking) -> timedelta:
    minutes = Puja.objects.filter(name=booking.puja).values_list("duration_minutes", flat=True).first()
    return timedelta(minutes=minutes) if minutes else USUAL_LENGTH
