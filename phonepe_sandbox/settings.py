"""The named switches (§9, §10): what the emulator does where the sources disagree."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any
from urllib.parse import urlsplit


class BadSetting(ValueError):
    """A switch that does not exist or a value it does not take."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All switches with the defaults of §10."""

    merchant_id: str = "SANDBOXMERCHANT"
    merchant_name: str = "Sandbox Merchant"
    public_url: str | None = None  # base of the pay page links; None: the host the call was made to

    token_life: int = 3600  # §10.15, seconds
    bad_client_status: int = 400  # §10.17
    duplicate_answer: str = "BAD_REQUEST"  # §10.1
    unknown_status: int = 400  # §10.2
    default_expire_after: int = 900  # §10.3, seconds
    honour_expire_after: bool = True  # §10.4; False: every order lives 48 h
    udf_count: int = 15  # §10.10
    empty_udf: str = "reject"  # §10.11

    refund_minimum: int = 100  # §10.5, paise
    refund_confirmed_step: bool = True  # §10.6
    refund_confirm_after: float = 1.0  # seconds from PENDING to CONFIRMED
    refund_complete_after: float = 1.0  # seconds from there to the end
    refund_outcome: str = "COMPLETED"

    webhook_url: str | None = None
    webhook_username: str = "sandbox_user"
    webhook_password: str = "sandbox1pass"  # noqa: S105 - public on purpose
    webhook_delay: float = 0.0
    webhook_timeout: float = 5.0  # §6.1: 2xx within about 3-5 s
    webhook_tries: int = 1  # §10.9
    webhook_retry_pause: float = 1.0  # doubled after each try
    webhook_on_expiry: bool = False  # §6.5: undocumented
    webhook_attempt_failed_first: bool = False  # §9

    latency: float = 0.0  # seconds added to every API answer
    max_rps: int | None = None  # §10.18

    def changed(self, changes: Mapping[str, Any]) -> "Settings":
        """A copy with the given switches set. Raises BadSetting and changes nothing when one is wrong."""
        for name, value in changes.items():
            rule = RULES.get(name)
            if rule is None:
                raise BadSetting(f"there is no setting {name!r}")
            if not rule.accepts(value):
                raise BadSetting(f"{name} must be {rule.wanted}")
        return replace(self, **changes)

    def shown(self) -> dict[str, Any]:
        """All switches for display; the webhook password is masked."""
        return {**asdict(self), "webhook_password": "********"}


@dataclass(frozen=True, slots=True)
class Rule:
    accepts: Callable[[Any], bool]
    wanted: str


def whole(least: int, most: int) -> Rule:
    def accepts(value: Any) -> bool:
        return type(value) is int and least <= value <= most

    return Rule(accepts, f"a whole number from {least} to {most}")


def seconds(most: float) -> Rule:
    def accepts(value: Any) -> bool:
        return type(value) in (int, float) and 0 <= value <= most

    return Rule(accepts, f"a number of seconds from 0 to {most:g}")


def one_of(*values: Any) -> Rule:
    def accepts(value: Any) -> bool:
        return any(type(value) is type(choice) and value == choice for choice in values)

    return Rule(accepts, "one of " + ", ".join(map(str, values)))


def or_null(rule: Rule) -> Rule:
    return Rule(lambda value: value is None or rule.accepts(value), f"{rule.wanted}, or null")


def is_web_url(value: Any) -> bool:
    """An absolute http(s) URL with a host."""
    if not isinstance(value, str) or any(c.isspace() for c in value):
        return False
    try:
        parts = urlsplit(value)
        _ = parts.port  # raises on a bad port
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


TEXT = Rule(lambda value: isinstance(value, str) and bool(value.strip()), "a text that is not blank")
CREDENTIAL = Rule(
    # Header values are latin-1 at best and the pair is joined by a colon, so keep to ASCII.
    lambda value: isinstance(value, str) and value.isascii() and bool(value),
    "a text of ASCII characters",
)
FLAG = one_of(True, False)
WEB_URL = Rule(is_web_url, "an absolute http(s) URL")

DUPLICATE_ANSWERS = (
    "BAD_REQUEST",
    "INVALID_TRANSACTION_ID",
    "INVALID_MERCHANT_ORDER_ID",
    "ORDER_ALREADY_EXISTS",
)

RULES: dict[str, Rule] = {
    "merchant_id": TEXT,
    "merchant_name": TEXT,
    "public_url": or_null(WEB_URL),
    "token_life": whole(1, 30 * 86_400),
    "bad_client_status": one_of(400, 401),
    "duplicate_answer": one_of(*DUPLICATE_ANSWERS),
    "unknown_status": one_of(400, 404),
    "default_expire_after": whole(1, 172_800),
    "honour_expire_after": FLAG,
    "udf_count": one_of(5, 15),
    "empty_udf": one_of("reject", "accept"),
    "refund_minimum": whole(1, 100),
    "refund_confirmed_step": FLAG,
    "refund_confirm_after": seconds(604_800),
    "refund_complete_after": seconds(604_800),
    "refund_outcome": one_of("COMPLETED", "FAILED"),
    "webhook_url": or_null(WEB_URL),
    "webhook_username": CREDENTIAL,
    "webhook_password": CREDENTIAL,
    "webhook_delay": seconds(3600),
    "webhook_timeout": seconds(60),
    "webhook_tries": whole(1, 10),
    "webhook_retry_pause": seconds(60),
    "webhook_on_expiry": FLAG,
    "webhook_attempt_failed_first": FLAG,
    "latency": seconds(120),
    "max_rps": or_null(whole(1, 1_000_000)),
}
