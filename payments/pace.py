"""How fast PhonePe may be called at this moment, and why not faster: the throttle's row for people and metrics."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from payments import throttle
from payments.models import GatewayThrottle


def state(*, now: datetime) -> dict[str, Any] | None:
    """The whole row for people and metrics, waits as seconds from `now`; None before the first call."""
    row = GatewayThrottle.objects.filter(pk=1).first()
    if row is None:
        return None
    breaker = "half open" if row.probing else "open" if row.pause_s else "closed"
    return {
        "rate": row.rate,
        "ceiling": throttle.ceiling_rate(),
        "refused_rate": row.refused_rate or None,
        "tokens": round(row.tokens, 3),
        "limited_for_s": _left_s(row.limited_until, now),
        "breaker": breaker,
        "breaker_open": breaker != "closed",
        "breaker_half_open": row.probing,
        "blocked_until": row.blocked_until,
        "blocked_for_s": _left_s(row.blocked_until, now),
        "pause_s": row.pause_s,
        "failures_in_a_row": row.failures,
        "customer_first_for_s": _left_s(row.priority_until, now),
    }


def _left_s(until: datetime | None, now: datetime) -> float:
    return max(0.0, round((until - now).total_seconds(), 3)) if until else 0.0


def sentence(state: dict[str, Any]) -> str:
    """How fast we may call PhonePe, and why not faster."""
    facts = [f"{state['rate']:.3g} of {state['ceiling']:g} calls/s allowed"]
    if state["refused_rate"]:
        facts.append(f"last refused at {state['refused_rate']:.3g}/s")
    if state["limited_for_s"]:
        facts.append(f"quiet for {state['limited_for_s']:.0f} s more, as PhonePe asked")
    facts.append(f"breaker {state['breaker']}")
    if state["blocked_for_s"]:
        facts.append(f"next try in {state['blocked_for_s']:.0f} s")
    if state["failures_in_a_row"]:
        facts.append(f"{state['failures_in_a_row']} failures in a row")
    return ", ".join(facts)
