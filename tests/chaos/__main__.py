"""`python -m tests.chaos --orders 1000 --seed 1`: real processes, killed; then the verdict. Exit code 0 or 1."""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import django
from rich.console import Console

from tests.chaos.children import Child, cast
from tests.chaos.places import MAX_RPS, Places
from tests.chaos.plan import Size
from tests.chaos.tally import Tally
from tests.postgres import Server
from tests.sandbox import Sandbox

console = Console(highlight=False, width=None if sys.stdout.isatty() else 150)


def main(argv: list[str]) -> int:
    """0 when nothing was lost, double or unexplained, else 1."""
    wanted = _arguments(argv)
    size = Size.of(wanted.orders, wanted.seed, wanted.minutes)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # our children must end with us
    places = Places()
    console.print(
        f"{size.orders:,} purchases, seed {size.seed}: {size.chaos_s:.0f} s of chaos, then calm for at most"
        f" {size.settle_s:.0f} s. Logs: {places.folder}"
    )
    try:
        with ExitStack() as ending:
            return _run(size, places, ending)
    except KeyboardInterrupt:
        return 130
    finally:
        for leftover in ("postgres", "mail"):
            shutil.rmtree(places.folder / leftover, ignore_errors=True)


def _run(size: Size, places: Places, ending: ExitStack) -> int:
    server = Server(places.folder / "postgres")
    ending.callback(server.close)
    sandbox = Sandbox(
        "--seed", str(size.seed), "--webhook-url", places.webhook_urls[0],
        "--webhook-username", "okpuja_test", "--webhook-password", "test12345",
    )  # fmt: skip
    ending.callback(sandbox.close)
    environment = places.environment(database_url=server.url, phonepe_url=sandbox.base_url)
    os.environ |= environment
    django.setup()
    _prepare()
    children = cast(places, environment)
    ending.callback(_stop, children)
    for child in children:
        child.start()
    return _play_and_judge(size, places, sandbox.url, children, server)


def _play_and_judge(size: Size, places: Places, origin: str, children: list[Child], server: Server) -> int:
    from tests.chaos import board, books, play, verdict  # read models, so Django comes first

    tally = Tally()
    started = time.monotonic()
    with console.status("starting ...") as status:
        book, calm_s = asyncio.run(
            play.play(
                size,
                origin=origin,
                sites=places.sites,
                webhook_urls=places.webhook_urls,
                children=children,
                server=server,
                tally=tally,
                show=_teller(status, tally, started),
            )
        )
        _stop(children)  # the tables are quiet while they are looked at
        books.lay_open(book)
        breaches = verdict.breaches() + play.audited(dict(os.environ))
    board.count_orders(tally)
    board.show(console, tally, breaches)
    board.keep_timelines(breaches, book, places.folder)
    console.print(
        f"ORDERS={size.orders} SEED={size.seed}: {time.monotonic() - started:.0f} s, {calm_s:.0f} of them calm;"
        f" at most {MAX_RPS} gateway calls/s"
    )
    return 1 if breaches else 0


def _teller(status: Any, tally: Tally, started: float) -> Callable[[str], None]:
    """Shows the progress: on a terminal as it changes, elsewhere a line every 30 s."""
    last = 0.0

    def show(text: str) -> None:
        nonlocal last
        now = time.monotonic()
        line = f"{now - started:4.0f} s  {text}  {tally.total('killed')} kills  {tally.total('answers'):,} answers"
        status.update(line)
        if not console.is_terminal and now - last > 30:
            console.print(line)
            last = now

    return show


def _prepare() -> None:
    from django.core.management import call_command
    from django.db import connection

    call_command("migrate", verbosity=0)
    call_command("seed_catalog", verbosity=0)
    connection.close()  # it would not outlive the chaos


def _stop(children: list[Child]) -> None:
    for child in children:
        child.stop()


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--orders", type=int, default=1000, help="purchases (default: %(default)s)")
    parser.add_argument(
        "--seed", type=int, default=1, help="of orders, outcomes, kills and faults (default: 1)"
    )
    parser.add_argument(
        "--minutes", type=float, help="how long everything breaks (default: by ORDERS, 1,200 a minute)"
    )
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
