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

ROOT = Path(__file__).resolve().parents[1]
SDK_PYTHON = ROOT / ".venv-conformance" / "bin" / "python"
LATENCY_S = 0.05
IN_FLIGHT = (50, 200)
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
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


def main() -> None:
    """Measure every way at every number in flight and print the table."""
    if not SDK_PYTHON.exists():
        sys.exit("requests and the SDK are not installed: run `make bench`")
    gateway = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.gateway", str(LATENCY_S)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert gateway.stdout
        origin = gateway.stdout.readline().strip()
        sys.stdout.write(f"Status calls, {LATENCY_S * 1000:.0f} ms each: medians of {ROUNDS} turns\n")
        for in_flight in IN_FLIGHT:
            _print_table(in_flight, _measure(origin, in_flight))
    finally:
        gateway.terminate()
        gateway.wait(10)


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


def _print_table(in_flight: int, rows: dict[str, Row]) -> None:
    speed = rows[OURS][0]
    title = f"{in_flight} in flight"
    sys.stdout.write(f"{title:40}{'calls/s':>9}{'ours is':>10}{'CPU-s per 1,000':>18}\n")
    for name, (per_s, cpu) in rows.items():
        sys.stdout.write(f"{name:40}{per_s:9,.0f}{speed / per_s:8.1f} x{cpu:18.2f}\n")
    sys.stdout.write(f"{speed / (in_flight / LATENCY_S):.0%} of what the latency allows.\n")
    if in_flight == max(IN_FLIGHT):
        for name, bar in BARS:
            verdict = "met" if speed / rows[name][0] >= bar else "NOT met"
            sys.stdout.write(f"Bar: {bar:g} x {name}: {verdict}.\n")
