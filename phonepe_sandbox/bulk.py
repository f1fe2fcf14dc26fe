"""Making many orders known at once, for load tests."""

from typing import Any

from aiohttp import web

from phonepe_sandbox.book import IDENTIFIER
from phonepe_sandbox.entries import AUTO_FAILED, Json, NewOrder
from phonepe_sandbox.fields import BadField, Fields
from phonepe_sandbox.sandbox import Sandbox
from phonepe_sandbox.settings import WEB_URL, Rule, one_of, or_null, seconds, whole
from phonepe_sandbox.shown import pay_page

ID = Rule(lambda value: isinstance(value, str) and bool(IDENTIFIER.fullmatch(value)), "a merchant order id")
AMOUNT = whole(1, 10**12)
EXPIRE_AFTER = or_null(whole(1, 10**8))  # wider than the API's: load tests want long and short lives
REDIRECT_URL = or_null(WEB_URL)
AGE = seconds(10**8)
STATE = one_of("PENDING", "COMPLETED", "FAILED")


def register(sandbox: Sandbox, request: web.Request, entries: list[Any]) -> list[Json]:
    """Register all orders or, when one is wrong, none (BadField)."""
    wanted = [_read(entry) for entry in entries]
    names = [new.merchant_order_id for new, _, _ in wanted]
    known = [name for name in names if name in sandbox.book.orders]
    if known or len(set(names)) < len(names):
        raise BadField(f"known already or named twice: {known[0] if known else 'in this list'}")
    return [_register(sandbox, request, new, age, state) for new, age, state in wanted]


def _read(entry: Any) -> tuple[NewOrder, float, str]:
    fields = Fields(entry)
    new = NewOrder(
        merchant_order_id=fields.take("merchantOrderId", ID),
        amount=fields.take("amount", AMOUNT),
        expire_after=fields.take("expireAfter", EXPIRE_AFTER, None),
        redirect_url=fields.take("redirectUrl", REDIRECT_URL, None),
    )
    age, state = fields.take("age", AGE, 0), fields.take("state", STATE, "PENDING")
    fields.finish()
    return new, age, state


def _register(sandbox: Sandbox, request: web.Request, new: NewOrder, age: float, state: str) -> Json:
    created = sandbox.clock.now_ms() - int(1000 * age)
    order = sandbox.book.open(new, created_at_ms=created)
    if state == "COMPLETED":
        sandbox.book.record_paid(order)
    elif state == "FAILED":
        sandbox.book.record_failed(order, AUTO_FAILED)
    return {
        "merchantOrderId": order.merchant_order_id,
        "orderId": order.order_id,
        "expireAt": order.expire_at_ms,
        "redirectUrl": pay_page(sandbox, request, order),
    }
