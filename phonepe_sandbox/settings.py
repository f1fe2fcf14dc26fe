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
    expires_in: str = "seconds"  # §10.15: `expires_in` of the token answer
    bad_client_status: int = 400  # §10.17
    duplicate_answer: str = "BAD_REQUEST"  # §10.1
    duplicate_while_untried: str = "refuse"  # §10.1: nobody has tried to pay yet (state CREATED)
    unknown_status: int = 400  # §10.2
    unknown_order_code: str = "INVALID_MERCHANT_ORDER_ID"  # §4.4
    default_expire_after: int = 900  # §10.3, seconds
    honour_expire_after: bool = True  # §10.4; False: every order lives 48 h
    pay_page_needs_referrer: bool = False  # §10.7, §3.5: only from a page of the merchant's domain
    udf_count: int = 15  # §10.10
    empty_udf: str = "reject"  # §10.11
    expire_at_name: str = "expireAt"  # §10.13
    amount_as_text: str = "reject"  # §10.14
    test_states: bool = False  # §10.19: CREATED while untried, EXPIRED after expiry
    late_success_after: float | None = None  # §10.20: seconds after expiry; None: never

    refund_minimum: int = 100  # §10.5, paise
    refund_confirmed_step: bool = True  # §10.6
    refund_confirm_after: float = 1.0  # seconds from PENDING to CONFIRMED
    refund_complete_after: float = 1.0  # seconds from there to the end
    refund_outcome: str = "COMPLETED"
    duplicate_refund: str = "refuse"  # §10.22; "repeat": answered as the first time

    collect_answer_after: float = 5.0  # §9: success@ybl and failed@ybl answer within about 5 s
    collect_patience: float = 60.0  # §9: how long the pay page waits for any other VPA

    webhook_url: str | None = None
    webhook_username: str = "sandbox_user"
    webhook_password: str = "sandbox1pass"  # noqa: S105 - public on purpose
    webhook_auth: str = "SHA"  # §6.2
    webhook_header_form: str = "hex"  # §10.8
    webhook_hmac_secret: str = "sandbox-hmac-secret"  # noqa: S105 - public on purpose
    webhook_hmac_key_id: str = "sandbox-key-1"
    webhook_delay: float = 0.0
    webhook_timeout: float = 5.0  # §6.1: 2xx within about 3-5 s
    webhook_tries: int = 1  # §10.9
    webhook_retry_pause: float = 1.0  # doubled after each try
    webhook_on_expiry: bool = False  # §6.5: undocumented
    webhook_attempt_failed_first: bool = False  # §9
    webhook_error_codes: str = "root"  # §6.4; "attempt": only within paymentDetails
    refund_webhook_shape: str = "wrapped"  # §10.21

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
        """All switches for display; the webhook secrets are masked."""
        return asdict(self) | dict.fromkeys(SECRET, "********")


SECRET = ("webhook_password", "webhook_hmac_secret")


@dataclass(frozen=True, slots=True)
class Rule:
    accepts: Callable[[Any], bool]
    wanted: str
    choices: tuple[Any, ...] = ()


def whole(least: int, most: int) -> Rule:
    def accepts(value: Any) -> bool:
        return type(value) is int and least <= value <= most

    return Rule(accepts, f"a whole number from {least} to {most}")


def seconds(most: float, least: float = 0) -> Rule:
    def accepts(value: Any) -> bool:
        return type(value) in (int, float) and least <= value <= most

    return Rule(accepts, f"a number of seconds from {least:.10g} to {most:.10g}")


def one_of(*values: Any) -> Rule:
    def accepts(value: Any) -> bool:
        return any(type(value) is type(choice) and value == choice for choice in values)

    return Rule(accepts, "one of " + ", ".join(map(str, values)), values)


def or_null(rule: Rule) -> Rule:
    return Rule(lambda value: value is None or rule.accepts(value), f"{rule.wanted}, or null")


def is_web_url(value: Any) -> bool:
    """An absolute http(s) URL with a host, of characters that a header can carry."""
    if not isinstance(value, str) or not value.isprintable() or " " in value:
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
    "expires_in": one_of("seconds", "zero", "absent"),
    "bad_client_status": one_of(400, 401),
    "duplicate_answer": one_of(*DUPLICATE_ANSWERS),
    "duplicate_while_untried": one_of("refuse", "repeat"),
    "unknown_status": one_of(400, 404, 422),
    "unknown_order_code": one_of("INVALID_MERCHANT_ORDER_ID", "INVALID_TRANSACTION_ID"),
    "default_expire_after": whole(1, 172_800),
    "honour_expire_after": FLAG,
    "pay_page_needs_referrer": FLAG,
    "udf_count": one_of(5, 15),
    "empty_udf": one_of("reject", "accept"),
    "expire_at_name": one_of("expireAt", "expiryAt"),
    "amount_as_text": one_of("reject", "accept"),
    "test_states": FLAG,
    "late_success_after": or_null(seconds(2_592_000)),
    "refund_minimum": whole(1, 100),
    "refund_confirmed_step": FLAG,
    "refund_confirm_after": seconds(604_800),
    "refund_complete_after": seconds(604_800),
    "refund_outcome": one_of("COMPLETED", "FAILED"),
    "duplicate_refund": one_of("refuse", "repeat"),
    "collect_answer_after": seconds(3600),
    "collect_patience": seconds(3600),
    "webhook_url": or_null(WEB_URL),
    "webhook_username": CREDENTIAL,
    "webhook_password": CREDENTIAL,
    "webhook_auth": one_of("SHA", "HMAC"),
    "webhook_header_form": one_of("hex", "prefixed", "upper"),
    "webhook_hmac_secret": CREDENTIAL,
    "webhook_hmac_key_id": CREDENTIAL,
    "webhook_delay": seconds(3600),
    "webhook_timeout": seconds(60),
    "webhook_tries": whole(1, 10),
    "webhook_retry_pause": seconds(60),
    "webhook_on_expiry": FLAG,
    "webhook_attempt_failed_first": FLAG,
    "webhook_error_codes": one_of("root", "attempt"),
    "refund_webhook_shape": one_of("wrapped", "flat"),
    "latency": seconds(120),
    "max_rps": or_null(whole(1, 1_000_000)),
}
