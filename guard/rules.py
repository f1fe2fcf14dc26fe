"""Which doors are watched, and how often each may be knocked at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

MINUTE, QUARTER = timedelta(minutes=1), timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Rule:
    """`calls` in each `window`, for each value of what is counted: an address, a cart, an order, an account.

    Of these, each process lets `free` a minute pass uncounted, so that who behaves costs no query.
    """

    calls: int
    window: timedelta
    free: int = 0


# Thousands of customers may stand behind one address of a mobile network, hence the numbers for addresses; a cart
# or an order is one customer's, with a few tabs. A front end that polls every 2 s makes 30 calls a minute.
DEFAULTS = {
    "status_per_address": Rule(6000, MINUTE, free=1500),
    "status_per_cart": Rule(120, MINUTE, free=60),
    "events_per_address": Rule(1200, MINUTE, free=300),
    "events_per_cart": Rule(60, MINUTE, free=30),
    "verify_per_address": Rule(600, MINUTE),
    "return_per_address": Rule(1200, MINUTE, free=300),
    "return_per_order": Rule(60, MINUTE, free=15),
    "carts_per_address": Rule(300, MINUTE),
    "pay_per_address": Rule(600, MINUTE),
    "pay_per_cart": Rule(20, MINUTE),
    "bookings_per_address": Rule(600, MINUTE, free=60),
    "sign_in_per_address": Rule(100, QUARTER),
    "sign_in_per_account": Rule(50, QUARTER),
    "sign_in_per_account_and_address": Rule(10, QUARTER),
}

# The webhook is not here: PhonePe's callbacks are never refused for being many, and others stop at the header.
WATCHED = {
    "api:cart_status": ("status_per_address", "status_per_cart"),
    "api:show": ("status_per_address", "status_per_cart"),
    "payments:events": ("events_per_address", "events_per_cart"),
    "api:verify_and_complete": ("verify_per_address",),  # per order: `completion.verify_by_hand`
    "payments:return": ("return_per_address", "return_per_order"),
    "api:create": ("carts_per_address",),
    "storefront:puja": ("carts_per_address",),
    "api:start_payment": ("pay_per_address", "pay_per_cart"),
    "storefront:pay": ("pay_per_address", "pay_per_cart"),
    "storefront:cart": ("status_per_address", "status_per_cart"),
    "storefront:pending": ("status_per_address", "status_per_cart"),
    "storefront:failed": ("status_per_address", "status_per_cart"),
    "storefront:booked": ("bookings_per_address",),
    "storefront:calendar": ("bookings_per_address",),
    "storefront:login": ("sign_in_per_address", "sign_in_per_account", "sign_in_per_account_and_address"),
    "admin:login": ("sign_in_per_address", "sign_in_per_account", "sign_in_per_account_and_address"),
}
ONLY_POST = {"storefront:puja", "storefront:login", "admin:login"}


def rules(changes: dict[str, int]) -> dict[str, Rule]:
    """The rules with other numbers of calls; 0 switches one off, and "all" names those that are not named.

    What a process lets pass uncounted stays in proportion. Raises ValueError for a name that is none.
    """
    unknown = sorted(set(changes) - {*DEFAULTS, "all"})
    if unknown or any(calls < 0 for calls in changes.values()):
        wrong = ", ".join(unknown) or changes
        raise ValueError(f"{wrong} cannot be; there are all, {', '.join(DEFAULTS)}, from 0 up.")
    found = {}
    for name, rule in DEFAULTS.items():
        calls = changes.get(name, changes.get("all", rule.calls))
        found[name] = Rule(calls, rule.window, free=rule.free * calls // rule.calls)
    return {name: rule for name, rule in found.items() if rule.calls}
