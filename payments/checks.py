"""System checks: what is missing or contradictory in the settings, and what to set."""

from __future__ import annotations

import re
from datetime import time
from typing import Any
from urllib.parse import urlsplit

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connection
from django.utils.module_loading import import_string

from payments import gateway
from payments.audit import WHOLE_AT
from payments.defaults import RANGES
from phonepe_pg import Misconfigured, PhonePeError
from phonepe_pg.types import is_web_address

PRODUCTION_HOST = "api.phonepe.com"
SANDBOX_HOST = "api-preprod.phonepe.com"
THIS_MACHINE = ("localhost", "127.0.0.1", "::1")
JOBS_APP = "procrastinate.contrib.django"

PLUGS = ("FULFIL", "FULFIL_MANY", "PAYABLE", "STATUS", "HOLD", "RELEASE", "NOTIFY", "AUDIT", "RESCUE")
NUMBERS = ("KEEP_WEBHOOK_DAYS", "CELERY_SWEEPS")
POLICIES = {"UNFULFILLABLE": ("refund", "hold"), "AFTER_WATCH": ("release", "hold")}


@register("payments")
def credentials_are_set(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """A shop without credentials may start and migrate, but should be told."""
    return [
        Warning(
            f"{name} is not set: no payment can be made or checked.", hint=f"Set {name}.", id="payments.W001"
        )
        for name in gateway.missing_settings()
    ]


@register("payments", deploy=True)
def credentials_are_set_for_deployment(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """With `check --deploy` a missing credential is an error."""
    return [
        Error(
            f"{name} is not set.",
            hint=f"Set {name} to the value from PhonePe's dashboard (Developer Settings).",
            id="payments.E001",
        )
        for name in gateway.missing_settings()
    ]


@register("payments", deploy=True)
def credentials_are_accepted(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """PhonePe gives a token for them; that it cannot be reached just now is no mistake of the settings."""
    if gateway.missing_settings():
        return []
    try:
        gateway.check_credentials()
    except Misconfigured as error:
        return [Error(str(error), hint="Compare them with PhonePe's dashboard.", id="payments.E007")]
    except PhonePeError as error:
        return [Warning(f"PhonePe cannot be asked about the credentials: {error}", id="payments.W004")]
    finally:
        gateway.close()
    return []


@register("payments", deploy=True)
def webhook_credentials_are_set(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Without both, every callback is refused and payments are found by asking alone (wire reference §6.1)."""
    rules = {
        "PHONEPE_WEBHOOK_USERNAME": (r"\w{5,20}", "5 to 20 letters, digits or underscores"),
        "PHONEPE_WEBHOOK_PASSWORD": (
            r"(?=.*[A-Za-z])(?=.*\d).{8,20}",
            "8 to 20 characters with letters and digits",
        ),
    }
    found: list[CheckMessage] = []
    for name, (pattern, rule) in rules.items():
        value = getattr(settings, name)
        if not value:
            found.append(
                Warning(
                    f"{name} is not set: every webhook is refused.", hint=f"Set {name}.", id="payments.W002"
                )
            )
        elif not re.fullmatch(pattern, value, re.ASCII):
            found.append(
                Warning(f"{name} is not what PhonePe's dashboard accepts: {rule}.", id="payments.W003")
            )
    return found


@register("payments")
def hosts_are_of_one_environment(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Sandbox tokens are worth nothing in production, and the other way round (wire reference §1)."""
    known = {PRODUCTION_HOST: "production", SANDBOX_HOST: "sandbox"}
    try:
        both = gateway.hosts()
    except Misconfigured as error:
        hint = "Set PHONEPE_BASE_URL and PHONEPE_OAUTH_URL to http(s) addresses, or leave them out."
        return [Error(f"PhonePe's address cannot be used: {error}.", hint=hint, id="payments.E006")]
    environments = {known.get(urlsplit(base).hostname or "", "another") for base in (both.pg, both.oauth)}
    if len(environments) > 1:
        message = "The PG base and the OAuth base belong to different environments."
        hint = "Set PHONEPE_ENV alone, or both PHONEPE_BASE_URL and PHONEPE_OAUTH_URL."
        return [Error(message, hint=hint, id="payments.E002")]
    if environments <= {settings.PHONEPE_ENV, "another"}:
        return []
    message = f"PHONEPE_ENV is {settings.PHONEPE_ENV}, but PhonePe's address is that of {environments.pop()}."
    hint = "Leave PHONEPE_BASE_URL and PHONEPE_OAUTH_URL out, or set PHONEPE_ENV to what they are."
    return [Error(message, hint=hint, id="payments.E002")]


@register("payments", deploy=True)
def public_shop_takes_money(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """PHONEPE_ENV forgotten means sandbox: everything would work, and be given away. A named base is no accident."""
    parts = urlsplit(settings.PUBLIC_URL)
    is_public = parts.scheme == "https" and parts.hostname not in THIS_MACHINE
    if settings.PHONEPE_ENV == "production" or settings.PHONEPE_BASE_URL or not is_public:
        return []
    hint = (
        "Set PHONEPE_ENV=production."
        f" A test shop says that it is one by PHONEPE_BASE_URL=https://{SANDBOX_HOST}/apis/pg-sandbox."
    )
    message = (
        "PHONEPE_ENV is sandbox on a public https address: customers would get what they did not pay for."
    )
    return [Error(message, hint=hint, id="payments.E014")]


@register("payments")
def address_is_set(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """PhonePe sends customers back to PUBLIC_URL."""
    hint = "Set PUBLIC_URL to where customers reach this site, such as https://shop.example."
    if not settings.PUBLIC_URL:
        return [Error("PUBLIC_URL is not set.", hint=hint, id="payments.E008")]
    if not is_web_address(settings.PUBLIC_URL) or settings.PUBLIC_URL.endswith("/"):
        return [
            Error(
                "PUBLIC_URL is not an http(s) address that ends without a slash.",
                hint=hint,
                id="payments.E008",
            )
        ]
    return []


@register("payments")
def project_has_what_is_needed(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """The engine's claims are PostgreSQL's row locks; its refunds are Procrastinate's jobs."""
    found: list[CheckMessage] = []
    if connection.vendor != "postgresql":
        hint = "Set DATABASES['default'] to a PostgreSQL database."
        found.append(Error("The default database is not PostgreSQL.", hint=hint, id="payments.E009"))
    if connection.settings_dict["ATOMIC_REQUESTS"]:
        hint = "Leave ATOMIC_REQUESTS off and put transaction.atomic around the views of yours that need it."
        message = (
            "The default database has ATOMIC_REQUESTS: an order must be committed before PhonePe hears of it."
        )
        found.append(Error(message, hint=hint, id="payments.E012"))
    if not apps.is_installed(JOBS_APP):
        hint = f"Add {JOBS_APP!r} to INSTALLED_APPS."
        found.append(Error(f"{JOBS_APP!r} is not installed.", hint=hint, id="payments.E010"))
    return found


@register("payments")
def numbers_are_within_their_ranges(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Whole numbers that PhonePe and the engine can work with."""
    found: list[CheckMessage] = []
    for name, (low, high) in RANGES.items():
        value = getattr(settings, name)
        if not isinstance(value, int) or not low <= value <= high:
            message = f"{name} must be a whole number between {low} and {high}; it is {value!r}."
            found.append(Error(message, id="payments.E011"))
    return found


@register(Tags.compatibility)
def plugs_can_be_imported(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """`PAYMENTS` names functions that exist, and a policy that is known."""
    found: list[CheckMessage] = []
    plugs = getattr(settings, "PAYMENTS", {})
    if "FULFIL" not in plugs:
        found.append(
            Error("PAYMENTS['FULFIL'] is not set.", hint="Name your fulfilment function.", id="payments.E003")
        )
    for name in PLUGS:
        try:
            import_string(plugs[name]) if plugs.get(name) else None
        except ImportError as error:
            found.append(Error(f"PAYMENTS[{name!r}] cannot be imported: {error}", id="payments.E004"))
    found += _values_are_allowed(plugs)
    unknown = sorted(set(plugs) - {*PLUGS, *POLICIES, *NUMBERS, "WHOLE_AUDIT_AT"})
    if unknown:
        found.append(Error(f"PAYMENTS has names that mean nothing: {unknown}.", id="payments.E015"))
    if plugs.get("HOLD") and not plugs.get("RELEASE"):
        found.append(
            Error(
                "PAYMENTS['HOLD'] without PAYMENTS['RELEASE']: what is held would never be sold again.",
                hint="Name a function that takes the reference.",
                id="payments.E013",
            )
        )
    return found


def _values_are_allowed(plugs: dict[str, Any]) -> list[CheckMessage]:
    """Of what is no function: one of some words, a time of day, a number."""
    wrong = {
        name: f"one of {choices}"
        for name, choices in POLICIES.items()
        if plugs.get(name, choices[0]) not in choices
    }
    if not _is_time_of_day(plugs.get("WHOLE_AUDIT_AT", WHOLE_AT)):
        wrong["WHOLE_AUDIT_AT"] = "a time of day, as 03:30"
    for name in NUMBERS:
        number = plugs.get(name, 1)
        if not isinstance(number, int) or number < 1:
            wrong[name] = "a whole number of at least 1"
    return [Error(f"PAYMENTS[{name!r}] must be {what}.", id="payments.E005") for name, what in wrong.items()]


def _is_time_of_day(text: str) -> bool:
    """As a clock on the wall shows it: the zone is the site's."""
    try:
        return time.fromisoformat(text).tzinfo is None
    except ValueError:
        return False
