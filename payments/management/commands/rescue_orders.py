"""`rescue_orders`: stuck orders of another system, booked or given back."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from payments import gateway, records, rescue
from payments.records import COLUMNS, Bad, Row, Unreadable
from payments.rescue import MOVES_MONEY, Case, Outcome
from payments.standing import indian_rupees
from phonepe_pg import PhonePeError

UNFINISHED = 2
EPILOG = f"""
The rows are those of a CSV file with headings, or of a table, in our database or (--database) in another, with the
columns {", ".join(COLUMNS)};
the first three are needed, amounts are paise unless --rupees says otherwise. With a status column only rows in
--status are looked at. Every other column is handed to the shop, which may need it to know what was bought.

examples:
  manage.py rescue_orders stuck.csv                          what PhonePe says, and what would be done
  manage.py rescue_orders stuck.csv --rupees --column merchant_order_id=txn_id --column cart_id=booking_ref
  manage.py rescue_orders --table payments_order --database postgresql://reader@old-machine/oldshop
  manage.py rescue_orders stuck.csv --apply                  do it; safe to repeat

exit code: 0 when every row is dealt with, 2 when some rows were wrong or left out and want another run or a person,
1 when nothing could be read or PhonePe could not be used at all.
"""


class Command(BaseCommand):
    help = (
        "Read stuck orders of another system, ask PhonePe about each, and say what would be booked or given back and"
        " for how many rupees. Changes nothing unless --apply is given."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.formatter_class, parser.epilog = RawDescriptionHelpFormatter, EPILOG
        source = parser.add_mutually_exclusive_group(required=True)
        source.add_argument("file", nargs="?", type=Path, metavar="FILE.csv")
        source.add_argument("--table", metavar="NAME", help='"orders", or "schema.orders"')
        parser.add_argument(
            "--database", default="", metavar="URI", help="of the table, when it is not in ours"
        )
        parser.add_argument(
            "--column",
            action="append",
            default=[],
            metavar="NAME=HEADING",
            help="a column that is called differently",
        )
        parser.add_argument("--rupees", action="store_true", help="amounts are rupees (1499.00), not paise")
        parser.add_argument(
            "--status",
            default="PENDING,INITIATED",
            help="rows to look at; ALL for each (default: %(default)s)",
        )
        parser.add_argument("--limit", type=int, metavar="N", help="look at the first N rows only")
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--dry-run", action="store_true", help="change nothing (the default)")
        what.add_argument("--apply", action="store_true", help="book and give back")
        parser.add_argument("--json", action="store_true", help="one JSON line per row, then the totals")

    def handle(self, **options: Any) -> None:
        self._json, self._apply = bool(options["json"]), bool(options["apply"])
        try:
            found = self._read(options)
            gateway.check_credentials()
        except (Unreadable, UnicodeDecodeError) as error:
            raise CommandError(f"Nothing was done: {error}") from error
        except OSError as error:
            raise CommandError(
                f"Nothing was done: {options['file']} cannot be read: {error.strerror}."
            ) from error
        except PhonePeError as error:
            raise CommandError(f"Nothing was done. PhonePe could not be used: {error}") from error
        bad = [row for row in found if isinstance(row, Bad)]
        cases = self._look([row for row in found if isinstance(row, Row)])
        gateway.close()
        self._sum_up(cases, bad)
        if bad or any(case.outcome == Outcome.LEFT for case in cases):
            sys.exit(UNFINISHED)

    def _read(self, options: dict[str, Any]) -> list[Row | Bad]:
        headings = records.columns(dict(one.partition("=")[::2] for one in options["column"]))
        if options["table"]:
            lines = list(records.from_table(options["table"], database=options["database"]))
        else:
            with options["file"].open(encoding="utf-8-sig", newline="") as file:
                lines = list(records.from_csv(file))
        wanted = {name.strip().upper() for name in options["status"].split(",")}
        rows = records.read(lines, headings=headings, in_rupees=options["rupees"])
        return list(islice(_stuck(rows, wanted), options["limit"]))

    def _look(self, rows: list[Row]) -> list[Case]:
        cases = []
        with self._progress() as progress:
            task = progress.add_task("asking PhonePe", total=len(rows))
            for case in rescue.rescue(iter(rows), apply=self._apply):
                cases.append(case)
                self._show(case)
                progress.advance(task)
        return cases

    def _show(self, case: Case) -> None:
        row = case.row
        if self._json:
            said = case.answer.state if case.answer else ""
            facts = {"line": row.line, "order": row.merchant_order_id, "cart": row.cart_id, "phonepe": said}
            told = facts | {"outcome": case.outcome.name, "why": case.why, "paise": case.paise}
            self.stdout.write(json.dumps(told, ensure_ascii=False))
            return
        why = f" ({case.why})" if case.why else ""
        sum_ = indian_rupees(case.paise)
        self.stdout.write(f"line {row.line}: {row.merchant_order_id} {sum_}: {self._said(case.outcome)}{why}")

    def _said(self, outcome: Outcome) -> str:
        would = not self._apply and outcome in MOVES_MONEY
        return f"would be {outcome}" if would else str(outcome)

    def _sum_up(self, cases: list[Case], bad: list[Bad]) -> None:
        sums = {outcome: [case.paise for case in cases if case.outcome == outcome] for outcome in Outcome}
        if self._json:
            totals = {outcome.name: {"orders": len(s), "paise": sum(s)} for outcome, s in sums.items() if s}
            wrong = [{"line": one.line, "why": one.why} for one in bad]
            told = {"applied": self._apply, "totals": totals, "bad": wrong}
            self.stdout.write(json.dumps(told, ensure_ascii=False))
            return
        for one in bad:
            self.stderr.write(f"line {one.line}: not read: {one.why}")
        self.stdout.write("")
        for outcome, paise in sums.items():
            if paise:
                self.stdout.write(f"{len(paise):6}  {indian_rupees(sum(paise)):>18}  {self._said(outcome)}")
        if bad:
            self.stdout.write(f"{len(bad):6}  {'':>18}  not read, see above")
        if not self._apply:
            self.stdout.write("Nothing was changed. Run it again with --apply to do this.")

    def _progress(self) -> Progress:
        return Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
            console=Console(stderr=True), disable=not sys.stderr.isatty(),
        )  # fmt: skip


def _stuck(rows: Iterator[Row | Bad], wanted: set[str]) -> Iterator[Row | Bad]:
    """Rows that are not known to have ended; where no status is told, each."""
    for row in rows:
        if isinstance(row, Bad) or not row.status or "ALL" in wanted or row.status in wanted:
            yield row
