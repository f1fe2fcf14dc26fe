"""`python -m benchmarks [PART …] [--write | --check]`: measure the parts named, or all, one after the other.

--write stores figures, plots and the tables of docs/performance.md; --check compares ratios with the stored
ones and exits 1 when one is worse by more than a generous margin.
"""

from __future__ import annotations

import argparse
import sys
import time
from importlib import import_module
from typing import Any

from benchmarks import check, figures, running, tables

PARTS = ("client", "emulator", "sweep", "limit", "lag", "claim", "vacuum", "web", "memory", "audit", "page")
PAGE = running.ROOT / "docs" / "performance.md"


def main() -> int:
    """Run the parts; they take turns, since they must not disturb each other."""
    chosen = _arguments()
    running.be_ended_by_signals()
    running.configure_postgres()
    compared: list[check.Compared] = []
    known = figures.committed()
    for name in chosen.parts or PARTS:
        measured, machine = _measure(name)
        if chosen.write:
            _write(name, measured, machine)
        compared += check.compare({name: known.get(name, {})}, {name: measured})
    return 0 if not chosen.check or check.report(compared) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--write", action="store_true", help="store what is measured under docs/performance")
    parser.add_argument("--check", action="store_true", help="compare ratios with what is stored")
    chosen = parser.parse_args()
    unknown = set(chosen.parts) - set(PARTS)
    if unknown:
        parser.error(f"no part {', '.join(sorted(unknown))}: choose of {', '.join(PARTS)}")
    return chosen


def _measure(name: str) -> tuple[figures.Figures, figures.Figures]:
    machine = figures.machine_now()
    sys.stdout.write(f"── {name} ──\n")
    sys.stdout.flush()
    began = time.monotonic()
    measured = import_module(f"benchmarks.{name}").main()
    machine["load_at_end"] = figures.load()
    machine["took_s"] = round(time.monotonic() - began)
    sys.stdout.write(
        f"({machine['took_s']} s; load {machine['load_at_start']} before, {machine['load_at_end']} after)\n\n"
    )
    return measured, machine


def _write(name: str, measured: figures.Figures, machine: figures.Figures) -> None:
    """Figures always; plots and tables of a part that has them."""
    part: Any = import_module(f"benchmarks.{name}")
    figures.store(name, measured, machine)
    for plot, svg in getattr(part, "plots", lambda _: {})(measured).items():
        figures.write_plot(figures.FOLDER / f"{plot}.svg", svg)
    if hasattr(part, "tables"):
        told = [tables.markdown(table) for table in part.tables(measured)]
        if not tables.put_into(PAGE, name, [*told, _circumstances(machine)]):
            raise SystemExit(f"{PAGE} has no place for the figures of {name}: <!-- figures: {name} -->")


def _circumstances(machine: figures.Figures) -> str:
    return (
        f"Measured on {machine['date']} at {machine['commit']} with {machine['cores']} cores, Python"
        f" {machine['python']}, PostgreSQL {machine['postgresql']}, load {machine['load_at_start']} before and"
        f" {machine['load_at_end']} after, in {machine['took_s']} s."
    )


if __name__ == "__main__":
    sys.exit(main())
