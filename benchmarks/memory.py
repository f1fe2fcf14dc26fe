"""How much memory a checker needs with a thousand, a hundred thousand and a million orders due.

A real checker sweeps for some seconds against the stand-in gateway while its memory is looked at ten times a
second. Of the orders that fall due first one in five is paid, so bookings and their mails are among its work.
"""

from __future__ import annotations

import csv
import time
from dataclasses import dataclass
from typing import Any

import psutil

from benchmarks import plots as drawing
from benchmarks import running
from benchmarks.tables import Table, show

SIZES = (1_000, 100_000) if running.QUICK else (1_000, 100_000, 1_000_000)
SECONDS = 6.0 if running.QUICK else 10.0
LOOK_EVERY_S = 0.1
LATENCY_S = 0.05
WITH_CARTS = 5_000  # of the orders at most: these are asked about first, and may be paid
PAID_EVERY = 5
MEGA = 1_000_000
FILE = running.LOGS / "orders.csv"

FILL = """
INSERT INTO payments_order (
    merchant_order_id, cart_id, amount, status, created_at, expires_at, snapshot, gateway_order_id, gateway_state,
    pay_page_url, failure_code, payment_mode, utr, completed_by, fulfilment, fulfilment_reference, fulfil_attempts,
    attention, nudged_by, asks, next_check_at
)
SELECT
    'OKP-261124-' || lpad(to_hex(n), 20, '0'), 'cart ' || lpad(n::text, 10, '0'), 149900, 'INITIATED',
    now() - interval '5 min', now() + interval '10 min',
    '{}', '', '', '', '', '', '', '', '', '', 0, '', '', 0, now()
FROM generate_series(1, %s) AS n
"""


@dataclass(slots=True)
class Peak:
    """The most that was seen of a process, in bytes: with and without what it shares with others."""

    rss: int = 0
    uss: int = 0

    def look_at(self, process: psutil.Process) -> None:
        seen = process.memory_full_info()
        self.rss, self.uss = max(self.rss, seen.rss), max(self.uss, seen.uss)


def main() -> dict[str, Any]:
    """Measure with ever more orders due."""
    running.prepare_database()
    figures: dict[str, Any] = {_key(size): _measure(size) for size in SIZES}
    running.empty_database()
    for one in figures.values():
        one["memory_ratio"] = one["uss_mb"] / figures[_key(SIZES[0])]["uss_mb"]
    show(*tables(figures))
    return figures


def tables(figures: dict[str, Any]) -> list[Table]:
    """Peak memory by the number of orders due."""
    rows = [
        (
            f"{size:,}",
            f"{one['rss_mb']:.0f}",
            f"{one['uss_mb']:.0f}",
            f"{one['memory_ratio']:.2f} ×",
            f"{one['asked']:,}",
        )
        for size, one in _by_size(figures)
    ]
    return [
        Table(("orders due", "peak RSS, MB", "peak USS, MB", "ratio", f"asked about in {SECONDS:g} s"), rows)
    ]


def plots(figures: dict[str, Any]) -> dict[str, str]:
    """Peak memory over the number of orders due."""
    series = {
        name.upper(): [(size, one[f"{name}_mb"]) for size, one in _by_size(figures)]
        for name in ("rss", "uss")
    }
    return {"memory": drawing.lines("Peak memory of a checker, MB", series, x_name="orders due")}


def _key(size: int) -> str:
    return f"with_{size}_due"


def _by_size(figures: dict[str, Any]) -> list[tuple[int, dict[str, float]]]:
    return [(size, figures[_key(size)]) for size in SIZES if _key(size) in figures]


def _measure(size: int) -> dict[str, float]:
    _make_due(size)
    peak = Peak()
    with running.stub_gateway(LATENCY_S, FILE) as origin, running.checkers(1, origin) as (checker,):
        process = psutil.Process(checker.pid)
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            peak.look_at(process)
            time.sleep(LOOK_EVERY_S)
    return {"rss_mb": peak.rss / MEGA, "uss_mb": peak.uss / MEGA, "asked": _asked()}


def _make_due(size: int) -> None:
    running.empty_database()
    with_carts = min(size, WITH_CARTS)
    running.manage("make_orders", str(with_carts), "--unregistered")
    with running.database() as connection:
        connection.execute("UPDATE payments_order SET next_check_at = now() - interval '1 min'")
        orders = connection.execute(
            "SELECT merchant_order_id, amount FROM payments_order ORDER BY id"
        ).fetchall()
        connection.execute(
            "SET session_replication_role = replica"
        )  # the guards have nothing to say about these
        connection.execute(FILL, [size - with_carts])
        connection.execute("ANALYZE payments_order")
    with FILE.open("w") as file:
        states = ("PENDING" if nth % PAID_EVERY else "COMPLETED" for nth in range(len(orders)))
        csv.writer(file).writerows((*order, state) for order, state in zip(orders, states, strict=True))


def _asked() -> int:
    with running.database() as connection:
        row = connection.execute("SELECT count(*) FROM payments_order WHERE asks > 0").fetchone()
    return int(row[0]) if row else 0
