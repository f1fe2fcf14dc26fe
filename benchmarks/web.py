"""The status endpoint beside a plain ORM view on gunicorn, and what event streams weigh.

Two workers each, 64 connections, guests' carts. "Final" orders are booked; "waiting" ones are INITIATED for longer
than STATUS_VERIFY_AFTER, so that PhonePe (50 ms) is asked once in 3 s for each, however many ask us.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import psutil

from benchmarks import plots as drawing
from benchmarks import running
from benchmarks.tables import Table, show

TURNS = 1 if running.QUICK else 3
SECONDS = 3.0 if running.QUICK else 5.0
WARM_S = 2.0
ORDERS, WAITING = 2000, 64
STREAMS = 200 if running.QUICK else 500
LATENCY_S = 0.05
BAR = 1.8
OURS = ("--interface", "wsgi", "--workers", "2", "--blocking-threads", "8", "okpuja.wsgi:application")
STREAM = ("--interface", "asgi", "--workers", "1", "okpuja.asgi:application")
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
        figures = _final(origin) | {"waiting": _waiting(origin), "streams": _streams(origin)}
    for table in tables(figures):
        show(table)
    return figures


def tables(figures: Figures) -> list[Table]:
    """Speed and slowness of the two servers, and the weight of a stream."""
    kinds = {"final, ours": "final", "final, plain view on gunicorn": "plain", "waiting, ours": "waiting"}
    rows = [
        (title, f"{one['per_s']:,.0f}", f"{one['p50_ms']:.1f}", f"{one['p99_ms']:.1f}")
        for title, one in ((title, figures[kind]) for title, kind in kinds.items())
    ]
    ratio, streams, waiting = figures["plain_view_ratio"], figures["streams"], figures["waiting"]
    note = (
        f"Ours is {ratio:.2f} x the plain view (bar: {BAR}). {waiting['orders']} waiting orders were asked about"
        f" {waiting['calls']:.0f} times in {waiting['seconds']:.0f} s, which is"
        f" {waiting['per_3_s_share']:.2f} times per order and 3 s."
        f" {streams['held']:,} event streams held open by one process: {streams['kib_each']:.0f} KiB each."
    )
    return [Table(("order", "requests/s", "p50, ms", "p99, ms"), rows, note)]


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
        found = _load(ours)
        calls = _asks(connection) - before
    per_3_s = calls / WAITING / (found["seconds"] / 3)
    return found | {"orders": WAITING, "calls": calls, "per_3_s_share": per_3_s}


def _asks(connection: Any) -> float:
    return float(connection.execute("SELECT sum(asks) FROM payments_order").fetchone()[0])


def _streams(origin: str) -> Figures:
    running.empty_database()
    running.manage("seed_catalog")
    running.manage("make_orders", str(STREAMS), "--unregistered")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with running.database() as connection, _ours(origin, *STREAM) as port:
        _write_paths(connection, "events")
        before = _weight(port)
        command = [sys.executable, "-m", "benchmarks.web_load", str(port), "0", str(PATHS)]
        with subprocess.Popen(
            command, cwd=running.ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as load:
            assert load.stdout
            assert load.stdin
            told = int(load.stdout.readline())
            after = _weight(port)
            load.stdin.close()
    assert told == STREAMS, f"{told} of {STREAMS} streams told something"
    return {"held": told, "kib_each": (after - before) / 1024 / told}


def _load(port: int, seconds: float = SECONDS) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.web_load", str(port), str(seconds), str(PATHS)]
    done = subprocess.run(command, cwd=running.ROOT, check=True, stdout=subprocess.PIPE, text=True)
    requests, seconds, p50, p99 = map(float, done.stdout.split())
    return {"per_s": requests / seconds, "p50_ms": p50, "p99_ms": p99, "seconds": seconds}


@contextmanager
def _ours(origin: str, *server: str) -> Iterator[int]:
    port = running.free_port()
    address = ("--host", "127.0.0.1", "--port", str(port), "--no-ws", "--log-level", "error")
    settings = {"PHONEPE_BASE_URL": f"{origin}/apis/pg-sandbox"}
    with _up("web", port, "-m", "granian", *address, *server, **settings):
        yield port


@contextmanager
def _plain() -> Iterator[int]:
    port = running.free_port()
    with _up("plain", port, *PLAIN, "--bind", f"127.0.0.1:{port}"):
        yield port


@contextmanager
def _up(name: str, port: int, *command: str, **settings: str) -> Iterator[None]:
    with ExitStack() as stack:
        stack.enter_context(running.started(name, *command, **settings))
        running.wait_until(lambda: _listens(port), f"{name} to listen")
        yield


def _listens(port: int) -> bool:
    return any(
        c.laddr.port == port and c.status == psutil.CONN_LISTEN for c in psutil.net_connections("tcp4")
    )


def _weight(port: int) -> int:
    """Bytes that belong to the server's processes alone."""
    pids = {c.pid for c in psutil.net_connections("tcp4") if c.laddr and c.laddr.port == port and c.pid}
    return sum(psutil.Process(pid).memory_full_info().uss for pid in pids)


def _write_paths(connection: Any, what: str) -> None:
    carts = connection.execute("SELECT cart_id FROM payments_order").fetchall()
    PATHS.write_text("".join(f"/api/payments/cart/{cart_id}/{what}/\n" for (cart_id,) in carts))
