"""Which checker processes are alive: each writes its name and the time into a row of its own."""

from __future__ import annotations

import os
import socket
from datetime import datetime, timedelta

from payments import __version__
from payments.models import Checker

FORGET_AFTER = timedelta(days=1)
START = "manage.py auto_complete_payments --continuous"  # what to say to whoever misses one


def beat(*, interval_s: float, now: datetime, swept_at: datetime | None = None) -> None:
    """Say that this process is alive, looks at least every `interval_s` seconds, and did so at `swept_at`."""
    told = {"seen_at": now, "interval_s": interval_s, "version": __version__, "swept_at": swept_at}
    Checker.objects.update_or_create(
        name=f"{socket.gethostname()}:{os.getpid()}"[:100],
        defaults=told,
        create_defaults=told | {"started_at": now},
    )
    Checker.objects.filter(seen_at__lt=now - FORGET_AFTER).delete()


def sign_off() -> None:
    """Remove this process's row; it ends in order."""
    Checker.objects.filter(name=f"{socket.gethostname()}:{os.getpid()}"[:100]).delete()


def alive(now: datetime) -> list[Checker]:
    """Checkers that were seen within the last two of their intervals (contract, `readyz`)."""
    recent = Checker.objects.filter(seen_at__gte=now - FORGET_AFTER).order_by("name")
    return [c for c in recent if now - c.seen_at <= timedelta(seconds=2 * c.interval_s)]
