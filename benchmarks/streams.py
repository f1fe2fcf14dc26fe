"""Event streams held open by one `stream` process, as `deploy/okpuja-stream.service` starts it.

They are opened all at once, as browsers do after a restart; then held, quietly at first, and then one order after the
other changes.
"""

from __future__ import annotations

import json
import re
import resource
import shlex
import statistics
import subprocess
import sys
import time
from typing import Any

import psutil

from benchmarks import running
from benchmarks.tables import Table
from tests.ports import free_port

STREAMS = 500 if running.QUICK else 2000
CHANGES = 50 if running.QUICK else 200
CHANGE_EVERY_S = 0.05
IDLE_S = 5.0 if running.QUICK else 15.0
HEARD_WITHIN_S = 10.0  # twice the time within which a stream looks by itself
UNIT = running.ROOT / "deploy" / "okpuja-stream.service"
PATHS = running.LOGS / "streams.txt"

Figures = dict[str, Any]


def measure(origin: str) -> Figures:
    """Open, hold, and change; `origin` is the stand-in gateway's, which streams never ask."""
    running.empty_database()
    running.manage("seed_catalog")
    running.manage("make_orders", str(STREAMS), "--unregistered")
    _allow_descriptors()
    port, settings = free_port(), {"PHONEPE_BASE_URL": f"{origin}/apis/pg-sandbox"}
    with running.started("stream", *_server(port), quiet=True, **settings), running.database() as connection:
        running.wait_until(lambda: running.listens(port), "the stream service to listen")
        carts = connection.execute("SELECT cart_id FROM payments_order").fetchall()
        return _held(port, [f"/api/payments/cart/{cart_id}/events/" for (cart_id,) in carts], connection)


def table(figures: Figures) -> Table:
    """Of `measure`'s figures."""
    cells = {
        "opened at once, held by one process": f"{figures['held']:,}",
        "first event, p50": f"{figures['first_p50_s']:.1f} s",
        "first event, the last": f"{figures['first_all_s']:.1f} s",
        "memory for each": f"{figures['kib_each']:.0f} KiB",
        "CPU while nothing happens": f"{figures['idle_cpu']:.0%} of a core",
        "from a change to its event, p50": f"{figures['change_p50_ms']:.0f} ms",
        "from a change to its event, p95": f"{figures['change_p95_ms']:.0f} ms",
    }
    return Table(("event streams", "measured"), list(cells.items()))


def _server(port: int) -> list[str]:
    """The unit's own command line, at another port."""
    (line,) = re.findall(r"^ExecStart=\S+/granian (.*)$", UNIT.read_text(), re.MULTILINE)
    return ["-m", "granian", *shlex.split(re.sub(r"--port \S+", f"--port {port}", line))]


def _held(port: int, paths: list[str], connection: Any) -> Figures:
    PATHS.write_text("\n".join(paths))
    before = _weight(port)
    command = [sys.executable, "-m", "benchmarks.stream_load", str(port), str(PATHS)]
    with subprocess.Popen(
        command, cwd=running.ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as load:
        assert load.stdin
        assert load.stdout
        first_s = sorted(json.loads(load.stdout.readline()))
        assert len(first_s) == len(paths), f"{len(first_s)} of {len(paths)} streams told something"
        cpu_s = _cpu_s(port)
        time.sleep(IDLE_S)
        idle_cpu, weight = (_cpu_s(port) - cpu_s) / IDLE_S, _weight(port) - before
        delays_s = _delays_s(load, connection, paths)
        load.stdin.close()
    return {
        "held": len(paths),
        "first_p50_s": statistics.median(first_s),
        "first_all_s": first_s[-1],
        "kib_each": weight / 1024 / len(paths),
        "idle_cpu": idle_cpu,
        "change_p50_ms": statistics.median(delays_s) * 1000,
        "change_p95_ms": delays_s[int(len(delays_s) * 0.95)] * 1000,
    }


def _delays_s(load: Any, connection: Any, paths: list[str]) -> list[float]:
    """How long after each change its stream told it, shortest first."""
    changed_at = _change(connection, paths)
    time.sleep(HEARD_WITHIN_S)
    load.stdin.write("\n")
    load.stdin.flush()
    told_at = json.loads(load.stdout.readline())
    delays_s = sorted(told_at[path] - at for path, at in changed_at.items())
    assert delays_s[0] > 0, "a change was not told"
    return delays_s


def _allow_descriptors() -> None:
    """For this process and those that it starts, as the unit does."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _change(connection: Any, paths: list[str]) -> dict[str, float]:
    """Let something be new about one order after the other; when its transaction began, by path."""
    changed_at = {}
    for path in paths[:: len(paths) // CHANGES][:CHANGES]:
        cart_id = path.split("/")[-3]
        changed_at[path] = time.monotonic()
        connection.execute(
            "WITH changed AS (UPDATE payments_order SET answered_at = now() WHERE cart_id = %s RETURNING cart_id)"
            " SELECT pg_notify('payments_changed', cart_id) FROM changed",
            [cart_id],
        )
        time.sleep(CHANGE_EVERY_S)
    return changed_at


def _processes(port: int) -> list[psutil.Process]:
    """Those that serve the port, or hold a connection to it on the server's side."""
    pids = {c.pid for c in psutil.net_connections("tcp4") if c.laddr and c.laddr.port == port and c.pid}
    return [psutil.Process(pid) for pid in pids]


def _weight(port: int) -> int:
    """Bytes that belong to the server's processes alone."""
    return sum(process.memory_full_info().uss for process in _processes(port))


def _cpu_s(port: int) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in _processes(port))
