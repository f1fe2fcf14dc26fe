"""How long a claim of 200 orders takes when the table holds 10,000 orders, a million and ten million.

10,000 orders are due in each. `claims.claim_due` itself is timed, through the search path. The sizes take
turns, so that other work meets all of them. Each claim comes an hour after the one before, when every lease
is over: the orders go round, and as many dead rows lie about as in a table in use.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import full_tables, running
from benchmarks import plots as drawing
from benchmarks.full_tables import DUE
from benchmarks.tables import Table, show

LIMIT = 200
CLAIMS = 60 if running.QUICK else 200  # of each size: 50 take every due order once
LARGEST = int(os.environ.get("BENCH_ROWS", "1_000_000" if running.QUICK else "10_000_000"))
SIZES = tuple(size for size in (DUE, 1_000_000, 10_000_000) if size <= LARGEST)
BAR = 1.5
INDEX = "payments_order_due"


def main() -> dict[str, Any]:
    """Fill the tables, time claims of each, and show the plan of the largest."""
    running.prepare_database()
    running.use_django()
    with full_tables.filled(SIZES):
        figures = _figures(_measure(CLAIMS))
        plan = _plan(max(SIZES))
    figures["plan"] = plan
    show(*tables(figures))
    return figures


def tables(figures: dict[str, Any]) -> list[Table]:
    """Claim time by size."""
    rows = [
        (f"{size:,}", f"{one['claim_ms']:.1f}", f"{one['time_ratio']:.2f} ×", f"{one['postgres_cpu_ms']:.1f}")
        for size, one in _by_size(figures)
    ]
    met = all(one["time_ratio"] <= BAR for _, one in _by_size(figures))
    note = f"Bar: within {BAR} × of the time at {DUE:,} rows: {'met' if met else 'NOT met'}."
    plan = [line for line in figures["plan"] if "Buffers" not in line and "Searches" not in line]
    note += "\n\n" + "\n".join([f"The plan at {max(SIZES):,} rows:", "", "```", *plan, "```"])
    return [Table(("rows", f"ms for a claim of {LIMIT}", "ratio", "of it PostgreSQL's CPU, ms"), rows, note)]


def plots(figures: dict[str, Any]) -> dict[str, str]:
    """Claim time over size."""
    series = {
        name: [(size, one[key]) for size, one in _by_size(figures)]
        for name, key in (("a claim", "claim_ms"), ("PostgreSQL's CPU", "postgres_cpu_ms"))
    }
    title = f"A claim of {LIMIT} orders, {DUE:,} of them due: ms (median)"
    return {"claim": drawing.lines(title, series, x_name="rows in payments_order")}


def _by_size(figures: dict[str, Any]) -> list[tuple[int, dict[str, float]]]:
    return [(size, figures[_key(size)]) for size in SIZES if _key(size) in figures]


def _key(rows: int) -> str:
    return f"at_{rows}_rows"


@dataclass(frozen=True, slots=True)
class Taken:
    """One claim: how long it took, and for how much of that PostgreSQL had a core."""

    wall_s: float
    postgres_s: float


def _figures(claims: dict[int, list[Taken]]) -> dict[str, Any]:
    figures = {
        rows: {
            "claim_ms": median(one.wall_s for one in taken) * 1000,
            "postgres_cpu_ms": median(one.postgres_s for one in taken) * 1000,
        }
        for rows, taken in claims.items()
    }
    base = figures[DUE]["claim_ms"]
    return {_key(rows): one | {"time_ratio": one["claim_ms"] / base} for rows, one in figures.items()}


def _measure(count: int) -> dict[int, list[Taken]]:
    """Every claim, by size; a first round of all due orders warms up and is not counted."""
    from django.utils import timezone

    taken: dict[int, list[Taken]] = {rows: [] for rows in SIZES}
    begin = timezone.now()
    for nth in range(-DUE // LIMIT, count):
        for rows in SIZES:
            one = _claim(rows, begin + timedelta(hours=nth + 100))
            if nth >= 0:
                taken[rows].append(one)
    return taken


def _claim(rows: int, now: datetime) -> Taken:
    from payments import claims

    backend = _look_into(rows)
    cpu_s, wall_s = _had_a_core_s(backend), time.perf_counter()
    claimed = claims.claim_due(now=now, limit=LIMIT)
    taken = Taken(time.perf_counter() - wall_s, _had_a_core_s(backend) - cpu_s)
    assert len(claimed) == LIMIT, f"{len(claimed)} orders were claimed of {rows:,}"
    return taken


def _had_a_core_s(pid: int) -> float:
    """To the nanosecond; a busy machine does not lengthen it as it lengthens the wait."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def _plan(rows: int) -> list[str]:
    """How PostgreSQL runs a claim. Raises AssertionError when it finds what is due by anything but the due index."""
    from django.db import connection, transaction
    from django.utils import timezone

    from payments import claims

    _look_into(rows)
    statements: list[tuple[str, Any]] = []

    def keep(execute: Any, statement: str, values: Any, *rest: Any) -> Any:
        statements.append((statement, values))
        return execute(statement, values, *rest)

    with connection.execute_wrapper(keep):
        claims.claim_due(now=timezone.now() + timedelta(days=400), limit=LIMIT, lease=timedelta(0))
    [(statement, values)] = [one for one in statements if one[0].strip().startswith("UPDATE")]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF) {statement}", values)
        plan = [line for (line,) in cursor.fetchall()]
        transaction.set_rollback(True)
    assert any(f"using {INDEX} " in line for line in plan), plan
    assert not any("Seq Scan" in line for line in plan), plan
    return plan


def _look_into(rows: int) -> int:
    """Let Django's connection see the table of this size; the process that serves it."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(f"SET search_path = {full_tables.schema(rows)}, public")
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])
