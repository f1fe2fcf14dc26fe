"""`python -m okpuja.embedded stop|url|psql`: the embedded PostgreSQL from the command line."""

from __future__ import annotations

import os
import sys

from okpuja.embedded import server


def main(argv: list[str]) -> int:
    """Do what the first word says; 2 for a word that is not known."""
    word = argv[0] if argv else ""
    if word == "stop":
        print("Embedded PostgreSQL stopped." if server.stop() else "No embedded PostgreSQL was running.")
    elif word == "url":
        print(server.url())
    elif word == "psql":
        os.execv(server.BIN / "psql", ["psql", server.url(), *argv[1:]])
    else:
        print(__doc__, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
