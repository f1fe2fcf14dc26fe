"""How fast due orders are verified, beside a plain sequential loop in the same run.

Emulator, PostgreSQL and both ways are real processes on this machine; the gateway takes 50 ms to answer
and sets no limit. One order in five is paid, so the figures contain bookings.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ORDERS = int(os.environ.get("BENCH_ORDERS", "5000"))
LOOP_ORDERS = 100
PAID_EVERY = 5
LATENCY_S = 0.05
IN_FLIGHT_ALLOWS = 200 / LATENCY_S

ENVIRONMENT = {
    **os.environ,
    "DEBUG": "0",
    "SECRET_KEY": "for-benchmarks-only-" + "0123456789" * 4,
    "LOG_LEVEL": "ERROR",
    "DATABASE_URL": "",
    "EMBEDDED_POSTGRES_DIR": str(ROOT / "var" / "bench-postgres"),
    "PHONEPE_ENV": "sandbox",
    "PHONEPE_OAUTH_URL": "",
    "PHONEPE_MAX_RPS": "100000",
    "PHONEPE_CLIENT_ID": "SANDBOX_CLIENT",
    "PHONEPE_CLIENT_SECRET": "sandbox-secret",
    "DJANGO_SETTINGS_MODULE": "okpuja.settings",
    "PGOPTIONS": "-c payments.may_truncate=on",
}


def main() -> None:
    """Measure both ways and print the table."""
    emulator = subprocess.Popen(
        [sys.executable, "-m", "phonepe_sandbox", "--port", "0"],
        cwd=ROOT,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert emulator.stdout
        origin = emulator.stdout.readline().split()[-1]
        ENVIRONMENT["PHONEPE_BASE_URL"] = f"{origin}/apis/pg-sandbox"
        _print_table(_measure(origin))
    finally:
        emulator.terminate()
        emulator.wait(10)


def _measure(origin: str) -> list[tuple[str, int, float, float]]:
    _run("manage.py", "migrate", "--verbosity", "0")
    return [
        ("a plain loop, one after the other", *_way(origin, "loop", LOOP_ORDERS)),
        ("one sweep", *_way(origin, "sweep", ORDERS)),
    ]


def _way(origin: str, name: str, orders: int) -> tuple[int, float, float]:
    _control(origin, "reset", {})
    _control(origin, "settings", {"latency": LATENCY_S})
    # Orders of an earlier run would be due as well.
    _run("manage.py", "flush", "--no-input", "--verbosity", "0")
    _run("manage.py", "seed_catalog")
    _run("manage.py", "make_orders", str(orders))
    with urllib.request.urlopen(f"{origin}/sandbox/api/orders?limit={orders}") as answer:  # noqa: S310
        known = json.load(answer)["orders"]
    for order in known[::PAID_EVERY]:
        _control(
            origin, f"orders/{order['merchantOrderId']}/outcome", {"outcome": "success", "webhook": False}
        )
    done, wall_s, cpu_s = _run("-m", "benchmarks.sweep_ways", name, str(orders)).split()[-3:]
    assert int(done) == orders, f"{done} of {orders} orders were verified"
    return orders, float(wall_s), float(cpu_s)


def _print_table(rows: list[tuple[str, int, float, float]]) -> None:
    base = rows[0][1] / rows[0][2]
    sys.stdout.write(f"{'':36}{'orders':>8}{'per s':>9}{'ratio':>8}{'CPU-s per 1,000':>18}\n")
    for name, orders, wall_s, cpu_s in rows:
        speed = orders / wall_s
        sys.stdout.write(
            f"{name:36}{orders:8,}{speed:9,.0f}{speed / base:8.1f}{cpu_s / orders * 1000:18.2f}\n"
        )
    share = rows[-1][1] / rows[-1][2] / IN_FLIGHT_ALLOWS
    sys.stdout.write(f"The sweep reached {share:.0%} of what 200 calls in flight at 50 ms allow.\n")


def _run(*command: str) -> str:
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=ENVIRONMENT, check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout


def _control(origin: str, path: str, body: dict[str, object]) -> None:
    request = urllib.request.Request(f"{origin}/sandbox/api/{path}", data=json.dumps(body).encode())  # noqa: S310
    urllib.request.urlopen(request).close()  # noqa: S310
