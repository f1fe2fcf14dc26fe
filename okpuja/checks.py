"""System checks of the assembly: settings that start and are wrong all the same. The engine has its own checks."""

from __future__ import annotations

import re
from email.utils import parseaddr
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

DEMO_SECRETS = ("sandbox-secret", "demo12345")  # of the Makefile and of .env.example


@register("okpuja")
def production_is_meant(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """With PHONEPE_ENV=production real money is taken: nothing of a developer's machine may be left."""
    if settings.PHONEPE_ENV != "production":
        return []
    found: list[CheckMessage] = []
    if settings.DEBUG:
        message = "DEBUG is on with PHONEPE_ENV=production: error pages would show the settings to strangers."
        found.append(Error(message, hint="Set DEBUG=0.", id="okpuja.E001"))
    for name in ("PHONEPE_CLIENT_SECRET", "PHONEPE_WEBHOOK_PASSWORD"):
        if getattr(settings, name) in DEMO_SECRETS:
            hint = "Take it from PhonePe's dashboard."
            found.append(Error(f"{name} is the demo's: anybody can read it.", hint=hint, id="okpuja.E002"))
    if not _is_public(settings.PUBLIC_URL):
        message = "PUBLIC_URL is not an https address with a public host name: PhonePe calls back no other."
        hint = "Set it to https:// and the shop's host, without a port."
        found.append(Error(message, hint=hint, id="okpuja.E003"))
    return found


@register("okpuja")
def own_host_is_allowed(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Who comes back from PhonePe comes to PUBLIC_URL's host."""
    host = (urlsplit(settings.PUBLIC_URL).hostname or "").lower()
    allowed = [pattern.lower() for pattern in settings.ALLOWED_HOSTS]
    if any(pattern in ("*", host) or (pattern[:1] == "." and host.endswith(pattern)) for pattern in allowed):
        return []
    message = "PUBLIC_URL's host is not in ALLOWED_HOSTS: returning customers and webhooks would be refused."
    return [Error(message, hint=f"Add {host} to ALLOWED_HOSTS, or leave it unset.", id="okpuja.E004")]


@register("okpuja", deploy=True)
def hosts_are_named(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """A wildcard lets a forged Host header into mails and redirects."""
    if "*" not in settings.ALLOWED_HOSTS:
        return []
    return [Warning("ALLOWED_HOSTS allows every host.", hint="Name them.", id="okpuja.W001")]


@register("okpuja", deploy=True)
def secrets_travel_encrypted(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """The client secret and customers' data do not go over the network in clear, except to this machine itself."""
    found: list[CheckMessage] = []
    for name in ("PHONEPE_BASE_URL", "PHONEPE_OAUTH_URL", "FRONTEND_URL"):
        value = getattr(settings, name)
        if value.startswith("http://") and not _is_this_machine(urlsplit(value).hostname or ""):
            hint = "Begin it with https://."
            found.append(Warning(f"{name} is not encrypted.", hint=hint, id="okpuja.W002"))
    return found


@register("okpuja", deploy=True)
def front_end_may_ask(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """A front end of another origin can read a status only when CORS lets it."""
    origin = _origin(settings.FRONTEND_URL)
    if not origin or origin in (_origin(settings.PUBLIC_URL), *settings.CORS_ALLOWED_ORIGINS):
        return []
    message = (
        "FRONTEND_URL's origin is not in CORS_ALLOWED_ORIGINS: its pages cannot read a payment's status."
    )
    return [Warning(message, hint=f"Add {origin} to CORS_ALLOWED_ORIGINS.", id="okpuja.W003")]


@register("okpuja", deploy=True)
def database_is_a_server(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """The embedded PostgreSQL is for development: nobody backs it up, and one machine alone can use it."""
    if not settings.DATABASE_IS_EMBEDDED:
        return []
    hint = "Set DATABASE_URL to a server's."
    return [Warning("DATABASE_URL is not set: the embedded one is used.", hint=hint, id="okpuja.W004")]


@register("okpuja", deploy=True)
def mails_are_sent(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """`console:` and `file:` put customers' names and addresses into the log or a folder, and nobody gets a mail."""
    if settings.EMAIL_URL.startswith("smtp"):
        return []
    hint = "Set EMAIL_URL to smtp+tls://user:password@host:587."
    return [Warning("EMAIL_URL sends no mail to anybody.", hint=hint, id="okpuja.W005")]


@register("okpuja", deploy=True)
def sender_can_be_answered(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Mail servers refuse a sender on `localhost`, and our mails ask customers to answer them."""
    _, _, host = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")
    if "." in host:
        return []
    hint = "Set it to OkPuja <bookings@your.domain>."
    message = "DEFAULT_FROM_EMAIL is no address that a mail can be answered to."
    return [Warning(message, hint=hint, id="okpuja.W006")]


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""


def _is_public(url: str) -> bool:
    """Whether PhonePe would call it: https, a host name and no address, the usual port (wire reference §6.1)."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    is_usual = parts.scheme == "https" and parts.netloc.lower().removesuffix(":443") == host
    return is_usual and "." in host and not re.fullmatch(r"[0-9.]+", host)


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
