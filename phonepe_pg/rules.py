"""What the gateway accepts (§3.1, §5.1), checked before sending. Each function raises InvalidRequest."""

import re
from collections.abc import Mapping

from phonepe_pg.errors import InvalidRequest
from phonepe_pg.types import PaymentRequest, RefundRequest, is_web_address

_ID = re.compile(r"[A-Za-z0-9_-]{1,63}")
_PLAIN = re.compile(r"[A-Za-z0-9_\-+@.]*")
_FREE_UDFS = frozenset(f"udf{n}" for n in range(1, 11))
_PLAIN_UDFS = frozenset(f"udf{n}" for n in range(11, 16))

_MIN_PAYMENT_PAISE = 100
# 1 or 100 paise: the sources disagree, and what is left of an order may be less than 100 (§10 row 5).
_MIN_REFUND_PAISE = 1
_MAX_PAISE = 2**63 - 1


def check_payment(request: PaymentRequest) -> None:
    """Ids, amount, expiry, address and udf fields of a payment."""
    check_id("merchant_order_id", request.merchant_order_id)
    _check_amount(request.amount_paise, at_least=_MIN_PAYMENT_PAISE)
    if not _is_integer(request.expire_after_s) or not 300 <= request.expire_after_s <= 3600:
        raise InvalidRequest("expire_after_s must be 300…3600 seconds")
    if not is_web_address(request.redirect_url):
        raise InvalidRequest("redirect_url must be an absolute http(s) URL")
    if not isinstance(request.message, str):
        raise InvalidRequest("message must be text")
    _check_meta(request.meta)


def check_refund(request: RefundRequest) -> None:
    """Ids and amount of a refund."""
    check_id("merchant_refund_id", request.merchant_refund_id)
    check_id("original_merchant_order_id", request.original_merchant_order_id)
    _check_amount(request.amount_paise, at_least=_MIN_REFUND_PAISE)


def check_id(name: str, value: object) -> None:
    """A merchant's id. It stands in paths unescaped, so the character set is also a matter of safety."""
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise InvalidRequest(f"{name} must be 1–63 characters of A-Z a-z 0-9 _ -")


def _check_amount(value: object, *, at_least: int) -> None:
    if not _is_integer(value) or not at_least <= value <= _MAX_PAISE:  # type: ignore[operator]
        raise InvalidRequest(f"amount_paise must be an integer of at least {at_least} paise")


def _check_meta(meta: Mapping[str, str]) -> None:
    for name, value in meta.items():
        if name not in _FREE_UDFS | _PLAIN_UDFS:
            raise InvalidRequest("meta holds udf1 … udf15 only")
        if not isinstance(value, str):
            raise InvalidRequest(f"{name} must be text")
        if len(value) > (256 if name in _FREE_UDFS else 50):
            raise InvalidRequest(f"{name} is too long")
        if name in _PLAIN_UDFS and not _PLAIN.fullmatch(value):
            raise InvalidRequest(f"{name} may hold letters, digits and _ - + @ . only")


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
