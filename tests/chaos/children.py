"""Processes that may be killed at any moment and started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from tests.chaos.places import CHECKERS, Places
from tests.processes import ROOT

STOP_S = 15
CHECKER = ("manage.py", "auto_complete_payments", "--continuous", "--interval", "10")
WEB = ("-m", "granian", "--interface", "asgi", "--host", "127.0.0.1", "okpuja.asgi:application", "--port")


class Child:
    """One process with all that it starts, in a process group of its own."""

    def __init__(
        self, name: str, command: tuple[str, ...], *, environment: dict[str, str], log: Path
    ) -> None:
        self.name = name
        self._command = command
        self._environment = {**os.environ, **environment}
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, *self._command],
                cwd=ROOT,
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,  # granian's worker must die with it, as on a machine that loses power
            )

    def kill(self) -> None:
        """kill -9, the whole group."""
        self._signal(signal.SIGKILL)
        if self._process:
            self._process.wait()

    def stop(self) -> None:
        """SIGTERM, and SIGKILL when that does not help."""
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_S)
        self.kill()

    def _signal(self, signum: int) -> None:
        if self._process:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signum)


def cast(places: Places, environment: dict[str, str]) -> list[Child]:
    """The checkers and the web processes of a run, not started yet."""
    commands = [(f"checker-{n}", CHECKER) for n in range(CHECKERS)]
    commands += [(f"web-{n}", (*WEB, str(port))) for n, port in enumerate(places.ports)]
    return [
        Child(name, command, environment=environment, log=places.folder / f"{name}.log")
        for name, command in commands
    ]
