"""The processes that are measured, and their database: begun here, and ended by their pid whatever happens.

Everything runs on this machine, on a PostgreSQL of its own under `var/bench-postgres`. What the processes
say goes to `var/bench/NAME.log`.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import psycopg

ROOT = Path(__file__).resolve().parents[1]
LOGS = ROOT / "var" / "bench"
QUICK = os.environ.get("BENCH_QUICK") == "1"  # `make bench-check`: ratios alone are wanted, and soon
READY_S = 30.0

ENVIRONMENT = {
    "DEBUG": "0",
    "SECRET_KEY": "for-benchmarks-only-" + "0123456789" * 4,
    "LOG_LEVEL": "ERROR",
    "THROTTLES": "all=0",  # one machine asks as nobody does
    "DATABASE_URL": "",
    "EMBEDDED_POSTGRES_DIR": str(ROOT / "var" / "bench-postgres"),
    "PUBLIC_URL": "http://127.0.0.1:8000",
    "EMAIL_URL": f"file://{LOGS / 'mail'}",
    "PHONEPE_ENV": "sandbox",
    "PHONEPE_OAUTH_URL": "",
    "PHONEPE_MAX_RPS": "100000",
    "PHONEPE_CLIENT_ID": "SANDBOX_CLIENT",
    "PHONEPE_CLIENT_SECRET": "sandbox-secret",
    "PHONEPE_WEBHOOK_USERNAME": "bench",
    "PHONEPE_WEBHOOK_PASSWORD": "bench12345",
    "DJANGO_SETTINGS_MODULE": "okpuja.settings",
    "NO_PROXY": "127.0.0.1",
    "PGOPTIONS": "-c payments.may_truncate=on",
}
POSTGRES = {"shared_buffers": "1GB", "max_wal_size": "4GB"}
KEPT_TABLES = ("catalog_", "django_", "auth_", "procrastinate_periodic")


def be_ended_by_signals() -> None:
    """Let SIGTERM end this process as Ctrl-C does: through its `finally`s, which end its children."""

    def end(signum: int, frame: FrameType | None) -> None:
        sys.exit(128 + signum)

    signal.signal(signal.SIGTERM, end)


def environment(**settings: str) -> dict[str, str]:
    """The environment of a measured process."""
    return os.environ | ENVIRONMENT | settings


def manage(*arguments: str, **settings: str) -> str:
    """Run a management command to its end; what it printed."""
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT, env=environment(**settings), check=True, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    return done.stdout


@contextmanager
def started(
    name: str, *command: str, quiet: bool = False, **settings: str
) -> Iterator[subprocess.Popen[str]]:
    """A Python process that runs while the block does. Its output comes through a pipe, unless it is `quiet`:
    whoever never reads it must say so, or the process will wait for them."""
    LOGS.mkdir(parents=True, exist_ok=True)
    with (LOGS / f"{name}.log").open("a") as log:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT, env=environment(**settings), stdout=log if quiet else subprocess.PIPE, stderr=log, text=True,
        )  # fmt: skip
    try:
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(5)
    if process.stdout:
        process.stdout.close()


@contextmanager
def stub_gateway(latency_s: float, orders: Path | None = None) -> Iterator[str]:
    """The gateway that only waits and answers (`benchmarks.gateway`); its origin."""
    known = [str(orders)] if orders else []
    with started("gateway", "-m", "benchmarks.gateway", str(latency_s), *known) as process:
        assert process.stdout
        yield process.stdout.readline().strip()


@contextmanager
def emulator(**switches: Any) -> Iterator[str]:
    """The real emulator with these switches; its origin."""
    with started("emulator", "-m", "phonepe_sandbox", "--port", "0") as process:
        assert process.stdout
        origin = process.stdout.readline().split()[-1]
        control(origin, "settings", switches)
        yield origin


@contextmanager
def checkers(count: int, origin: str, **settings: str) -> Iterator[list[subprocess.Popen[str]]]:
    """So many checker processes that ask the emulator at `origin`, ready when each has signed in."""
    settings = {"PHONEPE_BASE_URL": f"{origin}/apis/pg-sandbox"} | settings
    command = ("manage.py", "auto_complete_payments", "--continuous")
    with ExitStack() as stack, database() as connection:
        connection.execute("DELETE FROM payments_checker")
        begun = [
            stack.enter_context(started(f"checker-{nth}", *command, quiet=True, **settings))
            for nth in range(count)
        ]
        wait_until(lambda: _count(connection, "payments_checker") == count, "the checkers to sign in")
        yield begun


@contextmanager
def web(origin: str, port: int, **settings: str) -> Iterator[str]:
    """The web site on granian as `make serve` starts it, asking the emulator at `origin`; its own origin."""
    address = f"http://127.0.0.1:{port}"
    settings = {"PUBLIC_URL": address, "PHONEPE_BASE_URL": f"{origin}/apis/pg-sandbox"} | settings
    command = (
        "-m", "granian", "--interface", "asgi", "--no-ws", "--host", "127.0.0.1", "--port", str(port), "--log-level",
        "error", "okpuja.asgi:application",
    )  # fmt: skip
    with started("web", *command, quiet=True, **settings):
        wait_until(lambda: _is_up(f"{address}/healthz"), "the web site")
        yield address


def control(origin: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """One call of the emulator's control API: POST with a body, GET without."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{origin}/sandbox/api/{path}", data=data)  # noqa: S310  our own address
    with urllib.request.urlopen(request, timeout=READY_S) as answer:  # noqa: S310
        return json.load(answer)


def listens(port: int) -> bool:
    """Whether somebody waits for connections at this port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def use_django() -> None:
    """Make the project's own code usable in this process, on the benchmarks' database."""
    import django

    os.environ.update(ENVIRONMENT)
    django.setup()


def database() -> psycopg.Connection[Any]:
    """A connection of one's own to the benchmarks' database; each statement commits by itself."""
    os.environ["EMBEDDED_POSTGRES_DIR"] = ENVIRONMENT["EMBEDDED_POSTGRES_DIR"]
    from okpuja.embedded import server

    return psycopg.connect(server.url(), autocommit=True, options=ENVIRONMENT["PGOPTIONS"])


def configure_postgres() -> None:
    """Give the benchmarks' server the memory that a server of its own has; it starts again when that is new."""
    from okpuja.embedded import server

    with database() as connection:
        known = {name: connection.execute(f"SHOW {name}").fetchone() for name in POSTGRES}  # type: ignore[call-overload]
        if all(row == (POSTGRES[name],) for name, row in known.items()):
            return
        for name, value in POSTGRES.items():
            connection.execute(f"ALTER SYSTEM SET {name} = '{value}'")  # type: ignore[call-overload]
    server.stop()


def prepare_database() -> None:
    """Bring the database up to date, with the sample catalogue and no orders."""
    manage("migrate", "--verbosity", "0")
    empty_database()
    manage("seed_catalog")


def empty_database() -> None:
    """Forget every order, cart, booking and job, and what the throttle has learnt."""
    with database() as connection:
        names = [
            name
            for (name,) in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            if not name.startswith(KEPT_TABLES)
        ]
        # A checker that is at work may hold one table and wait for the next: then it goes first.
        wait_until(lambda: _truncate(connection, names), "the tables to be emptied")


def _truncate(connection: psycopg.Connection[Any], names: list[str]) -> bool:
    with suppress(psycopg.errors.DeadlockDetected):
        connection.execute(f"TRUNCATE {', '.join(names)} RESTART IDENTITY CASCADE")  # type: ignore[call-overload]
        return True
    return False


@contextmanager
def schemas(*names: str) -> Iterator[None]:
    """Schemas that the block makes; all of them are dropped after it."""
    try:
        yield
    finally:
        with database() as connection:
            for name in names:
                connection.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE")  # type: ignore[call-overload]


def wait_until(is_so: Any, what: str, *, within_s: float = READY_S) -> None:
    """Look every few milliseconds until it is so; ends the run when it never is."""
    until = time.monotonic() + within_s
    while not is_so():
        if time.monotonic() > until:
            raise TimeoutError(f"waited {within_s:g} s for {what}; var/bench/*.log may say why")
        time.sleep(0.02)


def _count(connection: psycopg.Connection[Any], table: str) -> int:
    row = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # type: ignore[call-overload]  # noqa: S608
    return int(row[0])


def _is_up(address: str) -> bool:
    with suppress(OSError, urllib.error.URLError), urllib.request.urlopen(address, timeout=2) as answer:  # noqa: S310
        return bool(answer.status == 200)
    return False
