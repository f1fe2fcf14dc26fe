"""Figures and reasons in words."""

from __future__ import annotations

STEPS = ((1, "s", 60), (60, "min", 60), (3600, "h", 48), (86400, "days", 0))


def span(seconds: float) -> str:
    """A length of time in its largest fitting unit: 42 s, 3 min, 5 h, 12 days. Below 10 s with tenths."""
    seconds = max(seconds, 0.0)
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    for size, unit, limit in STEPS:
        if not limit or seconds / size < limit:
            return f"{seconds / size:.0f} {unit}"
    raise AssertionError("unreachable")


def some(count: int, one: str, many: str) -> str:
    """ "1 customer", "1,204 payments" in Indian grouping."""
    return f"{grouped(count)} {one if count == 1 else many}"


def grouped(count: int) -> str:
    """An integer with Indian grouping: 12,34,567."""
    digits = str(count)
    head, tail = digits[:-3], digits[-3:]
    pairs = []
    while head:
        pairs.insert(0, head[-2:])
        head = head[:-2]
    return ",".join([*pairs, tail])


WHY = {
    "amount_mismatch": (
        "PhonePe took another sum than this order asks for.",
        "Nothing is booked. Compare the sums in the raw answer, return or ask for the difference in PhonePe's"
        " dashboard. Write to the customer what you decided, then mark it as settled.",
    ),
    "order_id_mismatch": (
        "PhonePe's order id is not the one that it gave when the order was made.",
        "Nothing is booked or failed by it. Ask PhonePe's support with the text on the order's page. Write to the"
        " customer what you decided, then mark it as settled.",
    ),
    "fulfilment_failed": (
        "The money is in, but booking fails again and again.",
        "It is still being tried. See the log for the error, then try again now, or refund the customer.",
    ),
    "unfulfillable": (
        "The money is in, but what was paid for cannot be delivered.",
        "Talk to the customer, then refund. When it can be delivered after all, book it; when you have found another"
        " way, mark it as settled.",
    ),
    "still_pending": (
        "PhonePe still says PENDING although the whole watch is over, or answers what is of no use or not known here.",
        "Ask once more now. When it stays so, ask PhonePe's support with the text on the order's page. Until it is"
        " decided or marked as settled, the customer cannot pay for this cart anew. Write to the customer what you"
        " decided, then mark it as settled.",
    ),
    "refund_failed": (
        "PhonePe says that a refund failed.",
        "Start a new refund. When it fails again, return the money in another way and mark the order as settled.",
    ),
    "refund_stuck": (
        "PhonePe has not taken in a refund for hours (minutes, where it refuses our keys or address), not finished it"
        " for a week, or speaks of another sum.",
        "See what payments_doctor says. Ask PhonePe's support with the text on the order's page."
        " It is still being asked about.",
    ),
    "unsettled": (
        "PhonePe's answer could not be settled here.",
        "The log says why (“an order could not be settled”). It is asked about again; this ends by itself with the"
        " first answer that can be settled.",
    ),
    "audit": (
        "The auditor found something here that it may not repair by itself.",
        "The order's page says which rule is broken. Find out why, mend it, then mark it as settled.",
    ),
}


def why(attention: str) -> tuple[str, str]:
    """What is wrong and what to do, for an order's `attention`."""
    return WHY.get(attention, (f"Needs a person: {attention}.", "See the order's page."))
