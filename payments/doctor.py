"""Says in one sentence each what is right or wrong with the set-up. Changes nothing but one recorded webhook."""

from __future__ import annotations

import hashlib
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import run_checks
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from payments import checkers, checks, gateway
from phonepe_pg import PhonePeError

TIMEOUT_S = 5
OF_HOSTS = ("payments.E002", "payments.E006", "payments.E021")  # `_hosts` tells about them
SKEW_S = 60
# By the answer's status, or its class.
WEBHOOK_ADVICE = {
    100: "Something else answers there.",
    200: "Something else answers there.",
    300: "Set PUBLIC_URL to the address itself: PhonePe follows no redirect.",
    400: "PUBLIC_URL leads to another site, or the proxy keeps something back.",
    401: "The web service runs with another PHONEPE_WEBHOOK_USERNAME or PHONEPE_WEBHOOK_PASSWORD: restart it.",
    500: "The web service is broken; its log says why.",
    502: "The proxy does not reach the web service. Does it run?",
    503: "The web service runs without PHONEPE_WEBHOOK_USERNAME and PHONEPE_WEBHOOK_PASSWORD: restart it.",
}


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer: our credential is not carried to wherever it leads."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


_opener = urllib.request.build_opener(_NoRedirect)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One thing looked at; `advice` is empty when it is well."""

    subject: str
    sentence: str
    advice: str = ""

    @property
    def is_well(self) -> bool:
        return not self.advice


def examine() -> Iterator[Diagnosis]:
    """Look at everything, one after the other, the cheap first."""
    for look in (
        _settings,
        _hosts,
        _database,
        _migrations,
        _credentials,
        _clock,
        _webhook,
        _checker,
        _time_zone,
    ):
        yield look()


def _settings() -> Diagnosis:
    missing = gateway.missing_settings()
    if missing:
        return Diagnosis(
            "settings", f"{', '.join(missing)} not set.", "Take the values from PhonePe's dashboard."
        )
    wrong = [found for found in run_checks() if found.is_serious() and found.id not in OF_HOSTS]
    if wrong:
        return Diagnosis("settings", " ".join(found.msg for found in wrong), wrong[0].hint or "Correct them.")
    return Diagnosis("settings", "All PhonePe credentials are set.")


def _hosts() -> Diagnosis:
    wrong = [*checks.hosts_are_of_one_environment(None), *checks.public_shop_takes_money(None)]
    advice = str(wrong[0].hint) if wrong else ""
    try:
        both = gateway.hosts()
    except PhonePeError as error:
        return Diagnosis("hosts", str(error), advice)
    return Diagnosis("hosts", f"PhonePe is {both.pg}, tokens come from {both.oauth}.", advice)


def _database() -> Diagnosis:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SHOW server_version_num")
            version = int(cursor.fetchone()[0]) // 10000
    except DatabaseError as error:
        return Diagnosis(
            "database",
            f"It cannot be reached: {' '.join(str(error).split())}",
            "Look at DATABASE_URL and the server.",
        )
    advice = "" if version >= 14 else "PostgreSQL 14 or newer is needed."
    return Diagnosis("database", f"PostgreSQL {version} answers.", advice)


def _migrations() -> Diagnosis:
    try:
        executor = MigrationExecutor(connection)
        waiting = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    except DatabaseError:
        return Diagnosis(
            "migrations", "They cannot be read without the database.", "Mend the database first."
        )
    if waiting:
        return Diagnosis("migrations", f"{waiting} are not applied.", "Run: python manage.py migrate")
    return Diagnosis("migrations", "All are applied.")


def _credentials() -> Diagnosis:
    try:
        gateway.check_credentials()
    except PhonePeError as error:
        return Diagnosis("credentials", f"PhonePe gave no token: {error}", checks.advice(error))
    return Diagnosis("credentials", "PhonePe accepts them.")


def _clock() -> Diagnosis:
    try:
        request = urllib.request.Request(_origin(gateway.hosts().pg), method="HEAD")  # noqa: S310  our own setting
        _, dated = _send(request)
    except (OSError, HTTPException, PhonePeError) as error:
        return Diagnosis("clock", f"PhonePe's clock cannot be read: {error}", "Look at the network.")
    told = _instant(dated)
    if told is None:
        return Diagnosis("clock", "PhonePe's answer bore no date; nothing to compare with.")
    skew_s = abs((datetime.now(UTC) - told).total_seconds())
    advice = "" if skew_s < SKEW_S else "Set this machine's clock (timedatectl set-ntp true)."
    return Diagnosis("clock", f"It is {skew_s:.0f} s away from PhonePe's.", advice)


def _webhook() -> Diagnosis:
    username, password = settings.PHONEPE_WEBHOOK_USERNAME, settings.PHONEPE_WEBHOOK_PASSWORD
    if not (username and password):
        return Diagnosis(
            "webhook", "Its credentials are not set, every callback is refused.",
            "Set PHONEPE_WEBHOOK_USERNAME and PHONEPE_WEBHOOK_PASSWORD as in the dashboard.",
        )  # fmt: skip
    try:
        url = f"{settings.PUBLIC_URL}{reverse('payments:webhook')}"
    except NoReverseMatch:
        missing = "It has no address: the namespace 'payments' is not in the URLconf."
        return Diagnosis("webhook", missing, 'Add path("api/payments/", include("payments.urls")) to it.')
    request = urllib.request.Request(  # noqa: S310  our own setting
        url,
        data=json.dumps({"event": "okpuja.doctor", "payload": {}}).encode(),
        headers={
            "Content-Type": "application/json",
            "Authorization": hashlib.sha256(f"{username}:{password}".encode()).hexdigest(),
        },
    )
    try:
        status, _ = _send(request)
    except (OSError, HTTPException) as error:
        return Diagnosis(
            "webhook", f"{url} cannot be reached: {error}", "Look at PUBLIC_URL and the web service."
        )
    advice = "" if status == 200 else WEBHOOK_ADVICE.get(status, WEBHOOK_ADVICE[status // 100 * 100])
    return Diagnosis("webhook", f"{url} answered {status} to a callback with our credential.", advice)


def _checker() -> Diagnosis:
    try:
        alive = checkers.alive(timezone.now())
    except DatabaseError:
        return Diagnosis(
            "checker", "It cannot be seen without the database and its migrations.", "Mend those first."
        )
    if not alive:
        return Diagnosis("checker", "None was seen lately.", f"Start one: {checkers.START}")
    return Diagnosis("checker", f"{len(alive)} alive: {', '.join(c.name for c in alive)}.")


def _time_zone() -> Diagnosis:
    if not settings.USE_TZ:
        return Diagnosis("time zone", "USE_TZ is off.", "Set USE_TZ = True.")
    now = timezone.localtime()
    return Diagnosis("time zone", f"People read times in {settings.TIME_ZONE}; it is {now:%H:%M} there.")


def _instant(dated: str) -> datetime | None:
    """A `Date` header as an aware datetime; None when it is none."""
    try:
        told = parsedate_to_datetime(dated)
    except ValueError:
        return None
    return told if told.tzinfo else told.replace(tzinfo=UTC)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}/"


def _send(request: urllib.request.Request) -> tuple[int, str]:
    """Status and `Date` of the answer, whatever the status. Raises OSError when there is none."""
    try:
        with _opener.open(request, timeout=TIMEOUT_S) as answer:
            return answer.status, answer.headers.get("Date", "")
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.headers.get("Date", "")
