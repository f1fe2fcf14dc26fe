"""`docs/performance/figures.json`: what was measured last, part by part, and on what machine."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import running

FOLDER = running.ROOT / "docs" / "performance"
FILE = FOLDER / "figures.json"

Figures = dict[str, Any]


def committed() -> dict[str, Figures]:
    """The stored figures by part; empty when nothing is stored."""
    if not FILE.exists():
        return {}
    return {name: part["figures"] for name, part in json.loads(FILE.read_text()).items()}


def store(name: str, figures: Figures, machine: Figures) -> None:
    """Store one part's figures and leave the others as they are."""
    known = json.loads(FILE.read_text()) if FILE.exists() else {}
    known[name] = {"machine": machine, "figures": rounded(figures)}
    FOLDER.mkdir(parents=True, exist_ok=True)
    FILE.write_text(json.dumps(dict(sorted(known.items())), indent=1) + "\n")


def machine_now() -> Figures:
    """What one has to know of the machine to judge a figure; `load` is that of the last minute."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "postgresql": _postgresql(),
        "commit": _commit(),
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "load_at_start": load(),
    }


def load() -> float:
    """The machine's load average of the last minute."""
    return round(os.getloadavg()[0], 1)


def rounded(value: Any) -> Any:
    """Figures with four significant digits: more would be noise, and a new difference at each run."""
    if isinstance(value, dict):
        return {str(key): rounded(one) for key, one in value.items()}
    if isinstance(value, list):
        return [rounded(one) for one in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


def leaves(figures: Any, path: str = "") -> Iterator[tuple[str, float]]:
    """Every number with its path: `at_100_rps.refused_share`."""
    for key, value in figures.items() if isinstance(figures, dict) else ():
        here = f"{path}.{key}" if path else str(key)
        if isinstance(value, dict):
            yield from leaves(value, here)
        elif isinstance(value, (int, float)):
            yield here, float(value)


def _postgresql() -> str:
    with running.database() as connection:
        row = connection.execute("SHOW server_version").fetchone()
    return str(row[0]) if row else ""


def _commit() -> str:
    def git(*words: str) -> str:
        return subprocess.run(
            ["git", *words], cwd=running.ROOT, check=True, stdout=subprocess.PIPE, text=True  # noqa: S607
        ).stdout.strip()  # fmt: skip

    # Storing one part's figures is no change that the next part was measured with.
    changed = git("status", "--porcelain", "-uno", "--", ".", ":!docs")
    return git("rev-parse", "--short", "HEAD") + (" with changes" if changed else "")


def write_plot(file: Path, svg: str) -> None:
    """Store a plot beside the figures."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(svg)
