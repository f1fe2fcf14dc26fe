"""`python -m okpuja.embedded stop|url|psql`: the embedded PostgreSQL from the command line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from dotenv import load_dotenv

load_dotenv(Path(__file__).resolve().parents[2] / ".env")  # it may name the folder

from okpuja.embedded import server  # noqa: E402


def main(argv: list[str]) -> int:
    """Do what the first word says; 2 for a word that is not known."""
    word = argv[0] if argv else ""
    if word == "stop":
        sys.stdout.write("Stopped.\n" if server.stop() else "No embedded PostgreSQL was running.\n")
    elif word == "url":
        sys.stdout.write(f"{server.url()}\n")
    elif word == "psql":
        # We stay beside it: with our lock gone, the keeper would stop the server under the session.
        return subprocess.call([server.BIN / "psql", server.url(), *argv[1:]])
    else:
        sys.stderr.write(f"{__doc__}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
