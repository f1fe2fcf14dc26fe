"""What share of the gateway's limit checkers use, and what share of their calls it refuses.

The emulator answers 429 above so many calls in any second; the checkers' own ceiling, `PHONEPE_MAX_RPS`, is
that limit, as an operator would set it, but for one row where it is far above and the limit has to be found.
There is always something due. Counted from the emulator's own record, after the throttle has settled.

At the start every process signs in, and since the ceiling is the limit itself the limit is met for the first time:
a pause of a second, half the rate, and back. Few calls a second need longer for that, so counting begins 3 s and
60 calls' time after the first call, and later where the limit has to be found. From then on the throttle meets the
limit about once a minute, by design, and pauses: in a shorter span, whether it falls into it would decide. So a
whole minute is counted.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks import plots as drawing
from benchmarks import running
from benchmarks.tables import Table, show

UNKNOWN = 100  # the ceiling where the limit has to be found
SECONDS = 5 if running.QUICK else 60
FIND_S = 25.0
LATENCY_S = 0.05
BARS = (0.9, 0.02)  # at least this share of the limit, at most this share refused
REFUSED = 429


@dataclass(frozen=True, slots=True)
class Case:
    """One row of the table."""

    limit: int
    checkers: int
    ceiling: int

    @property
    def must_be_found(self) -> bool:
        """Whether nobody has told us of the limit."""
        return self.ceiling != self.limit

    @property
    def settle_s(self) -> float:
        """How long the throttle has to settle before anything is counted."""
        return FIND_S if self.must_be_found else 3.0 + 60 / self.limit

    @property
    def name(self) -> str:
        found = ", to be found" if self.must_be_found else ""
        return f"{self.limit} calls/s{found}, {self.checkers} checker{'s' * (self.checkers > 1)}"


KNOWN = tuple(
    Case(limit, n, limit) for limit in ((20, 100) if running.QUICK else (5, 20, 100)) for n in (1, 3)
)
CASES = KNOWN if running.QUICK else (*KNOWN, Case(20, 3, UNKNOWN))
ORDERS = 8_000  # more than any case can ask about


def main() -> dict[str, Any]:
    """Measure every limit with every number of checkers."""
    running.prepare_database()
    running.empty_database()
    with running.emulator(latency=LATENCY_S) as origin:
        running.manage("make_orders", str(ORDERS), PHONEPE_BASE_URL=f"{origin}/apis/pg-sandbox")
        figures = {case.name: _measure(case, origin) for case in CASES}
    show(*tables(figures))
    return figures


def tables(figures: dict[str, Any]) -> list[Table]:
    """Used and refused, by limit and number of checkers."""
    rows = [
        (name, f"{one['used_share']:.0%}", f"{one['refused_share']:.1%}") for name, one in figures.items()
    ]
    met = all(one["used_share"] >= BARS[0] and one["refused_share"] <= BARS[1] for one in figures.values())
    note = f"Bars: at least {BARS[0]:.0%} used, at most {BARS[1]:.0%} refused: {'met' if met else 'NOT met'}."
    return [Table(("limit", "of the limit used", "of the calls refused"), rows, note)]


def plots(figures: dict[str, Any]) -> dict[str, str]:
    """The share of each limit that was used."""
    used = {name: one["used_share"] for name, one in figures.items()}
    return {"limit": drawing.bars("Share of the gateway's limit used", used, number="{:.0%}".format)}


def _measure(case: Case, origin: str) -> dict[str, float]:
    running.control(origin, "settings", {"max_rps": case.limit})
    _make_all_due()
    before_ms = time.time() * 1000
    with running.checkers(case.checkers, origin, PHONEPE_MAX_RPS=str(case.ceiling)):
        running.wait_until(lambda: _calls(origin, case, before_ms), "the first call")
        time.sleep(case.settle_s)
        calls = list(_count(origin, case))
    refused = calls.count(REFUSED)
    return {
        "used_share": (len(calls) - refused) / (case.limit * SECONDS),
        "refused_share": refused / max(len(calls), 1),
    }


def _count(origin: str, case: Case) -> Iterator[int | None]:
    """What each call of the counted time was answered with, read second by second.

    Reading thousands at once holds the emulator up; the calls that wait meanwhile come together, and one is refused.
    """
    begun = time.time()
    for nth in range(SECONDS):
        since, until = begun + nth, begun + nth + 1
        time.sleep(max(0.0, until - time.time()) + 2 * LATENCY_S)  # until the last one is answered
        yield from _calls(origin, case, since * 1000, until * 1000)


def _calls(origin: str, case: Case, since_ms: float, until_ms: float = float("inf")) -> list[int | None]:
    """What each status call of a span of about a second was answered with."""
    newest = 20 + 3 * case.limit
    kept = running.control(origin, f"requests?limit={newest}")["requests"]
    assert len(kept) < newest or kept[-1]["at"] < since_ms, "there were more calls than are read"
    return [one["status"] for one in kept if one["kind"] == "status" and since_ms <= one["at"] < until_ms]


def _make_all_due() -> None:
    with running.database() as connection:
        connection.execute("UPDATE payments_order SET next_check_at = now(), leased_until = NULL")
        connection.execute("DELETE FROM payments_throttle")
