"""Break each guard and show that a test notices: `python -m tests.mutants [NAME …]`."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from rich.console import Console

from tests.mutants import running
from tests.mutants.everything import MUTANTS
from tests.mutants.mutant import Mutant

COLOURS = {"killed": "green"}


def main() -> int:
    """0 when every mutant was killed."""
    mutants = _chosen()
    console = Console(width=150, highlight=False, soft_wrap=True)
    began = time.monotonic()
    with running.copied_tree() as tree:
        wrong = running.unbroken(tree, mutants)
        if wrong:
            console.print(f"The tests fail without any mutant:\n{wrong}", markup=False)
            return 1
        trials = [_tell(console, running.try_out(tree, mutant)) for mutant in mutants]
    killed = sum(trial.is_killed for trial in trials)
    console.print(f"{len(trials)} mutants, {killed} killed, in {time.monotonic() - began:.0f} s")
    return 0 if killed == len(trials) else 1


def _chosen() -> list[Mutant]:
    """The mutants asked for, or all; those of the database last, since each wants a database of its own."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="mutants, beginnings of their names, or modules"
    )
    names = tuple(parser.parse_args().names)
    chosen = [mutant for mutant in MUTANTS if not names or _is_named(mutant, names)]
    if not chosen:
        parser.error("no mutant has such a name")
    return sorted(chosen, key=lambda mutant: mutant.changes_the_database)


def _is_named(mutant: Mutant, names: tuple[str, ...]) -> bool:
    return mutant.name.startswith(names) or Path(mutant.file).stem in names


def _tell(console: Console, trial: running.Trial) -> running.Trial:
    colour = COLOURS.get(trial.outcome, "bold red")
    mutant = trial.mutant
    console.print(
        f"[{colour}]{trial.outcome:<8}[/] {trial.took_s:5.1f} s  {mutant.name:<34} {trial.detail or mutant.guards}"
    )
    return trial


if __name__ == "__main__":
    sys.exit(main())
