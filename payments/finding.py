"""Find orders by whatever id somebody has in hand, whole, without reading a table from end to end.

Each way to look is answered from an index by itself. Joined by OR they are not: one that has none spoils all.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter
from uuid import UUID

from django.db.models import Q

from payments.models import PaymentOrder


def by_id(text: str) -> list[Q]:
    """What `text` may be of an order: its id, its cart's or a refund's, a UTR, PhonePe's id. For `newest`."""
    if not text or "\0" in text:  # PostgreSQL refuses to compare with it
        return []
    return [
        Q(merchant_order_id__in=[text, text.upper()]),
        Q(cart_id=_cart(text)),
        Q(refunds__merchant_refund_id=text.upper()),
        Q(utr=text),
        # The index holds what is not watched any more: every ask would have to write it else. The others are few.
        Q(gateway_order_id=text, next_check_at__isnull=True),
        Q(gateway_order_id=text, next_check_at__isnull=False),
    ]


def newest(ways: Iterable[Q], *, most: int) -> list[PaymentOrder]:
    """Up to `most` orders that are found in any of these ways, the newest first."""
    found = {
        order.pk: order
        for way in ways
        for order in PaymentOrder.objects.filter(way).order_by("-created_at", "-pk")[:most]
    }
    return sorted(found.values(), key=attrgetter("created_at", "pk"), reverse=True)[:most]


def _cart(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        return text
