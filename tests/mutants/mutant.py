"""One guard, broken: a piece of a file replaced by another."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.processes import ROOT


class Stale(Exception):
    """The text that a mutant replaces is not in its file, or there more than once."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """`old` in `file` becomes `new`; at least one test of `killed_by` (pytest node ids) has to fail then."""

    name: str
    guards: str
    file: str
    old: str
    new: str
    killed_by: tuple[str, ...]

    def break_it(self, text: str) -> str:
        """The file's text without the guard. Raises Stale."""
        if text.count(self.old) != 1:
            raise Stale(f"{self.file} has the text of {self.name} {text.count(self.old)} times, not once")
        return text.replace(self.old, self.new)

    def apply(self, tree: Path = ROOT) -> str:
        """The mutated text of its file in `tree`. Raises Stale."""
        return self.break_it((tree / self.file).read_text())

    @property
    def changes_the_database(self) -> bool:
        """Whether a test database made before does not show it."""
        return "/migrations/" in self.file
