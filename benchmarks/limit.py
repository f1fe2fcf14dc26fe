"""What share of the gateway's limit checkers use, and what share of their calls it refuses.

The emulator answers 429 above so many calls in any second; the checkers' own ceiling, `PHONEPE_MAX_RPS`, is
that limit, as an operator would set it. There is always something due. Counted from the emulator's own
record, after the throttle has settled.
"""

from __future__ import annotations

import time
from typing import Any

from benchmarks import plots as drawing
from benchmarks import running
from benchmarks.tables import Table, show

LIMITS = (20, 100) if running.QUICK else (5, 20, 100)
CHECKERS = (1, 3)
SETTLE_S = 3.0
SECONDS = 5.0 if running.QUICK else 8.0
LATENCY_S = 0.05
BARS = (0.9, 0.02)  # at least this share of the limit, at most this share refused
REFUSED = 429
ORDERS = int(max(LIMITS) * (SETTLE_S + SECONDS + 2))  # each is asked about once


def main() -> dict[str, Any]:
    """Measure every limit with every number of checkers."""
    running.prepare_database()
    with running.emulator(latency=LATENCY_S) as origin:
        running.manage("make_orders", str(ORDERS), PHONEPE_BASE_URL=f"{origin}/apis/pg-sandbox")
        figures = {_key(limit): {f"with_{n}": _cell(origin, limit, n) for n in CHECKERS} for limit in LIMITS}
    show(*tables(figures))
    return figures


def tables(figures: dict[str, Any]) -> list[Table]:
    """Used and refused, by limit and number of checkers."""
    rows = [
        (
            f"{limit} calls/s, {n} checker{'s' * (n > 1)}",
            f"{one['used_share']:.0%}",
            f"{one['refused_share']:.1%}",
        )
        for limit, n, one in _cells(figures)
    ]
    met = all(
        one["used_share"] >= BARS[0] and one["refused_share"] <= BARS[1] for _, _, one in _cells(figures)
    )
    note = f"Bars: at least {BARS[0]:.0%} used, at most {BARS[1]:.0%} refused: {'met' if met else 'NOT met'}."
    return [Table(("limit", "of the limit used", "of the calls refused"), rows, note)]


def plots(figures: dict[str, Any]) -> dict[str, str]:
    """The share of each limit that was used."""
    used = {
        f"{limit} calls/s, {n} checker{'s' * (n > 1)}": one["used_share"] for limit, n, one in _cells(figures)
    }
    return {"limit": drawing.bars("Share of the gateway's limit used", used, number="{:.0%}".format)}


def _key(limit: int) -> str:
    return f"at_{limit}_per_s"


def _cells(figures: dict[str, Any]) -> list[tuple[int, int, dict[str, float]]]:
    return [
        (limit, n, figures[_key(limit)][f"with_{n}"])
        for limit in LIMITS
        for n in CHECKERS
        if _key(limit) in figures
    ]


def _cell(origin: str, limit: int, checkers: int) -> dict[str, float]:
    running.control(origin, "settings", {"max_rps": limit})
    _make_all_due()
    before_ms = time.time() * 1000
    with running.checkers(checkers, origin, PHONEPE_MAX_RPS=str(limit)):
        running.wait_until(lambda: _calls(origin, before_ms), "the first call")
        time.sleep(SETTLE_S)
        begun_ms = time.time() * 1000
        time.sleep(SECONDS)
        calls = _calls(origin, begun_ms, begun_ms + SECONDS * 1000)
    refused = calls.count(REFUSED)
    return {
        "used_share": (len(calls) - refused) / (limit * SECONDS),
        "refused_share": refused / max(len(calls), 1),
    }


def _calls(origin: str, since_ms: float, until_ms: float = float("inf")) -> list[int | None]:
    """What each status call of a span was answered with."""
    kept = running.control(origin, "requests?limit=5000")["requests"]
    return [one["status"] for one in kept if one["kind"] == "status" and since_ms <= one["at"] < until_ms]


def _make_all_due() -> None:
    with running.database() as connection:
        connection.execute("UPDATE payments_order SET next_check_at = now(), leased_until = NULL")
        connection.execute("DELETE FROM payments_throttle")
