"""A PostgreSQL of one's own, which may be restarted roughly under whoever uses it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psycopg

from tests.processes import ROOT

HOLD = """
import sys
from okpuja.embedded import server
print(server.start(), server.BIN, flush=True)
sys.stdin.read()
"""


class Server:
    """A PostgreSQL with its data in `folder`, until `close`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._holder = subprocess.Popen(
            [sys.executable, "-c", HOLD],
            cwd=ROOT,
            env={**os.environ, "EMBEDDED_POSTGRES_DIR": str(folder)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._holder.stdout
        self.host, self._bin = self._holder.stdout.readline().split()

    @property
    def url(self) -> str:
        return f"postgresql://postgres@/okpuja?host={self.host}"

    def pg_ctl(self, *arguments: str) -> None:
        subprocess.run(
            [f"{self._bin}/pg_ctl", "-D", self.folder, "-l", self.folder / "log", *arguments],
            user="pgserver" if os.geteuid() == 0 else None,
            stdout=subprocess.DEVNULL,
            cwd="/",
            check=True,
        )

    def crash(self) -> None:
        """End it without a checkpoint, as a crash would, and start it again."""
        self.pg_ctl("-m", "immediate", "stop")
        self.start()

    def start(self) -> None:
        """Start it after a stop; PostgreSQL refuses while a backend of the stopped one has not noticed yet."""
        for pause_s in (0.5, 1, 2, 4, 8):
            with suppress(subprocess.CalledProcessError):
                self.pg_ctl("-w", "-o", f'-h "" -k {self.host}', "start")
                return
            time.sleep(pause_s)
        raise AssertionError(f"PostgreSQL does not start; {self.folder / 'log'} says why")

    def ask(self, sql: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(sql).fetchall()

    def close(self) -> None:
        assert self._holder.stdin
        assert self._holder.stdout
        self.pg_ctl("-m", "immediate", "stop")
        self._holder.stdin.close()
        self._holder.wait(60)  # a loaded machine takes its time
        self._holder.stdout.close()
