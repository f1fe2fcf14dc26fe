"""How fast the client asks, beside `requests` in threads and PhonePe's SDK in the same run.

Each way is a process of its own and asks a stand-in gateway that takes 50 ms (`gateway`); the ways
take turns, so that other work on this machine meets all of them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import plots as drawing
from benchmarks import running
from benchmarks.tables import Table, show

ROOT = Path(__file__).resolve().parents[1]
SDK_PYTHON = ROOT / ".venv-conformance" / "bin" / "python"
LATENCY_S = 0.05
IN_FLIGHT = (50, 200)
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "1" if running.QUICK else "3"))
SECONDS = 2.0
OURS, REQUESTS, SDK = "phonepe_pg", "requests in threads", "the SDK as it comes (10 connections)"
SDK_ENLARGED = "the SDK with as many connections"
WAYS = {
    OURS: (sys.executable, "ours"),
    REQUESTS: (str(SDK_PYTHON), "plain_requests"),
    SDK_ENLARGED: (str(SDK_PYTHON), "sdk_enlarged"),
    SDK: (str(SDK_PYTHON), "sdk_as_it_comes"),
}
BARS = ((REQUESTS, 3.0), (SDK, 10.0))

Row = tuple[float, float]  # calls per second, CPU seconds per 1,000 calls


def main() -> dict[str, Any]:
    """Measure every way at every number in flight and print the table."""
    if not SDK_PYTHON.exists():
        sys.exit("requests and the SDK are not installed: run `make bench`")
    with running.stub_gateway(LATENCY_S) as origin:
        figures = {
            _key(in_flight): _figures(in_flight, _measure(origin, in_flight)) for in_flight in IN_FLIGHT
        }
    for table in tables(figures):
        show(table)
    return figures


def tables(figures: dict[str, Any]) -> list[Table]:
    """A table for each number in flight."""
    return [_table(in_flight, figures[_key(in_flight)]) for in_flight in IN_FLIGHT]


def plots(figures: dict[str, Any]) -> dict[str, str]:
    """Calls per second of every way with the most in flight."""
    most = max(IN_FLIGHT)
    speeds = {name: row["per_s"] for name, row in figures[_key(most)]["ways"].items()}
    return {"client": drawing.bars(f"Status calls a second, {most} in flight", speeds, first=OURS)}


def _key(in_flight: int) -> str:
    return f"with_{in_flight}_in_flight"


def _figures(in_flight: int, rows: dict[str, Row]) -> dict[str, Any]:
    speed = rows[OURS][0]
    ways = {
        name: {"per_s": per_s, "cpu_s_per_1000": cpu, "ours_ratio": speed / per_s}
        for name, (per_s, cpu) in rows.items()
    }
    return {"ways": ways, "latency_share": speed / (in_flight / LATENCY_S)}


def _table(in_flight: int, figures: dict[str, Any]) -> Table:
    ways: dict[str, dict[str, float]] = figures["ways"]
    rows = [
        (name, f"{row['per_s']:,.0f}", f"{row['ours_ratio']:.1f} ×", f"{row['cpu_s_per_1000']:.2f}")
        for name, row in ways.items()
    ]
    note = f"{figures['latency_share']:.0%} of what the latency allows."
    if in_flight == max(IN_FLIGHT):
        for name, bar in BARS:
            verdict = "met" if ways[name]["ours_ratio"] >= bar else "NOT met"
            note += f" Bar: {bar:g} times {name}: {verdict}."
    return Table((f"{in_flight} in flight", "calls/s", "ours is", "CPU-s per 1,000"), rows, note)


def _measure(origin: str, in_flight: int) -> dict[str, Row]:
    turns: dict[str, list[Row]] = {name: [] for name in WAYS}
    for _ in range(ROUNDS):
        for name, (python, way) in WAYS.items():
            turns[name].append(_turn(python, way, origin, in_flight))
    return {name: (median(r[0] for r in rows), median(r[1] for r in rows)) for name, rows in turns.items()}


def _turn(python: str, way: str, origin: str, in_flight: int) -> Row:
    command = [python, "-m", "benchmarks.client_ways", way, origin, str(in_flight), str(SECONDS)]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    calls, wall_s, cpu_s = map(float, done.stdout.split())
    return calls / wall_s, cpu_s / calls * 1000
