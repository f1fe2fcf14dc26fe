"""`python -m okpuja.demo`: start everything, play the story, say whether every outcome was the expected one."""

from __future__ import annotations

import argparse
import os
import signal
import sys

import django

from okpuja.demo.processes import DemoFailed, Places, Processes


def main(argv: list[str]) -> int:
    """0 when every outcome was the expected one, 1 when not."""
    wanted = _arguments(argv)
    places = Places(wanted.port, wanted.sandbox_port)
    os.environ |= places.environment()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "okpuja.settings")
    django.setup()
    from okpuja.demo import show  # reads models, so Django comes first

    processes = Processes(places)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # our children must end with us
    try:
        show.prepare()
        processes.start()
        failed = show.play(places)
        if not wanted.once:
            show.where_to_look(places)
            processes.wait()
        return 1 if failed else 0
    except DemoFailed as error:
        show.console.print(f"[red]{error}[/red]")
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        processes.stop()


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--port", type=int, default=8000, help="of the web site (default: %(default)s)")
    parser.add_argument(
        "--sandbox-port", type=int, default=8900, help="of the emulator (default: %(default)s)"
    )
    parser.add_argument("--once", action="store_true", help="end after the story")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
