"""The settings that `payments` reads, with the value of each that a project may leave out."""

from __future__ import annotations

from typing import Any, Final

from django.conf import settings

DEFAULTS: Final[dict[str, Any]] = {
    "PAYMENTS": {},  # what the shop plugs in, see payments.shop
    "PUBLIC_URL": "",  # where customers reach this site; has no default that could be right
    "FRONTEND_URL": "",  # where the return page sends them on to; "": this site's own pages
    "PHONEPE_ENV": "sandbox",
    "PHONEPE_BASE_URL": "",
    "PHONEPE_OAUTH_URL": "",
    "PHONEPE_CLIENT_ID": "",
    "PHONEPE_CLIENT_SECRET": "",
    "PHONEPE_CLIENT_VERSION": "1",
    "PHONEPE_WEBHOOK_USERNAME": "",
    "PHONEPE_WEBHOOK_PASSWORD": "",
    "PHONEPE_MAX_RPS": 10,
    "PAYMENT_EXPIRE_AFTER": 900,
    "STATUS_VERIFY_AFTER": 30,
    "LATE_WATCH_HOURS": 72,
}
RANGES: Final[dict[str, tuple[int, int]]] = {
    "PHONEPE_MAX_RPS": (1, 100_000),
    "PAYMENT_EXPIRE_AFTER": (300, 3600),  # PhonePe's own limits for expireAfter (wire reference §3.1)
    "STATUS_VERIFY_AFTER": (0, 3600),
    "LATE_WATCH_HOURS": (1, 24 * 30),
}


def apply() -> None:
    """Give every setting that the project has not set its default. Safe to repeat."""
    for name, value in DEFAULTS.items():
        if not hasattr(settings, name):
            setattr(settings, name, value)
