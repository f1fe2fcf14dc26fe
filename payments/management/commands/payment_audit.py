"""`payment_audit`: money against bookings."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from payments import audit


class Command(BaseCommand):
    help = "Check money against bookings, rule by rule. Exit code 0 only when nothing is wrong."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--repair",
            action="store_true",
            help="also repair what can be repaired safely, and call a person for the rest",
        )
        parser.add_argument(
            "--json", action="store_true", help="one JSON line per finding, then a summary line"
        )

    def handle(self, *, repair: bool, json: bool, **options: Any) -> None:
        findings = audit.audit(repair=repair, now=timezone.now())
        say = self._as_json if json else self._as_text
        say(findings, len(audit.questions()))
        if findings:
            sys.exit(1)

    def _as_json(self, findings: list[audit.Finding], rules: int) -> None:
        for finding in findings:
            told = {name: value for name, value in asdict(finding).items() if name != "key"}
            self.stdout.write(json.dumps(told))
        self.stdout.write(json.dumps({"rules": rules, "findings": len(findings)}))

    def _as_text(self, findings: list[audit.Finding], rules: int) -> None:
        for finding in findings:
            done = f" [{finding.repaired}]" if finding.repaired else ""
            self.stdout.write(f"{finding.merchant_order_id}  {finding.question}: {finding.rule}{done}")
        if findings:
            self.stdout.write(f"{len(findings)} findings. `payment_status ORDER` shows an order's timeline.")
        else:
            self.stdout.write(f"All {rules} rules hold.")
