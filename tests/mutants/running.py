"""A copy of the tree with a PostgreSQL of its own, in which one mutant after another is tried."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.mutant import Mutant, Stale
from tests.postgres import Server
from tests.processes import ROOT

TOO_LONG_S = 180
A_TEST_FAILED = 1  # pytest's other codes say that the tests did not run as they should
QUIETLY = ("-x", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", "--timeout=60", "--tb=line")


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of a mutant: "killed", "SURVIVED", "broken" (the tests could not run) or "stale"."""

    mutant: Mutant
    outcome: str
    took_s: float = 0.0
    detail: str = ""  # the test that noticed, or what went wrong

    @property
    def is_killed(self) -> bool:
        return self.outcome == "killed"


@contextmanager
def copied_tree() -> Iterator[Path]:
    """The files of the working tree as they are, with its .venv and a running PostgreSQL for all mutants."""
    folder = Path(tempfile.mkdtemp(prefix="mutants-"))
    folder.chmod(0o755)  # PostgreSQL runs as another user when we are root
    tree = folder / "tree"
    for name in _files():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, tree / name)
    (tree / ".venv").symlink_to((ROOT / ".venv").resolve())
    server = Server(folder / "postgres")
    try:
        yield tree
    finally:
        server.close()
        shutil.rmtree(folder, ignore_errors=True)


def unbroken(tree: Path, mutants: list[Mutant]) -> str:
    """What fails among the mutants' tests in a tree without any mutant; "" when all pass."""
    tests = sorted({test for mutant in mutants for test in mutant.killed_by})
    run = _pytest(tree, tests, "--create-db")
    return "" if run.returncode == 0 else run.stdout[-3000:]


def try_out(tree: Path, mutant: Mutant) -> Trial:
    """Break the guard in `tree`, run the tests that should notice, and mend it again."""
    file = tree / mutant.file
    whole = file.read_text()
    try:
        file.write_text(mutant.apply(tree))
    except Stale as stale:
        return Trial(mutant, "stale", detail=str(stale))
    began = time.monotonic()
    try:
        run = _pytest(
            tree, list(mutant.killed_by), "--create-db" if mutant.changes_the_database else "--reuse-db"
        )
        outcome, detail = read(run)
    except subprocess.TimeoutExpired:
        outcome, detail = "broken", f"no end within {TOO_LONG_S} s"
    finally:
        file.write_text(whole)
    return Trial(mutant, outcome, time.monotonic() - began, detail)


def read(run: subprocess.CompletedProcess[str]) -> tuple[str, str]:
    """Outcome and detail of a run of pytest: only a test that ran to its end and failed has noticed anything."""
    lines = run.stdout.splitlines()
    failed = [line.removeprefix("FAILED ") for line in lines if line.startswith("FAILED ")]
    if run.returncode == A_TEST_FAILED and failed and "Timeout (>" not in failed[0]:
        return "killed", failed[0].split(" - ")[0]
    if run.returncode == 0:
        return "SURVIVED", ""
    return "broken", (lines or run.stderr.splitlines() or ["no output"])[-1]


def _pytest(tree: Path, tests: list[str], *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [tree / ".venv/bin/python", "-B", "-m", "pytest", *QUIETLY, *options, *tests],
        cwd=tree,
        env={**os.environ, "EMBEDDED_POSTGRES_DIR": str(tree.parent / "postgres")},
        capture_output=True,
        text=True,
        timeout=TOO_LONG_S if len(tests) < 10 else None,
        check=False,
    )


def _files() -> list[str]:
    """Every file that git knows or would take in."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    names = [name for name in listed.stdout.split("\0") if name]
    return [name for name in names if (ROOT / name).is_file() and not (ROOT / name).is_symlink()]
