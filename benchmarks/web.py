"""The status endpoint beside a plain ORM view on gunicorn, and event streams (`benchmarks.streams`).

Two workers each, 64 connections, guests' carts. "Final" orders are booked; "waiting" ones are INITIATED for longer
than STATUS_VERIFY_AFTER, so that PhonePe (50 ms) is asked once in 3 s for each, however many ask us.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from benchmarks import plots as drawing
from benchmarks import running, streams
from benchmarks.tables import Table, show
from tests.ports import free_port

TURNS = 1 if running.QUICK else 3
SECONDS = 3.0 if running.QUICK else 5.0
WARM_S = 2.0
ORDERS, WAITING = 2000, 64
LATENCY_S = 0.05
BAR = 1.8
OURS = ("--interface", "wsgi", "--workers", "2", "--blocking-threads", "8", "okpuja.wsgi:application")
PLAIN = (
    "-m", "gunicorn", "--workers", "2", "--worker-class", "gthread", "--threads", "8",
    "--keep-alive", "30", "--log-level", "error", "benchmarks.plain_site:application",
)  # fmt: skip
PATHS = running.LOGS / "paths.txt"

Figures = dict[str, Any]


def main() -> Figures:
    """Measure both servers by turns, then the waiting orders, then the streams."""
    running.prepare_database()
    running.use_django()
    with running.stub_gateway(LATENCY_S) as origin:
        figures = _final(origin) | {"waiting": _waiting(origin), "streams": streams.measure(origin)}
    for table in tables(figures):
        show(table)
    return figures


def tables(figures: Figures) -> list[Table]:
    """Speed and slowness of the two servers; what streams cost, and how soon they tell."""
    kinds = {"final, ours": "final", "final, plain view on gunicorn": "plain", "waiting, ours": "waiting"}
    rows = [
        (title, f"{one['per_s']:,.0f}", f"{one['p50_ms']:.1f}", f"{one['p99_ms']:.1f}")
        for title, one in ((title, figures[kind]) for title, kind in kinds.items())
    ]
    ratio, waiting = figures["plain_view_ratio"], figures["waiting"]
    note = (
        f"Ours is {ratio:.2f} x the plain view (bar: {BAR}). {waiting['orders']} waiting orders were asked about"
        f" {waiting['calls']:.0f} times in {waiting['seconds']:.0f} s, which is"
        f" {waiting['per_3_s_share']:.2f} times per order and 3 s."
    )
    speeds = Table(("order", "requests/s", "p50, ms", "p99, ms"), rows, note)
    return [speeds, streams.table(figures["streams"])]


def plots(figures: Figures) -> dict[str, str]:
    """Requests a second."""
    speeds = {"ours": figures["final"]["per_s"], "plain view on gunicorn": figures["plain"]["per_s"]}
    return {"web": drawing.bars("Status of a final order, requests a second", speeds, first="ours")}


def _final(origin: str) -> Figures:
    """Both servers run all the while and take turns."""
    running.empty_database()
    running.manage("seed_catalog")
    running.manage("make_orders", str(ORDERS), "--unregistered")
    with running.database() as connection:
        connection.execute(
            "UPDATE payments_order SET status = 'SUCCESS', completed_at = now(), answered_at = now(),"
            " fulfilment = 'BOOKED', fulfilment_reference = 'BK-12345678', next_check_at = NULL"
        )
        _write_paths(connection, "status")
    with _ours(origin, *OURS) as ours, _plain() as plain:
        _load(ours, WARM_S)
        _load(plain, WARM_S)
        turns = [(_load(ours), _load(plain)) for _ in range(TURNS)]
    final, beside = (
        {name: statistics.median(t[of][name] for t in turns) for name in turns[0][0]} for of in (0, 1)
    )
    return {"final": final, "plain": beside, "plain_view_ratio": final["per_s"] / beside["per_s"]}


def _waiting(origin: str) -> Figures:
    running.empty_database()
    running.manage("seed_catalog")
    running.manage("make_orders", str(WAITING), "--unregistered", "--age", "60")
    with running.database() as connection, _ours(origin, *OURS) as ours:
        _write_paths(connection, "status")
        _load(ours, WARM_S)
        before = _asks(connection)
        found = _load(ours, 3 * SECONDS)  # of 5 s one order may be asked about twice
        calls = _asks(connection) - before
    per_3_s = calls / WAITING / (found["seconds"] / 3)
    return found | {"orders": WAITING, "calls": calls, "per_3_s_share": per_3_s}


def _asks(connection: Any) -> float:
    return float(connection.execute("SELECT sum(asks) FROM payments_order").fetchone()[0])


def _load(port: int, seconds: float = SECONDS) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.web_load", str(port), str(seconds), str(PATHS)]
    done = subprocess.run(command, cwd=running.ROOT, check=True, stdout=subprocess.PIPE, text=True)
    requests, seconds, p50, p99 = map(float, done.stdout.split())
    return {"per_s": requests / seconds, "p50_ms": p50, "p99_ms": p99, "seconds": seconds}


@contextmanager
def _ours(origin: str, *server: str) -> Iterator[int]:
    port = free_port()
    address = ("--host", "127.0.0.1", "--port", str(port), "--no-ws", "--log-level", "error")
    settings = {"PHONEPE_BASE_URL": f"{origin}/apis/pg-sandbox"}
    with _up("web", port, "-m", "granian", *address, *server, **settings):
        yield port


@contextmanager
def _plain() -> Iterator[int]:
    port = free_port()
    with _up("plain", port, *PLAIN, "--bind", f"127.0.0.1:{port}"):
        yield port


@contextmanager
def _up(name: str, port: int, *command: str, **settings: str) -> Iterator[None]:
    with ExitStack() as stack:
        stack.enter_context(running.started(name, *command, **settings))
        running.wait_until(lambda: running.listens(port), f"{name} to listen")
        yield


def _write_paths(connection: Any, what: str) -> None:
    carts = connection.execute("SELECT cart_id FROM payments_order").fetchall()
    PATHS.write_text("".join(f"/api/payments/cart/{cart_id}/{what}/\n" for (cart_id,) in carts))
