"""System checks: what is missing or contradictory in the settings, and what to set. Of `PAYMENTS`: see `plugs`."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.db import connection
from django.urls import NoReverseMatch, reverse

from payments import gateway
from payments.defaults import RANGES
from phonepe_pg import Hosts, Misconfigured, PhonePeError
from phonepe_pg.types import is_web_address

PRODUCTION_HOST = "api.phonepe.com"
SANDBOX_HOST = "api-preprod.phonepe.com"
THIS_MACHINE = ("localhost", "127.0.0.1", "::1")
SECURITY_MIDDLEWARE = "django.middleware.security.SecurityMiddleware"
SILENT_REFERRERS = ("same-origin", "no-referrer")  # to another site
JOBS_APP = "procrastinate.contrib.django"


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


@register("payments")
def client_version_is_a_number(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """The secret, the id and the version lie side by side in the dashboard; this is where a mix-up is seen."""
    version = settings.PHONEPE_CLIENT_VERSION
    if not version or re.fullmatch(r"[0-9]+", str(version)):
        return []
    hint = "Set it to the number from PhonePe's dashboard (1 in the sandbox)."
    return [Warning("PHONEPE_CLIENT_VERSION is no whole number.", hint=hint, id="payments.W005")]


@register("payments", deploy=True)
def credentials_are_accepted(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """PhonePe gives a token for them; that it cannot be reached just now is no mistake of the settings."""
    if gateway.missing_settings():
        return []
    try:
        gateway.check_credentials()
    except Misconfigured as error:
        return [Error(str(error), hint=advice(error), id="payments.E007")]
    except PhonePeError as error:
        return [Warning(f"PhonePe cannot be asked about the credentials: {error}", id="payments.W004")]
    finally:
        gateway.close()
    return []


def advice(error: PhonePeError) -> str:
    """What to do about a token that did not come."""
    if isinstance(error, Misconfigured) and not error.is_of_address:
        return "Compare id, secret and version with PhonePe's dashboard."
    if isinstance(error, Misconfigured):
        return "Set PHONEPE_ENV to what the keys are for; leave PHONEPE_BASE_URL and PHONEPE_OAUTH_URL out."
    return "Look at the network, and at PHONEPE_BASE_URL if it is set."


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
    if settings.PHONEPE_ENV not in known.values():
        message = f"PHONEPE_ENV must be sandbox or production; it is {settings.PHONEPE_ENV!r}."
        return [Error(message, hint="Set PHONEPE_ENV=production to take money.", id="payments.E006")]
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
    if environments == {"another"}:
        return []
    if environments == {settings.PHONEPE_ENV}:
        return _of_paths(both)
    message = f"PHONEPE_ENV is {settings.PHONEPE_ENV}, but PhonePe's address is that of {environments.pop()}."
    hint = "Leave PHONEPE_BASE_URL and PHONEPE_OAUTH_URL out, or set PHONEPE_ENV to what they are."
    return [Error(message, hint=hint, id="payments.E002")]


def _of_paths(both: Hosts) -> list[CheckMessage]:
    """On PhonePe's own hosts the paths are known; in production tokens come from a prefix of their own."""
    right = Hosts.of(settings.PHONEPE_ENV)
    if both == right:
        return []
    message = (
        f"PhonePe's API is at {right.pg} and its tokens at {right.oauth}, not at {both.pg} and {both.oauth}."
    )
    hint = "Leave PHONEPE_BASE_URL and PHONEPE_OAUTH_URL out."
    return [Error(message, hint=hint, id="payments.E021")]


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
    return _of_base("PUBLIC_URL", hint=hint, identity="payments.E008")


@register("payments")
def pay_page_is_told_where_customers_come_from(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """PhonePe may block a payment whose customer comes from no page of the registered domain (wire reference §3.5)."""
    policy = settings.SECURE_REFERRER_POLICY or ""
    words = policy.split(",") if isinstance(policy, str) else list(policy)
    # Browsers obey the last word that they know. Without the middleware none is sent, and theirs is fine.
    is_silent = bool(words) and words[-1].strip() in SILENT_REFERRERS
    if not is_silent or SECURITY_MIDDLEWARE not in settings.MIDDLEWARE:
        return []
    message = f"SECURE_REFERRER_POLICY is {policy!r}: PhonePe is not told from which site customers come."
    hint = 'Set SECURE_REFERRER_POLICY = "strict-origin-when-cross-origin".'
    return [Warning(message, hint=hint, id="payments.W006")]


@register("payments")
def front_end_can_be_reached(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """The return page sends customers on to FRONTEND_URL, or to this site when there is none."""
    if settings.FRONTEND_URL == "":
        return []
    hint = "Set FRONTEND_URL to where the pages are, such as https://shop.example, or leave it out."
    return _of_base("FRONTEND_URL", hint=hint, identity="payments.E018")


def _of_base(name: str, *, hint: str, identity: str) -> list[CheckMessage]:
    """What is wrong with an address that paths beginning with a slash are put behind."""
    url = getattr(settings, name)
    if is_web_address(url) and not url.endswith("/"):
        return []
    return [Error(f"{name} is not an http(s) address that ends without a slash.", hint=hint, id=identity)]


@register("payments")
def pages_are_where_they_are_looked_for(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """PhonePe is told the return page's address after the order is committed: too late to find that it has none."""
    if not getattr(settings, "ROOT_URLCONF", None):
        return []
    try:
        reverse("payments:return", args=["OKP-1"])
    except NoReverseMatch:
        message = "The namespace 'payments' is not in the URLconf: no payment could be started."
        hint = 'Add path("api/payments/", include("payments.urls")) to it, in no other namespace.'
        return [Error(message, hint=hint, id="payments.E019")]
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
    if not settings.USE_TZ:
        message = "USE_TZ is off: times without a zone cannot be compared with PhonePe's."
        found.append(Error(message, hint="Set USE_TZ = True.", id="payments.E020"))
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
