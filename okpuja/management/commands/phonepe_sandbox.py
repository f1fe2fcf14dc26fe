"""`phonepe_sandbox`: the emulator alone, in a process of its own."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand

from phonepe_sandbox.app import run


class Command(BaseCommand):
    help = "Run the PhonePe sandbox emulator. Its own options follow; see --help."
    requires_system_checks: list[str] = []

    def run_from_argv(self, argv: list[str]) -> None:
        sys.exit(run(argv[2:]))  # the emulator knows nothing of Django and reads its arguments itself

    def handle(self, *args: Any, **options: Any) -> None:
        sys.exit(run([]))
