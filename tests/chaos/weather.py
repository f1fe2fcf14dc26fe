"""The gateway's troubles: some that last as long as the chaos, and gusts that come and go."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

from tests.chaos.emulator import Emulator
from tests.chaos.tally import Tally

Rule = dict[str, Any]


def _rule(on: str, kind: str, rate: float, **how: Any) -> Rule:
    return {"on": on, "kind": kind, "rate": rate, **how}


LASTING = (
    _rule("webhook", "lost", 0.35),
    _rule("webhook", "doubled", 0.15),
    _rule("webhook", "delayed", 0.15, seconds=3),
    _rule("webhook", "wrong_credential", 0.05),
    _rule("webhook", "out_of_order", 0.05, seconds=4),
    _rule("webhook", "flat", 0.1),
    _rule("webhook", "nameless_refund", 0.1),
    _rule("token", "server_error", 0.1, status=503),
    _rule("token", "rate_limited", 0.02),
    _rule("pay", "stored_then_error", 0.08),
    _rule("pay", "stored_then_hang", 0.01, seconds=12),
    _rule("pay", "server_error", 0.05, status=502, body="html"),
    _rule("pay", "reset", 0.03),
    _rule("pay", "rate_limited", 0.01, retryAfter=1),
    _rule("status", "server_error", 0.01, status=500),
    _rule("status", "server_error", 0.01, status=502, body="html"),
    _rule("status", "server_error", 0.01, status=503, body="empty"),
    _rule("status", "hang", 0.003, seconds=12),
    _rule("status", "reset", 0.01),
    _rule("status", "latency", 0.05, seconds=0.2, spread=1),
    _rule("status", "html_200", 0.005),
    _rule("status", "truncated_json", 0.01),
    _rule("status", "unknown_state", 0.01),
    _rule("status", "unknown_payment_mode", 0.02),
    _rule("status", "unknown_fields", 0.05),
    _rule("status", "rate_limited", 0.0005, retryAfter=1),
    _rule("any", "unauthorized", 0.01),
    _rule("refund", "stored_then_error", 0.25),
    _rule("refund", "stored_then_hang", 0.03, seconds=12),
    _rule("refund", "server_error", 0.1),
    _rule("refund", "reset", 0.05),
    _rule("refund_status", "server_error", 0.1, status=503),
    _rule("refund_status", "truncated_json", 0.05),
)
GUSTS = (
    _rule("any", "server_error", 1, status=503),
    _rule("any", "rate_limited", 0.5, retryAfter=1),
    _rule("any", "unauthorized", 0.7),
    _rule("any", "reset", 0.8),
    _rule("status", "hang", 0.2, seconds=4),
    _rule("any", "latency", 1, seconds=0.3, spread=0.7),
)
GUST_S = (0.5, 2.5)
BETWEEN_S = (2.0, 6.0)


async def blow(emulator: Emulator, webhook_urls: tuple[str, ...], tally: Tally, *, seed: int) -> None:
    """Until cancelled. Each gust also turns the webhooks to another of the web processes."""
    chance = Random(f"{seed}/weather")
    for rule in LASTING:
        await emulator.call("POST", "faults", rule)
    while True:
        await emulator.call("POST", "settings", {"webhook_url": chance.choice(webhook_urls)})
        await asyncio.sleep(chance.uniform(*BETWEEN_S))
        gust = await emulator.call("POST", "faults", chance.choice(GUSTS))
        await asyncio.sleep(chance.uniform(*GUST_S))
        await _count(emulator, tally, only=gust["id"])
        await emulator.call("DELETE", f"faults/{gust['id']}")


async def clear(emulator: Emulator, tally: Tally) -> None:
    """End all faults, and count how often they struck."""
    await _count(emulator, tally)
    await emulator.call("DELETE", "faults")


async def _count(emulator: Emulator, tally: Tally, *, only: int | None = None) -> None:
    for rule in (await emulator.call("GET", "faults"))["faults"]:
        if only in (None, rule["id"]):
            subject = "webhook faults" if rule["on"] == "webhook" else "faults"
            tally.count(subject, rule["kind"], rule["struck"])
