"""Filters for the pages."""

from __future__ import annotations

from datetime import date, time

from django import template

from bookings import letters
from catalog import money

register = template.Library()


@register.filter
def rupees(paise: int) -> str:
    """Integer paise as "₹1,23,456.00"."""
    return money.rupees(paise)


@register.filter
def day(text: str) -> date:
    """A snapshot's "2026-11-24" as a date, for the `date` filter."""
    return date.fromisoformat(text)


@register.filter
def clock(text: str) -> time:
    """A snapshot's "09:30" as a time, for the `time` filter."""
    return time.fromisoformat(text)


@register.filter
def hour(at: time) -> str:
    """ "9:30 AM", in every language: Django's Hindi has one word for AM and PM."""
    return letters.hour(at)
