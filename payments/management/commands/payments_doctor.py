"""`payments_doctor`: what is wrong with the set-up, in one sentence each."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand

from payments import doctor, gateway


class Command(BaseCommand):
    requires_system_checks = ()  # what is wrong is to be said, not to keep it from being said
    help = (
        "Look at credentials, hosts, clock, webhook, database, checker and time zone; say what is wrong and what "
        "to do. Exit code 0 only when all is well."
    )

    def handle(self, **options: Any) -> None:
        ill = 0
        for found in doctor.examine():
            mark = self.style.SUCCESS("ok ") if found.is_well else self.style.ERROR("BAD")
            self.stdout.write(f"{mark} {found.subject}: {found.sentence} {found.advice}".rstrip())
            ill += not found.is_well
        gateway.close()
        if ill:
            sys.exit(1)
