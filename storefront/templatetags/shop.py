"""Filters for the pages."""

from __future__ import annotations

import re
from datetime import date, time

from django import template
from django.conf import settings
from django.utils.html import format_html

from bookings import letters
from catalog import money

register = template.Library()


@register.filter
def rupees(paise: int) -> str:
    """Integer paise as "₹1,23,456.00"."""
    return money.rupees(paise)


@register.filter
def day(on: date | str) -> str:
    """ "Thu, 3 Dec 2026" in the reader's language, of a date or of a snapshot's "2026-12-03"."""
    return letters.day(date.fromisoformat(on) if isinstance(on, str) else on)


@register.filter
def clock(text: str) -> time:
    """A snapshot's "09:30" as a time, for the `time` filter."""
    return time.fromisoformat(text)


@register.filter
def hour(at: time) -> str:
    """ "9:30 AM", in every language: Django's Hindi has one word for AM and PM."""
    return letters.hour(at)


@register.simple_tag
def support_contact() -> str:
    """Who answers questions about money, as a link to write or to call; "" when nobody is named."""
    contact = settings.SUPPORT_CONTACT
    address = f"mailto:{contact}" if "@" in contact else "tel:" + re.sub(r"[^+0-9]", "", contact)
    return format_html('<a href="{}">{}</a>', address, contact) if contact else ""
