"""`migrate_in_turn`: bring the database up to date, whatever number of services start at once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

LOCK = 0x0CB0_1A00  # any number that nobody else takes
LOOK_EVERY_S = 0.5


class Command(BaseCommand):
    help = "Run `migrate --noinput`, one process at a time across all machines; quick when there is nothing to do."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument(
            "--wait",
            type=float,
            default=3600,
            help="seconds to wait for another process (default: %(default)s)",
        )

    def handle(self, *, wait: float, **options: Any) -> None:
        if not _is_behind():
            self.stdout.write("The database is up to date.")
            return
        with _turn(within_s=wait):
            call_command("migrate", interactive=False, verbosity=options["verbosity"], stdout=self.stdout)


def _is_behind() -> bool:
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


@contextmanager
def _turn(*, within_s: float) -> Iterator[None]:
    """Hold the lock of whoever migrates.

    It is asked for again and again instead of waited for: a waiting statement holds a snapshot, and
    CREATE INDEX CONCURRENTLY in the process whose turn it is would wait for that in turn, for ever.
    """
    until = time.monotonic() + within_s
    while not _ask("SELECT pg_try_advisory_lock(%s)"):
        if time.monotonic() >= until:
            raise CommandError(
                f"Another process has been migrating for {within_s:g} s. See what it waits for."
            )
        time.sleep(LOOK_EVERY_S)
    try:
        yield
    finally:
        _ask("SELECT pg_advisory_unlock(%s)")


def _ask(sql: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(sql, [LOCK])
        return bool(cursor.fetchone()[0])
