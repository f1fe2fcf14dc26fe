"""Paise as people read them. No float comes near money."""

from __future__ import annotations

from decimal import Decimal

from babel.numbers import format_currency


def rupees(paise: int) -> str:
    """Paise with the rupee sign and Indian grouping: 12345600 → "₹1,23,456.00"."""
    return format_currency(in_rupees(paise), "INR", locale="en_IN")


def in_rupees(paise: int) -> Decimal:
    """Paise as rupees with two decimals: 149900 → Decimal("1499.00")."""
    return Decimal(paise).scaleb(-2)
