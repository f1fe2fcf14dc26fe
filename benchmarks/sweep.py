"""How fast due orders are verified and settled, beside other ways of doing it, in one run.

The gateway takes 50 ms to answer and sets no limit; one order in five is paid, with a place kept for it, so
the figures contain bookings, audit trail, mails' jobs and all. Each way is a process of its own on a fresh copy
of one database. CPU is that of the way's processes and of PostgreSQL.
"""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg

from okpuja.embedded import server

ROOT = Path(__file__).resolve().parents[1]
ORDERS = int(os.environ.get("BENCH_ORDERS", "10000"))
PAID_EVERY = 5
LATENCY_S = 0.05
IN_FLIGHT_ALLOWS = 200 / LATENCY_S
PAUSE_S = (5 + 8) / 2  # between two orders, in the loop that this system replaces
TURNS = 3
MASTER = "bench_master"

ENVIRONMENT = {
    **os.environ,
    "DEBUG": "0",
    "SECRET_KEY": "for-benchmarks-only-" + "0123456789" * 4,
    "LOG_LEVEL": "ERROR",
    "PHONEPE_ENV": "sandbox",
    "PHONEPE_OAUTH_URL": "",
    "PHONEPE_BASE_URL": "http://127.0.0.1:1/apis/pg-sandbox",
    "PHONEPE_MAX_RPS": "100000",
    "PHONEPE_CLIENT_ID": "SANDBOX_CLIENT",
    "PHONEPE_CLIENT_SECRET": "sandbox-secret",
    "PAYMENT_EXPIRE_AFTER": "3600",
    "DJANGO_SETTINGS_MODULE": "okpuja.settings",
    "PGOPTIONS": "-c payments.may_truncate=on",
}


@dataclass(frozen=True, slots=True)
class Way:
    """What is measured: `processes` of a way of `sweep_ways`, over so many orders, so many times."""

    title: str
    name: str
    orders: int
    processes: int = 1
    turns: int = 1


@dataclass(frozen=True, slots=True)
class Turn:
    per_s: float
    cpu_per_1000_s: float


def ways() -> list[Way]:
    """The ways in the table's order."""
    return [
        Way("a plain loop, one after the other", "loop", 100),
        Way("one Procrastinate job per check", "procrastinate", 1000),
        Way("one Celery task per check", "celery", 1000),
        Way("our sweep", "sweep", ORDERS, turns=TURNS),
        Way("our sweep, two processes", "sweep", ORDERS, processes=2, turns=TURNS),
    ]


def main() -> dict[str, Any]:
    """Measure all ways and print the table."""
    host = server.start()
    with psycopg.connect(host=host, user="postgres", dbname="postgres", autocommit=True) as postgres:
        _make_master(postgres, host)
        found: dict[str, Turn] = {}
        for way in ways():
            if way.name == "celery" and not _answers(5672):
                sys.stdout.write("No RabbitMQ on port 5672: Celery is left out.\n")
                continue
            found[way.title] = _median([_turn(way, postgres, host) for _ in range(way.turns)])
        _drop(postgres, MASTER)
    return _table(found)


def _median(turns: list[Turn]) -> Turn:
    return Turn(
        statistics.median(turn.per_s for turn in turns),
        statistics.median(turn.cpu_per_1000_s for turn in turns),
    )


def _make_master(postgres: psycopg.Connection[Any], host: str) -> None:
    """A database with all orders due, which every turn gets a copy of."""
    _drop(postgres, MASTER)
    postgres.execute(f"CREATE DATABASE {MASTER}")
    environment = ENVIRONMENT | {"DATABASE_URL": _url(host, MASTER)}
    for command in (
        ["migrate", "--verbosity", "0"],
        ["seed_catalog"],
        ["make_orders", str(ORDERS), "--unregistered"],
    ):
        subprocess.run(
            [sys.executable, "manage.py", *command],
            cwd=ROOT,
            env=environment,
            check=True,
            stdout=subprocess.PIPE,
        )
    with psycopg.connect(host=host, user="postgres", dbname=MASTER, autocommit=True) as master:
        master.execute("VACUUM ANALYZE")
        rows = master.execute("SELECT merchant_order_id, amount FROM payments_order ORDER BY id").fetchall()
    _answers_file().write_text(
        "".join(
            f"{name},{amount},{'PENDING' if number % PAID_EVERY else 'COMPLETED'}\n"
            for number, (name, amount) in enumerate(rows)
        )
    )


def _turn(way: Way, postgres: psycopg.Connection[Any], host: str) -> Turn:
    name = f"bench_{way.name}"
    _drop(postgres, name)
    postgres.execute(f"CREATE DATABASE {name} TEMPLATE {MASTER}")
    postgres.execute("CHECKPOINT")
    with _gateway() as origin:
        environment = ENVIRONMENT | {
            "DATABASE_URL": _url(host, name),
            "PHONEPE_BASE_URL": f"{origin}/apis/pg-sandbox",
        }
        share = way.orders // way.processes
        children = [_start(way.name, share, environment) for _ in range(way.processes)]
        for child in children:
            assert child.stdout
            assert child.stdout.readline() == "ready\n", f"{way.title} did not start"
        before = _postgres_cpu_s()
        for child in children:
            assert child.stdin
            child.stdin.write("go\n")
            child.stdin.flush()
        told = [child.communicate(timeout=300)[0].split()[-3:] for child in children]
        postgres_s = _postgres_cpu_s() - before
    _drop(postgres, name)
    done = sum(int(orders) for orders, _, _ in told)
    assert done == share * way.processes, f"{way.title}: {done} of {way.orders} orders were verified"
    wall_s = max(float(wall) for _, wall, _ in told)
    cpu_s = sum(float(cpu) for _, _, cpu in told) + postgres_s
    return Turn(done / wall_s, cpu_s / done * 1000)


def _start(name: str, orders: int, environment: dict[str, str]) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    command = [sys.executable, "-m", "benchmarks.sweep_ways", name, str(orders)]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdin=pipe, stdout=pipe, text=True)


@contextmanager
def _gateway() -> Iterator[str]:
    command = [sys.executable, "-m", "benchmarks.gateway", str(LATENCY_S), str(_answers_file())]
    gateway = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert gateway.stdout
        yield gateway.stdout.readline().strip()
    finally:
        gateway.terminate()
        gateway.wait(10)


def _table(found: dict[str, Turn]) -> dict[str, Any]:
    paused = Turn(1 / (PAUSE_S + 1 / found["a plain loop, one after the other"].per_s), 0)
    rows = {"a loop with pauses of 5 to 8 s (computed)": paused} | found
    ours = found["our sweep"]
    sys.stdout.write(f"{'':44}{'orders/s':>10}{'ours is':>10}{'CPU-s per 1,000':>18}\n")
    for title, turn in rows.items():
        cpu = f"{turn.cpu_per_1000_s:18.2f}" if turn.cpu_per_1000_s else ""
        sys.stdout.write(f"{title:44}{turn.per_s:10,.2f}{ours.per_s / turn.per_s:9,.1f}x{cpu}\n")
    share = ours.per_s / IN_FLIGHT_ALLOWS
    sys.stdout.write(f"One sweep reached {share:.0%} of what 200 calls in flight at 50 ms allow.\n")
    return {
        "ways": {
            title: {"per_s": turn.per_s, "cpu_per_1000_s": turn.cpu_per_1000_s}
            for title, turn in rows.items()
        },
        "in_flight_share": share,
        "two_processes_ratio": found["our sweep, two processes"].per_s / ours.per_s,
    } | {f"{key}_ratio": ours.per_s / found[title].per_s for key, title in _beside(found)}


def _beside(found: dict[str, Turn]) -> Iterator[tuple[str, str]]:
    for way in ways():
        if way.name != "sweep" and way.title in found:
            yield way.name, way.title


def _postgres_cpu_s() -> float:
    """What the server has used since its start, ended backends included."""
    main = psutil.Process(int(server.PID_FILE.read_text().split()[0]))
    while True:
        try:
            ended = main.cpu_times()
            living = [process.cpu_times() for process in (main, *main.children())]
        except psutil.NoSuchProcess:
            continue  # a backend ended while we looked: it is among the ended now
        return sum(one.user + one.system for one in living) + ended.children_user + ended.children_system


def _answers_file() -> Path:
    return ROOT / "var" / "bench-orders.csv"


def _url(host: str, name: str) -> str:
    return f"postgresql:///{name}?host={host}&user=postgres"


def _drop(postgres: psycopg.Connection[Any], name: str) -> None:
    postgres.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


if __name__ == "__main__":
    main()
