"""`auto_complete_payments`: sweep once, or run as the background checker."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import Any, NoReturn

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from payments import checker, claims, gateway
from payments.answers import Answer
from payments.models import PaymentOrder
from payments.sweep import Summary, Sweep, preview
from payments.writing import Checked
from phonepe_pg import PhonePeError

EPILOG = """
examples:
  manage.py auto_complete_payments                      one sweep over what is due, then exit
  manage.py auto_complete_payments --continuous         the checker service; stop it with SIGTERM
  manage.py auto_complete_payments --dry-run            what PhonePe says of what is due, changing nothing
  manage.py auto_complete_payments --order OKP-...      just this order, due or not
  manage.py auto_complete_payments --json | jq .        one line per order, then the summary

exit code of one sweep: 0, or 1 when PhonePe could not be used at all (the reason is on stderr).
"""


LONGEST_INTERVAL_S = 86_400


class Command(BaseCommand):
    help = (
        "Find payments that wait for their outcome, ask PhonePe, and complete them: SUCCESS with its booking, "
        "FAILED or EXPIRED. Any number of these may run at the same time, on any number of machines."
    )
    default_interval = 60

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.formatter_class, parser.epilog = RawDescriptionHelpFormatter, EPILOG
        parser.add_argument("--continuous", action="store_true", help="run until SIGTERM or SIGINT")
        parser.add_argument(
            "--interval",
            type=float,
            default=self.default_interval,
            metavar="S",
            help="with --continuous: look at least every S seconds, and sooner when an order falls due or is "
            "hurried (default: %(default)s)",
        )
        parser.add_argument("--limit", type=int, metavar="N", help="check at most N orders")
        parser.add_argument("--order", metavar="MERCHANT_ORDER_ID", help="check this order only, due or not")
        parser.add_argument("--dry-run", action="store_true", help="ask PhonePe, change nothing")
        parser.add_argument(
            "--json", action="store_true", help="one JSON line per order, then a summary line"
        )

    def handle(self, **options: Any) -> None:
        self._json = bool(options["json"])
        self._refuse_nonsense(options)
        if options["continuous"]:
            summary = checker.run(
                interval_s=options["interval"], on_checked=self._print_order if self._json else None
            )
            if self._json:  # else stdout is the log, which has told it
                self._print_summary(summary)
        elif options["dry_run"]:
            self._dry_run(options["limit"], options["order"])
        else:
            self._once(options["limit"], options["order"])

    def _refuse_nonsense(self, options: dict[str, Any]) -> None:
        if not 0 < options["interval"] <= LONGEST_INTERVAL_S:
            raise CommandError(f"--interval must be more than 0 and at most {LONGEST_INTERVAL_S} seconds.")
        if options["limit"] is not None and options["limit"] <= 0:
            raise CommandError("--limit must be at least 1.")
        if options["order"] == "":
            raise CommandError("--order needs the id of an order; it is empty.")
        if options["continuous"] and (options["dry_run"] or options["order"] or options["limit"]):
            raise CommandError("--continuous goes with --interval and --json only.")

    def _once(self, limit: int | None, merchant_order_id: str | None) -> None:
        only = self._claim(merchant_order_id) if merchant_order_id else None
        with self._progress() as progress:
            due = len(only) if only is not None else PaymentOrder.objects.due(timezone.now()).count()
            task = progress.add_task("asking PhonePe", total=min(due, limit) if limit else due)

            def on_checked(checked: Checked) -> None:
                progress.advance(task)
                if self._json:
                    self._print_order(checked)

            sweep = Sweep(limit=limit, on_checked=on_checked)
            checker.stop_on_signals(sweep.stop)
            checker.collect_rarely()
            summary = sweep.run_once(only)
        gateway.close()
        if only:  # not asked about, it would stay claimed for a while
            claims.release(only, until=timezone.now())
        self._print_summary(summary)
        if summary.gateway_was_unusable:
            self._give_up(summary.trouble or "no question was answered; the orders stay due")

    def _claim(self, merchant_order_id: str) -> list[PaymentOrder]:
        order = self._find(merchant_order_id)
        claimed = claims.claim_one(order.pk, now=timezone.now())
        if claimed is None:
            raise CommandError(f"{merchant_order_id} is being checked by somebody else just now. Try again.")
        return [claimed]

    def _find(self, merchant_order_id: str) -> PaymentOrder:
        order = PaymentOrder.objects.filter(merchant_order_id=merchant_order_id).first()
        if order is None:
            raise CommandError(f"There is no order {merchant_order_id}.")
        return order

    def _dry_run(self, limit: int | None, merchant_order_id: str | None) -> None:
        due = PaymentOrder.objects.due(timezone.now()).order_by("next_check_at")
        orders = [self._find(merchant_order_id)] if merchant_order_id else list(due[:limit] if limit else due)
        answers = []
        for order, answer, verdict in preview(orders):
            answers.append(answer)
            would = " -> ".join(verdict.moves) or verdict.attention or "stay"
            line = {
                "order": order.merchant_order_id,
                "status": order.status,
                "phonepe": answer.state,
                "would": would,
            }
            self.stdout.write(
                json.dumps(line)
                if self._json
                else "{order}  {status}  PhonePe: {phonepe}  would: {would}".format(**line)
            )
        trouble = self._trouble(answers)
        gateway.close()
        summary = {"summary": {"asked": len(answers), "changed": 0}}
        self.stdout.write(json.dumps(summary) if self._json else f"{len(answers)} asked, nothing changed.")
        if trouble:
            self._give_up(str(trouble))

    def _trouble(self, answers: list[Answer]) -> PhonePeError | None:
        """Why PhonePe could not be used at all; None when it answered, or would have."""
        if answers:
            return None if any(answer.is_answer for answer in answers) else answers[-1].error
        try:
            gateway.check_credentials()
        except PhonePeError as error:
            return error
        return None

    def _give_up(self, why: str) -> NoReturn:
        self.stderr.write(f"PhonePe could not be used: {why}")
        sys.exit(1)

    def _progress(self) -> Progress:
        console = Console(file=sys.stderr)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        return Progress(
            *columns, console=console, transient=True, disable=self._json or not console.is_terminal
        )

    def _print_order(self, checked: Checked) -> None:
        order = checked.order
        line = {
            "order": order.merchant_order_id,
            "was": checked.was,
            "status": order.status,
            "phonepe": checked.answer.state if checked.answer else None,
            "booking": order.fulfilment_reference or None,
        }
        self.stdout.write(json.dumps(line))

    def _print_summary(self, summary: Summary) -> None:
        if self._json:
            line = {"checked": summary.checked, "unanswered": summary.unanswered, "moved": summary.moved}
            self.stdout.write(json.dumps({"summary": line}))
            return
        moved = (
            ", ".join(f"{count} {status}" for status, count in sorted(summary.moved.items())) or "none moved"
        )
        self.stdout.write(f"{summary.checked} checked, {moved}, {summary.unanswered} without an answer.")
