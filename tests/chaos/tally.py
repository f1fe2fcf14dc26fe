"""What has happened so far, for the progress line and the last table; and the ids that are known to everybody."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Tally:
    """Counts by subject: `counts["killed"]["checker-1"]`."""

    counts: dict[str, Counter[str]] = field(default_factory=dict)
    carts: list[str] = field(default_factory=list)
    orders: list[str] = field(default_factory=list)

    def count(self, subject: str, what: str, by: int = 1) -> None:
        self.counts.setdefault(subject, Counter())[what] += by

    def total(self, subject: str) -> int:
        return self.counts.get(subject, Counter()).total()

    def know(self, cart_id: str, merchant_order_id: str) -> None:
        """Let the crowd have these."""
        self.carts.append(cart_id)
        self.orders.append(merchant_order_id)
