"""`python -m benchmarks [client] [emulator] [sweep]`: print the figures named, or all."""

from __future__ import annotations

import sys
from collections.abc import Callable

from benchmarks import client, emulator, sweep

FIGURES: dict[str, Callable[[], None]] = {
    "client": client.main,
    "emulator": emulator.main,
    "sweep": sweep.main,
}


def main(names: list[str]) -> None:
    """Run the figures one after the other: they must not disturb each other."""
    unknown = set(names) - set(FIGURES)
    if unknown:
        sys.exit(f"no figure {', '.join(sorted(unknown))}: choose of {', '.join(FIGURES)}")
    for name in names or FIGURES:
        FIGURES[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
