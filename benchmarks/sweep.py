"""How fast due orders are verified and settled, beside other ways of doing it, in one run.

The gateway takes 50 ms to answer and sets no limit; one order in five is paid, with a place kept for it, so
the figures contain bookings, audit trail, mails' jobs and all. Each way is a process of its own on a fresh copy
of one database. CPU is that of the way's processes and of PostgreSQL.
"""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import psutil
import psycopg

from benchmarks import plots as drawing
from benchmarks import running
from benchmarks.tables import Table, show

ORDERS = int(os.environ.get("BENCH_ORDERS", "4000" if running.QUICK else "10000"))
TURNS, TURNS_BESIDE = (1, 1) if running.QUICK else (5, 3)
PAID_EVERY = 5
LATENCY_S = 0.05
IN_FLIGHT_ALLOWS = 200 / LATENCY_S
PAUSE_S = (5 + 8) / 2  # between two orders, in the loop that this system replaces
MASTER, COPY = "bench_master", "bench_copy"
GO = signal.SIGUSR1
ANSWERS = running.LOGS / "orders.csv"
SETTINGS = {"PAYMENT_EXPIRE_AFTER": "3600", "PHONEPE_BASE_URL": "http://127.0.0.1:1/apis/pg-sandbox"}
RABBITMQ = 5672  # its port
PAUSED, LOOP, OURS, OURS_TWICE = (
    "a loop with pauses of 5 to 8 s (computed)", "a plain loop", "our sweep", "our sweep, two processes",
)  # fmt: skip
BARS = {"in_flight_share": 0.55, "two_processes_ratio": 1.7, "procrastinate_ratio": 8, "celery_ratio": 7}
CPU_BAR = 0.5

Server = psycopg.Connection[Any]
Figures = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Way:
    """What is measured: `processes` of a way of `sweep_ways`, over so many orders, so many times."""

    title: str
    name: str
    orders: int
    processes: int = 1
    turns: int = TURNS_BESIDE

    @property
    def tool(self) -> str:
        """What it is built with: `celery` of `celery_threads`."""
        return self.name.partition("_")[0]


WAYS = (
    Way(LOOP, "loop", 100),
    Way("one Procrastinate job per check", "procrastinate", 1000),
    Way("one Celery task per check, 8 threads", "celery_threads", 1000),
    Way("one Celery task per check, 8 processes", "celery_processes", 1000),
    Way(OURS, "sweep", ORDERS, turns=TURNS),
    Way(OURS_TWICE, "sweep", ORDERS, processes=2, turns=TURNS),
)


def main() -> Figures:
    """Measure all ways and print the table."""
    running.use_django()
    with running.database() as server:
        _make_master(server)
        found = _measure([way for way in WAYS if _can_run(way)], server)
        _drop(server, MASTER)
    figures = _compare(found)
    for table in tables(figures):
        show(table)
    return figures


def tables(figures: Figures) -> list[Table]:
    """Every way's speed and cost, and ours beside it."""
    rows = [
        (
            title,
            f"{way['per_s']:,.2f}",
            f"{way['ours_is']:,.1f} x",
            f"{way['cpu_per_1000_s']:.2f}".replace("0.00", ""),
        )
        for title, way in figures["ways"].items()
    ]
    cpu = figures["ways"][OURS]["cpu_per_1000_s"]
    missed = [name for name, bar in BARS.items() if figures.get(name, bar) < bar] + ["CPU"] * (cpu > CPU_BAR)
    note = (
        f"One sweep reached {figures['in_flight_share']:.0%} of what 200 calls in flight at 50 ms allow (bar: 55 %);"
        f" two reached {figures['two_processes_ratio']:.2f} x that (bar: 1.7)."
        f" {'Not met: ' + ', '.join(missed) if missed else 'All bars are met'}."
    )
    return [Table(("way", "orders/s", "ours is", "CPU-s per 1,000"), rows, note)]


def plots(figures: Figures) -> dict[str, str]:
    """Orders a second, by way."""
    speeds = {title: way["per_s"] for title, way in figures["ways"].items()}
    return {"sweep": drawing.bars("Orders verified and settled a second", speeds, first=OURS)}


def _can_run(way: Way) -> bool:
    if way.tool != "celery" or running.listens(RABBITMQ):
        return True
    sys.stdout.write(f"No RabbitMQ on port {RABBITMQ}: left out: {way.title}.\n")
    return False


def _measure(ways: Sequence[Way], server: Server) -> dict[str, dict[str, float]]:
    """The medians of each way's turns. The ways take turns: a machine is faster in one minute than in another."""
    told: dict[str, list[dict[str, float]]] = {way.title: [] for way in ways}
    for nth in range(TURNS):
        for way in ways:
            if nth < way.turns:
                told[way.title].append(_turn(way, server))
    return {
        title: {name: statistics.median(turn[name] for turn in turns) for name in turns[0]}
        for title, turns in told.items()
    }


def _make_master(server: Server) -> None:
    """A database with all orders due, which every turn gets a copy of, and what the gateway says of them."""
    _drop(server, MASTER)
    server.execute(f"CREATE DATABASE {MASTER}")
    url = _url(MASTER)
    for command in (
        ["migrate", "--verbosity", "0"],
        ["seed_catalog"],
        ["make_orders", str(ORDERS), "--unregistered"],
    ):
        running.manage(*command, DATABASE_URL=url, **SETTINGS)
    with psycopg.connect(url, autocommit=True) as master:
        master.execute("VACUUM ANALYZE")
        rows = master.execute("SELECT merchant_order_id, amount FROM payments_order ORDER BY id").fetchall()
    ANSWERS.parent.mkdir(parents=True, exist_ok=True)
    states = ("COMPLETED", *["PENDING"] * (PAID_EVERY - 1))
    ANSWERS.write_text(
        "".join(f"{name},{paise},{states[nth % PAID_EVERY]}\n" for nth, (name, paise) in enumerate(rows))
    )


def _turn(way: Way, server: Server) -> dict[str, float]:
    _drop(server, COPY)
    server.execute(f"CREATE DATABASE {COPY} TEMPLATE {MASTER}")
    server.execute("CHECKPOINT")
    share = way.orders // way.processes
    with ExitStack() as stack:
        origin = stack.enter_context(running.stub_gateway(LATENCY_S, ANSWERS))
        settings = SETTINGS | {"DATABASE_URL": _url(COPY), "PHONEPE_BASE_URL": f"{origin}/apis/pg-sandbox"}
        command = ("-m", "benchmarks.sweep_ways", way.name, str(share))
        children = [
            stack.enter_context(running.started(way.name, *command, **settings)) for _ in range(way.processes)
        ]
        told, postgres_s = _race(children, server)
    _drop(server, COPY)
    done = sum(int(orders) for orders, _, _ in told)
    assert done == share * way.processes, f"{way.title}: {done} of {way.orders} orders were verified"
    cpu_s = sum(float(cpu) for _, _, cpu in told) + postgres_s
    return {"per_s": done / max(float(wall) for _, wall, _ in told), "cpu_per_1000_s": cpu_s / done * 1000}


def _race(children: list[subprocess.Popen[str]], server: Server) -> tuple[list[list[str]], float]:
    """Let all begin together; what each printed at its end, and the CPU that PostgreSQL has used meanwhile."""
    for child in children:
        assert child.stdout
        assert child.stdout.readline() == "ready\n", "a way did not start; see var/bench/"
    before = _postgres_cpu_s()
    for child in children:
        child.send_signal(GO)
    told = []
    for child in children:
        assert child.stdout
        told.append(child.stdout.read().split()[-3:])
    running.wait_until(lambda: not _backends(server), "the ways' backends to end")
    return told, _postgres_cpu_s() - before


def _compare(found: dict[str, dict[str, float]]) -> Figures:
    ours = found[OURS]["per_s"]
    paused = {"per_s": 1 / (PAUSE_S + 1 / found[LOOP]["per_s"]), "cpu_per_1000_s": 0.0}
    ways = {
        title: one | {"ours_is": ours / one["per_s"]} for title, one in ({PAUSED: paused} | found).items()
    }
    best: dict[str, float] = {}  # of several ways with the same tool
    for way in WAYS:
        if way.title in found and way.name != "sweep":
            best[way.tool] = max(found[way.title]["per_s"], best.get(way.tool, 0.0))
    return {
        "ways": ways,
        "in_flight_share": ours / IN_FLIGHT_ALLOWS,
        "two_processes_ratio": found[OURS_TWICE]["per_s"] / ours,
    } | {f"{tool}_ratio": ours / per_s for tool, per_s in best.items()}


def _backends(server: Server) -> int:
    """How many connections the ways still have: of one that is just ending, nobody knows the CPU."""
    row = server.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = %s", [COPY]).fetchone()
    assert row
    return int(row[0])


def _postgres_cpu_s() -> float:
    """What the server has used since its start, ended backends included."""
    from okpuja.embedded import server

    main = psutil.Process(int(server.PID_FILE.read_text().split()[0]))
    while True:
        try:
            ended = main.cpu_times()
            living = [process.cpu_times() for process in (main, *main.children())]
        except psutil.NoSuchProcess:
            continue  # a backend ended while we looked: it is among the ended now
        return sum(one.user + one.system for one in living) + ended.children_user + ended.children_system


def _url(name: str) -> str:
    from okpuja.embedded import server

    return server.url(name)


def _drop(server: Server, name: str) -> None:
    server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
