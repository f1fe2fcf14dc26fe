"""What is to become of each order, drawn from the seed. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from random import Random

LIFE_S = 300  # the least that PAYMENT_EXPIRE_AFTER may be
ARRIVE_WITHIN = 0.7  # of the chaos; the rest is for what becomes of the last ones
BY_HTTP = 0.2  # of the orders are opened by customers at the web site
ORDERS_PER_MINUTE = 1200


class Story(StrEnum):
    """What customer, bank and gateway do about one purchase."""

    PAID = "paid"
    FAILED = "failed at the bank"
    CANCELLED = "cancelled on the pay page"
    ABANDONED = "abandoned, expires"
    LATE = "paid after it expired"
    REVIVED = "failed, then paid after all"
    TWICE = "two paid orders of one cart"
    OTHER_SUM = "gateway took another sum"
    OTHER_ID = "gateway's order id is another"


WEIGHTS = {
    Story.PAID: 52,
    Story.FAILED: 9,
    Story.CANCELLED: 5,
    Story.ABANDONED: 8,
    Story.LATE: 9,
    Story.REVIVED: 6,
    Story.TWICE: 8,
    Story.OTHER_SUM: 2,
    Story.OTHER_ID: 1,
}


@dataclass(frozen=True, slots=True)
class Size:
    """How much chaos: `orders` purchases over `chaos_s` seconds, then at most `settle_s` of calm."""

    orders: int
    seed: int
    chaos_s: float
    settle_s: float

    @classmethod
    def of(cls, orders: int, seed: int, minutes: float | None) -> Size:
        chaos_s = 60 * minutes if minutes else max(30.0, 60 * orders / ORDERS_PER_MINUTE)
        return cls(orders, seed, chaos_s, settle_s=max(300.0, chaos_s))


@dataclass(frozen=True, slots=True)
class Purchase:
    """One planned purchase: when it comes (seconds from the start), how, and what becomes of it.

    `pace` (0 to 1) is how long its outcome takes, in its story's terms.
    """

    number: int
    story: Story
    at_s: float
    by_http: bool
    pace: float


def purchases(size: Size) -> list[Purchase]:
    """All purchases in the order of their coming; every story is among them when there are orders enough."""
    chance = Random(f"{size.seed}/plan")
    stories = chance.choices(list(WEIGHTS), list(WEIGHTS.values()), k=size.orders)
    stories[: len(Story)] = list(Story)[: size.orders]
    chance.shuffle(stories)
    until = size.chaos_s * ARRIVE_WITHIN
    times = sorted(chance.uniform(0, until) for _ in stories)
    return [
        Purchase(number, story, at_s, by_http=chance.random() < BY_HTTP, pace=chance.random())
        for number, (story, at_s) in enumerate(zip(stories, times, strict=True))
    ]
