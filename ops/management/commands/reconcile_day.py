"""`reconcile_day`: a day's money, PhonePe against bookings and refunds."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from catalog.money import rupees
from ops import reconcile
from ops.days import read_day, write_csv
from ops.reconcile import Kind, Report


class Command(BaseCommand):
    help = (
        "What PhonePe took on a day (Asia/Kolkata) against what was booked and what went back, as things stand"
        " now. Exit code 0 when all is accounted for, 1 when something is not explained."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("day", metavar="YYYY-MM-DD")
        parser.add_argument("--csv", action="store_true", help="all payments as CSV on standard output")

    def handle(self, *, day: str, csv: bool, **options: Any) -> None:
        try:
            report = reconcile.report(read_day(day))
        except ValueError as error:
            raise CommandError(str(error)) from error
        write_csv(report, self.stdout) if csv else self._show(report)
        if report.unexplained:
            sys.exit(1)

    def _show(self, report: Report) -> None:
        self.stdout.write(
            f"{report.day}: {report.total.count} payments, PhonePe took {rupees(report.total.taken)}"
        )
        for kind, sums in report.kinds.items():
            back = rupees(sums.sent_back + sums.going_back)
            self.stdout.write(
                f"  {kind:40} {sums.count:6}  took {rupees(sums.taken)}, booked {rupees(sums.booked)}, back {back}"
            )
        sent = rupees(report.refunds_sent_paise)
        self.stdout.write(f"  sent back on this day, of any day's payments: {report.refunds_sent}, {sent}")
        for payment in report.differences:
            if payment.kind == Kind.UNEXPLAINED:
                took = "nothing is known" if payment.taken_paise is None else rupees(payment.taken_paise)
                self.stdout.write(f"NOT EXPLAINED {payment.merchant_order_id}: PhonePe took {took}")
        for booking in report.unpaid_bookings:
            self.stdout.write(
                f"NOT EXPLAINED {booking.booking_id}: no paid order {booking.merchant_order_id}"
            )
