"""What a cart costs. Pure: paise in, paise out."""

from __future__ import annotations


def total(package_paise: int, *, paid_paise: int | None = None) -> int:
    """The cart's total in paise.

    Until the cart is booked it follows the package; an order freezes its own amount at checkout, and the
    booking writes that amount back to the cart as `paid_paise`.
    """
    return package_paise if paid_paise is None else paid_paise
