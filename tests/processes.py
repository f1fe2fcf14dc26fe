"""Real processes of the project on the test database: the web site, checkers, commands."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

from django.db import connection

ROOT = Path(__file__).resolve().parents[1]


def database_url() -> str:
    """A libpq URI of the database that the running test uses."""
    connection.ensure_connection()
    parameters = connection.get_connection_params()
    query = {key: parameters[key] for key in ("host", "port", "user", "password") if parameters.get(key)}
    return f"postgresql:///{parameters['dbname']}?{urlencode(query)}"


def environment(**settings: str) -> dict[str, str]:
    """The environment of a process under test: that of `tests.settings`, on the test database."""
    return {
        **os.environ,
        "DATABASE_URL": database_url(),
        "DJANGO_SETTINGS_MODULE": "okpuja.settings",
    } | settings


def manage(*arguments: str, timeout: float = 60, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a management command to its end."""
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


@contextmanager
def started(*command: str, log: Path, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that runs while the block does; stopped by SIGTERM, or SIGKILL when that does not help."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, *command], cwd=ROOT, env=environment(**settings), stdout=output, stderr=output
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(5)


@contextmanager
def checker(*, log: Path, interval: float = 60, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
    """A continuous checker, ready when it has said so."""
    before = log.read_text().count("checker started") if log.exists() else 0
    arguments = ("manage.py", "auto_complete_payments", "--continuous", "--interval", str(interval))
    with started(*arguments, log=log, **settings) as process:
        _wait_for_text(log, "checker started", before + 1, process)
        yield process


@contextmanager
def web(
    *, log: Path, port: int, interface: str = "asgi", options: Sequence[str] = (), **settings: str
) -> Iterator[str]:
    """The web site on granian at `port`; its origin."""
    url = f"http://127.0.0.1:{port}"
    settings = {"PUBLIC_URL": url} | settings
    program = ("-m", "granian", "--interface", interface, "--log-config", "okpuja/granian-log.json", *options)
    arguments = (*program, "--port", str(port), f"okpuja.{interface}:application")
    with started(*arguments, log=log, **settings) as process:
        until = time.monotonic() + 30
        while not _answers(f"{url}/healthz"):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.1)
        yield url


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.status == 200
    except urllib.error.HTTPError as error:
        error.close()
        return False
    except OSError:
        return False


def _wait_for_text(log: Path, text: str, times: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 30
    while log.read_text().count(text) < times:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < until, log.read_text()
        time.sleep(0.05)
