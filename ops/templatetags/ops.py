"""Filters of the staff's pages."""

from __future__ import annotations

from datetime import datetime

from django import template
from django.utils import timezone

from catalog import money
from ops.words import span
from payments.models import PaymentOrder

register = template.Library()


@register.filter
def rupees(paise: int) -> str:
    """Integer paise as "₹1,23,456.00"."""
    return money.rupees(paise)


@register.filter
def ist(at: datetime | None) -> str:
    """An instant as "24 Nov 2026, 14:05:09" in Asia/Kolkata; "" for none."""
    return f"{timezone.localtime(at):%d %b %Y, %H:%M:%S}" if at else ""


@register.filter
def ago(at: datetime | None) -> str:
    """How long ago an instant was, as "3 min"; "" for none."""
    return span((timezone.now() - at).total_seconds()) if at else ""


@register.filter(name="span")
def span_filter(seconds: float) -> str:
    """Seconds as "3 min" (see `words.span`)."""
    return span(seconds)


@register.filter
def spaced(name: str) -> str:
    """A JSON name as words: "merchant_order_id" → "merchant order id"."""
    return name.replace("_", " ")


@register.simple_tag
def needing_attention() -> int:
    """How many orders need a person, for the menu."""
    return PaymentOrder.objects.exclude(attention="").count()
