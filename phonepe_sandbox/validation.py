"""What a request body must look like (§3.1, §3.2, §5.1): exactly as documented, not laxer."""

import json
import re
from collections.abc import Iterable
from typing import Any

from phonepe_sandbox.book import IDENTIFIER
from phonepe_sandbox.entries import NewOrder, NewRefund
from phonepe_sandbox.offer import read_offer
from phonepe_sandbox.settings import Settings, is_web_url

LEAST_AMOUNT = 100  # paise
EXPIRE_AFTER = range(300, 3601)  # seconds, Standard Checkout
SHORT_UDF = re.compile(r"[A-Za-z0-9_+@.-]*")  # udf11-udf15
DIGITS = re.compile(r"[0-9]{1,18}")
PHONE = re.compile(r"(\+91)?[0-9]{10}")

PAY_FIELDS = {
    "merchantOrderId",
    "amount",
    "expireAfter",
    "metaInfo",
    "paymentFlow",
    "disablePaymentRetry",
    "prefillUserLoginDetails",
}
FLOW_FIELDS = {"type", "message", "merchantUrls", "paymentModeConfig", "disablePaymentRetry"}
REFUND_FIELDS = {"merchantRefundId", "originalMerchantOrderId", "amount"}
MODE_LISTS = ("enabledPaymentModes", "disabledPaymentModes")

# Type of payment mode → its list-valued constraints → the values they take; None: any text (§3.2).
V1_MODES: dict[str, dict[str, set[str] | None]] = {
    "UPI_INTENT": {},
    "UPI_QR": {},
    "UPI_COLLECT": {},
    "NET_BANKING": {},
    "CARD": {"cardTypes": {"DEBIT_CARD", "CREDIT_CARD"}},
}
V2_MODES: dict[str, dict[str, set[str] | None]] = {
    "UPI": {
        "flows": {"INTENT", "COLLECT", "QR"},
        "apps": None,
        "instruments": {"BANK_ACCOUNT", "RUPAY_CC", "CREDIT_LINE"},
    },
    "CARD": {
        "types": None,
        "networks": {"VISA", "MASTER_CARD", "RUPAY", "AMEX", "DINERS_CLUB"},
        "variants": None,
        "geoScopes": {"DOMESTIC", "INTERNATIONAL"},
    },
    "NET_BANKING": {"banks": None},
    "CORPORATE_NET_BANKING": {},
    "EMI": {"types": None},
    "WALLET": {"wallets": {"PHONEPE"}},
}


class Refused(Exception):
    """A body that PhonePe answers with 400 BAD_REQUEST; the text says why, for the integrator."""


def read_json(raw: bytes) -> Any:
    """The JSON value of a body. Raises Refused for anything else, also for NaN and Infinity."""
    try:
        return json.loads(raw, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Refused("the body is not JSON") from error


def read_pay(body: Any, settings: Settings, *, redirect_needed: bool = True) -> NewOrder:
    """Check a create-payment body (§3.1). The SDK's create-order call may leave out redirectUrl."""
    fields = _object(body, "body", PAY_FIELDS if redirect_needed else PAY_FIELDS | {"constraints"})
    if fields.get("constraints") is not None:
        raise Refused("constraints belong to Custom Checkout")  # the SDK sends a null (§11)
    flow = _object(fields.get("paymentFlow"), "paymentFlow", FLOW_FIELDS)
    if flow.get("type") != "PG_CHECKOUT":
        raise Refused("paymentFlow.type must be PG_CHECKOUT")
    _check_modes(flow.get("paymentModeConfig"))
    no_retry = [_flag(place.get("disablePaymentRetry"), "disablePaymentRetry") for place in (fields, flow)]
    return NewOrder(
        merchant_order_id=_identifier(fields.get("merchantOrderId"), "merchantOrderId"),
        amount=_amount(fields.get("amount"), LEAST_AMOUNT, settings),
        expire_after=_expire_after(fields.get("expireAfter")),
        meta_info=_meta_info(fields.get("metaInfo"), settings),
        message=_optional_text(flow.get("message"), "paymentFlow.message"),
        redirect_url=_redirect_url(flow.get("merchantUrls"), needed=redirect_needed),
        retry_allowed=not any(no_retry),
        offer=read_offer(flow.get("paymentModeConfig")),
        phone=_prefilled_phone(fields.get("prefillUserLoginDetails")),
    )


def read_refund(body: Any, settings: Settings) -> NewRefund:
    """Check a refund body (§5.1)."""
    fields = _object(body, "body", REFUND_FIELDS)
    return NewRefund(
        merchant_refund_id=_identifier(fields.get("merchantRefundId"), "merchantRefundId"),
        merchant_order_id=_identifier(fields.get("originalMerchantOrderId"), "originalMerchantOrderId"),
        amount=_amount(fields.get("amount"), settings.refund_minimum, settings),
    )


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _object(value: Any, name: str, known: Iterable[str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Refused(f"{name} must be an object")
    unknown = sorted(set(value) - set(known))
    if unknown:  # the general FAQ names undocumented parameters as a cause of 400
        raise Refused(f"{name} has undocumented parameters: {', '.join(unknown)}")
    return value


def _identifier(value: Any, name: str) -> str:
    if not isinstance(value, str) or not IDENTIFIER.fullmatch(value):
        raise Refused(f"{name} must be 1 to 63 characters of A-Z a-z 0-9 _ -")
    return value


def _amount(value: Any, least: int, settings: Settings) -> int:
    if settings.amount_as_text == "accept" and isinstance(value, str) and DIGITS.fullmatch(value):
        value = int(value)
    if type(value) is not int or value < least:  # `type`: true is an int to isinstance
        raise Refused(f"amount must be a whole number of paise, {least} or more")
    return value


def _expire_after(value: Any) -> int | None:
    if value is None:
        return None
    if type(value) is not int or value not in EXPIRE_AFTER:
        raise Refused("expireAfter must be a whole number of seconds from 300 to 3600")
    return value


def _optional_text(value: Any, name: str) -> str | None:
    if value is not None and (not isinstance(value, str) or not value.strip()):
        raise Refused(f"{name} must be a text that is not blank, or be left out")
    return value


def _flag(value: Any, name: str) -> bool:
    if value is not None and not isinstance(value, bool):
        raise Refused(f"{name} must be true or false")
    return bool(value)


def _redirect_url(value: Any, *, needed: bool) -> str | None:
    if not needed and value is None:
        return None
    url = _object(value, "paymentFlow.merchantUrls", {"redirectUrl"}).get("redirectUrl")
    if not needed and url is None:
        return None
    if not is_web_url(url):
        raise Refused("paymentFlow.merchantUrls.redirectUrl must be an absolute URL")
    return str(url)


def _meta_info(value: Any, settings: Settings) -> dict[str, str]:
    if value is None:
        return {}
    known = {f"udf{n}" for n in range(1, settings.udf_count + 1)}
    given = {key: text for key, text in _object(value, "metaInfo", known).items() if text is not None}
    for key, text in given.items():
        _check_udf(key, text, blank_allowed=settings.empty_udf == "accept")
    return given


def _check_udf(key: str, text: Any, *, blank_allowed: bool) -> None:
    if not isinstance(text, str):
        raise Refused(f"metaInfo.{key} must be a text")
    if not text.strip() and not blank_allowed:
        raise Refused(f"metaInfo.{key} is blank: leave it out")
    short = int(key.removeprefix("udf")) > 10
    if len(text) > (50 if short else 256):
        raise Refused(f"metaInfo.{key} is too long")
    if short and not SHORT_UDF.fullmatch(text):
        raise Refused(f"metaInfo.{key} may hold letters, digits and _ - + @ . only")


def _prefilled_phone(value: Any) -> str | None:
    if value is None:
        return None
    phone = _object(value, "prefillUserLoginDetails", {"phoneNumber"}).get("phoneNumber")
    if phone is not None and (not isinstance(phone, str) or not PHONE.fullmatch(phone)):
        raise Refused("prefillUserLoginDetails.phoneNumber must be 10 digits or +91 and 10 digits")
    return phone


def _check_modes(value: Any) -> None:
    """paymentModeConfig (§3.2): one of two lists, in one of two generations."""
    if value is None:
        return
    config = _object(value, "paymentModeConfig", {"version", *MODE_LISTS})
    version = config.get("version")
    if version not in (None, "V1", "V2"):
        raise Refused("paymentModeConfig.version must be V1 or V2")
    lists = [config[name] for name in MODE_LISTS if config.get(name) is not None]
    if len(lists) > 1:
        raise Refused("paymentModeConfig takes enabledPaymentModes or disabledPaymentModes, never both")
    for modes in lists:
        if not isinstance(modes, list):
            raise Refused("payment modes must be a list")
        for mode in modes:
            _check_mode(mode, V2_MODES if version == "V2" else V1_MODES)


def _check_mode(mode: Any, known: dict[str, dict[str, set[str] | None]]) -> None:
    kind = mode.get("type") if isinstance(mode, dict) else None
    if not isinstance(kind, str) or kind not in known:
        raise Refused(f"a payment mode's type must be one of {', '.join(known)}")
    constraints = known[kind]
    for name, values in _object(mode, f"payment mode {kind}", {"type", *constraints}).items():
        if name == "type" or values is None:
            continue
        if not isinstance(values, list) or not all(isinstance(v, str) and v.strip() for v in values):
            raise Refused(f"{kind}.{name} must be a list of texts")
        allowed = constraints[name]
        if allowed is not None and not allowed.issuperset(values):
            raise Refused(f"{kind}.{name} takes {', '.join(sorted(allowed))}")
