"""What a fault does to a call (§9): before it is carried out, instead of it, or to its answer."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from typing import Any

from phonepe_sandbox import wire
from phonepe_sandbox.faults import FaultRule
from phonepe_sandbox.wire import Answer

OUTAGE_PAGE = "<!DOCTYPE html><html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>"


class NoAnswer(Exception):
    """The connection is to be cut without an answer."""


async def pause(seconds: float) -> None:
    """Wait, without a turn of the loop when there is nothing to wait for."""
    if seconds:
        await asyncio.sleep(seconds)


async def before(rules: list[FaultRule]) -> Answer | None:
    """Let the faults strike that keep a call from being carried out; an answer stands in for its own."""
    for rule in rules:
        strike = INSTEAD.get(rule.kind)
        if strike is not None:
            answer = await strike(rule)
            if answer is not None:
                return answer
    return None


async def after(rules: list[FaultRule], answer: Answer) -> Answer:
    """Let the faults strike that spoil the answer to a call that was carried out."""
    for rule in rules:
        spoil = SPOILT.get(rule.kind)
        if spoil is not None:
            answer = await spoil(answer, rule)
    return answer


# -- before and instead -------------------------------------------------------------------


async def _latency(rule: FaultRule) -> None:
    """`seconds`, and by chance up to `spread` more."""
    await asyncio.sleep(rule.params["seconds"] + rule.chance.uniform(0, rule.params["spread"]))


async def _hang(rule: FaultRule) -> Answer:
    await asyncio.sleep(rule.params["seconds"])
    raise NoAnswer


async def _reset(rule: FaultRule) -> Answer:
    raise NoAnswer


async def _rate_limited(rule: FaultRule) -> Answer:
    return wire.too_many_requests(rule.params.get("retryAfter"))


async def _server_error(rule: FaultRule) -> Answer:
    """§7.1: what load balancers and outages answer."""
    status = rule.params["status"]
    match rule.params["body"]:
        case "html":
            return Answer(
                status, raw=OUTAGE_PAGE.format(f"{status} Error").encode(), content_type="text/html"
            )
        case "string":
            return Answer(status, body="R999")
        case "empty":
            return Answer(status, raw=b"")
        case _:
            return wire.server_error(status)


async def _html_200(rule: FaultRule) -> Answer:
    return Answer(200, raw=OUTAGE_PAGE.format("Maintenance").encode(), content_type="text/html")


async def _refused(rule: FaultRule) -> Answer:
    return wire.refused(rule.params["status"], rule.params["code"], rule.params["shape"])


async def _unauthorized(rule: FaultRule) -> Answer:
    return wire.authorization_failed()


# -- to the answer ------------------------------------------------------------------------


async def _stored_then_error(answer: Answer, rule: FaultRule) -> Answer:
    return wire.server_error()


async def _stored_then_hang(answer: Answer, rule: FaultRule) -> Answer:
    await asyncio.sleep(rule.params["seconds"])
    raise NoAnswer


async def _truncated_json(answer: Answer, rule: FaultRule) -> Answer:
    whole = answer.encoded()
    return Answer(answer.status, raw=whole[: len(whole) // 2], headers=answer.headers)


async def _unknown_state(answer: Answer, rule: FaultRule) -> Answer:
    return _with(answer, state=rule.params["state"])


async def _unknown_payment_mode(answer: Answer, rule: FaultRule) -> Answer:
    """The SDK raises on it (§11); it may come any day (§4.2)."""
    if answer.raw is None and isinstance(answer.body, dict):
        for attempt in answer.body.get("paymentDetails", ()):
            attempt["paymentMode"] = rule.params["paymentMode"]
    return answer


IN_SECONDS = {"issued_at", "expires_at", "session_expires_at"}
IN_MILLISECONDS = {"expireAt", "expiryAt", "timestamp"}


async def _clock_skew(answer: Answer, rule: FaultRule) -> Answer:
    """The answer of a gateway whose clock is wrong, `Date` header included."""
    skew_s = rule.params["seconds"]
    headers = answer.headers | {"Date": formatdate(time.time() + skew_s, usegmt=True)}
    body = answer.body if answer.raw is not None else _shifted(answer.body, skew_s)
    return Answer(answer.status, body, answer.raw, answer.content_type, headers)


async def _unknown_fields(answer: Answer, rule: FaultRule) -> Answer:
    """The documents ask for lenient reading (§4.5); so add to every level."""
    if answer.raw is not None:
        return answer
    body = _strewn(json.loads(answer.encoded()))
    return Answer(answer.status, body, headers=answer.headers)


async def _amount_changed(answer: Answer, rule: FaultRule) -> Answer:
    return _with(answer, amount=rule.params["amount"])


async def _order_id_changed(answer: Answer, rule: FaultRule) -> Answer:
    return _with(answer, orderId=rule.params["orderId"])


def _with(answer: Answer, **changes: Any) -> Answer:
    """The answer with fields that it has changed; an error answer has none of them and stays as it is."""
    if answer.raw is None and isinstance(answer.body, dict):
        answer.body |= {name: value for name, value in changes.items() if name in answer.body}
    return answer


def _shifted(value: Any, skew_s: float, name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _shifted(inner, skew_s, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [_shifted(inner, skew_s) for inner in value]
    if name in IN_SECONDS:
        return value + int(skew_s)
    return value + int(1000 * skew_s) if name in IN_MILLISECONDS else value


def _strewn(value: Any) -> Any:
    if isinstance(value, dict):
        novelty = {"newField": {"since": "v2.9"}, "newFlag": None}
        return {name: _strewn(inner) for name, inner in value.items()} | novelty
    if isinstance(value, list):
        return [_strewn(inner) for inner in value]
    return value


INSTEAD: dict[str, Callable[[FaultRule], Awaitable[Answer | None]]] = {
    "latency": _latency,
    "hang": _hang,
    "reset": _reset,
    "rate_limited": _rate_limited,
    "rps_limit": _rate_limited,
    "server_error": _server_error,
    "refused": _refused,
    "html_200": _html_200,
    "unauthorized": _unauthorized,
}
SPOILT: dict[str, Callable[[Answer, FaultRule], Awaitable[Answer]]] = {
    "stored_then_error": _stored_then_error,
    "stored_then_hang": _stored_then_hang,
    "truncated_json": _truncated_json,
    "unknown_state": _unknown_state,
    "unknown_payment_mode": _unknown_payment_mode,
    "clock_skew": _clock_skew,
    "unknown_fields": _unknown_fields,
    "amount_changed": _amount_changed,
    "order_id_changed": _order_id_changed,
}
