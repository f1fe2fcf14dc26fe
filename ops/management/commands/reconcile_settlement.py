"""`reconcile_settlement`: PhonePe's settlement report against our payments and refunds."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from catalog.money import rupees
from ops import settlement
from ops.settlement import COLUMNS, Malformed, Settlement


class Command(BaseCommand):
    help = (
        "Compare a settlement report (CSV, as downloaded from PhonePe) with what is known here, and list what we"
        " never saw or saw differently. Stores nothing. Exit code 0 when every line fits, 1 when not."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--column",
            action="append",
            default=[],
            metavar="NAME=HEADING",
            help=f"where a report calls a column differently; names: {', '.join(COLUMNS)}",
        )

    def handle(self, *, file: Path, column: list[str], **options: Any) -> None:
        try:
            with file.open(encoding="utf-8-sig", newline="") as report:
                found = settlement.compare(report, columns=_columns(column))
        except OSError as error:
            raise CommandError(f"{file} cannot be read: {error.strerror}.") from error
        except (Malformed, UnicodeDecodeError) as error:
            raise CommandError(f"{file} is no settlement report: {error}") from error
        self._show(found)
        if found.flagged:
            sys.exit(1)

    def _show(self, found: Settlement) -> None:
        self.stdout.write(f"payments  {found.payments:6}  {rupees(found.payments_paise)}")
        self.stdout.write(f"refunds   {found.refunds:6}  {rupees(found.refunds_paise)}")
        self.stdout.write(f"charges           {rupees(found.charges_paise)}")
        self.stdout.write(f"to the bank       {rupees(found.net_paise)}")
        for line, flag in found.flagged:
            self.stdout.write(
                f"line {line.number}: {line.kind or 'no kind'} {line.reference or 'no reference'}"
                f" ({line.phonepe_id or 'no PhonePe id'}) {rupees(line.amount_paise)}: {flag}"
            )


def _columns(given: list[str]) -> dict[str, str]:
    columns = dict(one.partition("=")[::2] for one in given)
    unknown = [name for name, heading in columns.items() if name not in COLUMNS or not heading]
    if unknown:
        raise CommandError(f"--column NAME=HEADING: {', '.join(unknown)} is none of {', '.join(COLUMNS)}.")
    return columns
