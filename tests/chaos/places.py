"""Where one run has its files and its processes, and the settings that all of them share."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from tests.chaos.plan import LIFE_S
from tests.ports import free_port
from tests.processes import ROOT

CHECKERS = 3
WEBS = 2
MAX_RPS = 300


def _new_folder() -> Path:
    folder = ROOT / "var" / "chaos" / f"{datetime.now():%y%m%d-%H%M%S}-{os.getpid()}"
    folder.mkdir(parents=True)
    return folder


@dataclass(frozen=True, slots=True)
class Places:
    """The run's own folder under var/chaos and its free ports."""

    folder: Path = field(default_factory=_new_folder)
    ports: tuple[int, ...] = field(default_factory=lambda: tuple(free_port() for _ in range(WEBS)))

    @property
    def sites(self) -> tuple[str, ...]:
        return tuple(f"http://127.0.0.1:{port}" for port in self.ports)

    @property
    def webhook_urls(self) -> tuple[str, ...]:
        return tuple(f"{site}/api/payments/webhook/phonepe/" for site in self.sites)

    def environment(self, *, database_url: str, phonepe_url: str) -> dict[str, str]:
        """Everything that a .env could say is said here, so that nobody's real account is touched."""
        return {
            "DATABASE_URL": database_url,
            "DJANGO_SETTINGS_MODULE": "okpuja.settings",
            "DEBUG": "0",
            "SECRET_KEY": "for-chaos-only-" + "0123456789abcdef" * 3,
            "PUBLIC_URL": self.sites[0],
            "FRONTEND_URL": "",
            "ALLOWED_HOSTS": "*",
            "PHONEPE_ENV": "sandbox",
            "PHONEPE_BASE_URL": phonepe_url,
            "PHONEPE_OAUTH_URL": "",
            "PHONEPE_CLIENT_ID": "SANDBOX_CLIENT",
            "PHONEPE_CLIENT_SECRET": "sandbox-secret",
            "PHONEPE_CLIENT_VERSION": "1",
            "PHONEPE_WEBHOOK_USERNAME": "okpuja_test",
            "PHONEPE_WEBHOOK_PASSWORD": "test12345",
            "PHONEPE_MAX_RPS": str(MAX_RPS),
            "PAYMENT_EXPIRE_AFTER": str(LIFE_S),
            "STATUS_VERIFY_AFTER": "2",  # so that pollers make the site ask, and not only look
            "LATE_WATCH_HOURS": "72",
            "EMAIL_URL": f"file://{self.folder / 'mail'}",
            "LOG_FILE": "",
            "LOG_LEVEL": "INFO",
        }
