"""Tables of figures, for the terminal and for docs/performance.md."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of ready-made cells; the first column is text, the others are numbers."""

    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


def show(table: Table) -> None:
    """Print a table with its columns aligned."""
    widths = [max(map(len, column)) for column in zip(table.headers, *table.rows, strict=True)]
    for cells in (table.headers, *table.rows):
        first, *others = zip(cells, widths, strict=True)
        line = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
        sys.stdout.write("   ".join(line).rstrip() + "\n")
    sys.stdout.write(f"{table.note}\n\n" if table.note else "\n")
    sys.stdout.flush()


def markdown(table: Table) -> str:
    """The table as Markdown, with its note below."""
    lines = [_line(table.headers), _line(["---", *["---:"] * (len(table.headers) - 1)])]
    lines += [_line(cells) for cells in table.rows]
    return "\n".join(lines) + (f"\n\n{table.note}" if table.note else "")


def put_into(page: Path, name: str, blocks: Sequence[str]) -> bool:
    """Replace what stands between `<!-- figures: NAME -->` and `<!-- end -->`; False where that place is missing."""
    text = page.read_text()
    until_end = r"(?:(?!<!-- figures).)*?(<!-- end -->)"  # never into the next place
    place = re.compile(rf"(<!-- figures: {re.escape(name)} -->\n){until_end}", re.DOTALL)
    told = "\n\n".join(blocks)
    changed, places = place.subn(lambda found: f"{found[1]}{told}\n{found[2]}", text)
    page.write_text(changed)
    return bool(places)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
