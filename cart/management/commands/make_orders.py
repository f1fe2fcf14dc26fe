"""`manage.py make_orders N`: orders for load tests."""

from __future__ import annotations

import argparse
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from cart import load
from catalog.models import Package
from payments.states import CLOSED_UNPAID, OPEN, Status

STATUSES = [str(status) for status in (*OPEN, *CLOSED_UNPAID)]
LONGEST_AGE_S = 366 * 24 * 3600
HELP = """\
Make N carts, each with one payment order, for load tests.

Open orders are due at once, so the next sweep of `auto_complete_payments` asks about them; closed ones
are history, which nobody asks about. Without --unregistered they are first made known to the PhonePe
sandbox emulator, which must be running at PHONEPE_BASE_URL; there they wait to be paid, or get any other
outcome through its control API. With --unregistered nobody knows them, and the gateway answers as it does
for unknown orders.

Examples:
  manage.py make_orders 10000                         ten thousand orders, made just now
  manage.py make_orders 500 --age 600                 made ten minutes ago
  manage.py make_orders 50 --status PENDING --unregistered --age 300
                                                      lost on the way to the gateway: a sweep cancels them
"""


class Command(BaseCommand):
    help = HELP

    def add_arguments(self, parser: CommandParser) -> None:
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
        parser.add_argument("count", type=int, metavar="N", help="how many")
        parser.add_argument("--status", choices=STATUSES, default="INITIATED", help="default: INITIATED")
        parser.add_argument(
            "--age", type=int, default=0, metavar="SECONDS", help="how long ago they were made"
        )
        parser.add_argument("--unregistered", action="store_true", help="tell the emulator nothing")

    def handle(
        self, *, count: int, status: str, age: int, unregistered: bool, verbosity: int, **options: Any
    ) -> None:
        if settings.PHONEPE_ENV == "production":
            raise CommandError("PHONEPE_ENV is production: this command only makes orders for tests.")
        if count < 1 or not 0 <= age <= LONGEST_AGE_S:
            raise CommandError(f"N must be at least 1, and --age from 0 to {LONGEST_AGE_S} s (a year).")
        packages = list(Package.objects.offered().select_related("puja"))
        if not packages:
            raise CommandError("The catalogue is empty. Run `manage.py seed_catalog` first.")
        expire_after = timedelta(seconds=settings.PAYMENT_EXPIRE_AFTER)
        plan = load.Plan(count, Status(status), timedelta(seconds=age), expire_after)
        emulator = None if unregistered else emulator_base()
        try:
            for made in load.make(plan, packages=packages, now=timezone.now(), emulator=emulator):
                if verbosity and made < count:
                    self.stdout.write(f"{made} of {count}")
        except load.EmulatorUnreachable as error:
            raise CommandError(f"The emulator did not take the orders. {error}") from error
        known = "known to nobody" if unregistered else f"known to the emulator at {emulator}"
        self.stdout.write(f"{count} orders made: {status}, {age} s old, {known}.")


def emulator_base() -> str:
    """Scheme, host and port of PHONEPE_BASE_URL. Raises CommandError when there is none, or PhonePe's own."""
    parts = urlsplit(settings.PHONEPE_BASE_URL)
    if not parts.netloc or (parts.hostname or "").endswith("phonepe.com"):
        raise CommandError(
            "PHONEPE_BASE_URL does not name the emulator (http://localhost:8900/apis/pg-sandbox, say)."
            " Set it, or use --unregistered."
        )
    return f"{parts.scheme}://{parts.netloc}"
