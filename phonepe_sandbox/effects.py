"""What a fault does to a call (§9): before it is carried out, instead of it, or to its answer."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from phonepe_sandbox import wire
from phonepe_sandbox.faults import FaultRule
from phonepe_sandbox.wire import Answer

Params = dict[str, Any]
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
            answer = await strike(rule.params)
            if answer is not None:
                return answer
    return None


async def after(rules: list[FaultRule], answer: Answer) -> Answer:
    """Let the faults strike that spoil the answer to a call that was carried out."""
    for rule in rules:
        spoil = SPOILT.get(rule.kind)
        if spoil is not None:
            answer = await spoil(answer, rule.params)
    return answer


# -- before and instead -------------------------------------------------------------------


async def _latency(params: Params) -> None:
    await asyncio.sleep(params["seconds"])


async def _hang(params: Params) -> Answer:
    await asyncio.sleep(params["seconds"])
    raise NoAnswer


async def _reset(params: Params) -> Answer:
    raise NoAnswer


async def _rate_limited(params: Params) -> Answer:
    return wire.too_many_requests(params.get("retryAfter"))


async def _server_error(params: Params) -> Answer:
    """§7.1: what load balancers and outages answer."""
    status = params["status"]
    match params["body"]:
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


async def _html_200(params: Params) -> Answer:
    return Answer(200, raw=OUTAGE_PAGE.format("Maintenance").encode(), content_type="text/html")


async def _unauthorized(params: Params) -> Answer:
    return wire.authorization_failed()


# -- to the answer ------------------------------------------------------------------------


async def _stored_then_error(answer: Answer, params: Params) -> Answer:
    return wire.server_error()


async def _stored_then_hang(answer: Answer, params: Params) -> Answer:
    await asyncio.sleep(params["seconds"])
    raise NoAnswer


async def _truncated_json(answer: Answer, params: Params) -> Answer:
    whole = answer.encoded()
    return Answer(answer.status, raw=whole[: len(whole) // 2], headers=answer.headers)


async def _unknown_state(answer: Answer, params: Params) -> Answer:
    return _with(answer, state=params["state"])


async def _unknown_fields(answer: Answer, params: Params) -> Answer:
    """The documents ask for lenient reading (§4.5); so add to every level."""
    if answer.raw is not None:
        return answer
    body = _strewn(json.loads(answer.encoded()))
    return Answer(answer.status, body, headers=answer.headers)


async def _amount_changed(answer: Answer, params: Params) -> Answer:
    return _with(answer, amount=params["amount"])


async def _order_id_changed(answer: Answer, params: Params) -> Answer:
    return _with(answer, orderId=params["orderId"])


def _with(answer: Answer, **changes: Any) -> Answer:
    """The answer with fields that it has changed; an error answer has none of them and stays as it is."""
    if answer.raw is None and isinstance(answer.body, dict):
        answer.body |= {name: value for name, value in changes.items() if name in answer.body}
    return answer


def _strewn(value: Any) -> Any:
    if isinstance(value, dict):
        novelty = {"newField": {"since": "v2.9"}, "newFlag": None}
        return {name: _strewn(inner) for name, inner in value.items()} | novelty
    if isinstance(value, list):
        return [_strewn(inner) for inner in value]
    return value


INSTEAD: dict[str, Callable[[Params], Awaitable[Answer | None]]] = {
    "latency": _latency,
    "hang": _hang,
    "reset": _reset,
    "rate_limited": _rate_limited,
    "server_error": _server_error,
    "html_200": _html_200,
    "unauthorized": _unauthorized,
}
SPOILT: dict[str, Callable[[Answer, Params], Awaitable[Answer]]] = {
    "stored_then_error": _stored_then_error,
    "stored_then_hang": _stored_then_hang,
    "truncated_json": _truncated_json,
    "unknown_state": _unknown_state,
    "unknown_fields": _unknown_fields,
    "amount_changed": _amount_changed,
    "order_id_changed": _order_id_changed,
}
