"""The PG API over HTTP (§1-§5): both URL layouts, one pipeline for every call."""

import socket
import struct
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from aiohttp import web

from phonepe_sandbox import effects, validation, wire
from phonepe_sandbox.book import DuplicateOrder
from phonepe_sandbox.effects import NoAnswer
from phonepe_sandbox.journal import Exchange
from phonepe_sandbox.refund_rules import RefundRefused
from phonepe_sandbox.sandbox import SANDBOX, Sandbox
from phonepe_sandbox.shown import pay_page
from phonepe_sandbox.validation import Refused
from phonepe_sandbox.wire import Answer

OAUTH_BASES = {"/apis/pg-sandbox": "sandbox", "/apis/identity-manager": "production"}
PG_BASES = {"/apis/pg-sandbox": "sandbox", "/apis/pg": "production"}
CHANGING = {"token", "pay", "sdk_order", "refund"}  # saved before they are answered
ABORT_WITH_RST = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 s: closing resets the connection


@dataclass(slots=True)
class Call:
    """One API call, read."""

    kind: str
    request: web.Request
    raw: bytes
    merchant_order_id: str | None
    body: Any = None
    refused: Refused | None = None
    layout: str = "sandbox"  # of its address: which environment it is in
    token_life: int | None = None


Operation = Callable[[Sandbox, Call], Answer]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def add_routes(app: web.Application) -> None:
    """All calls of §1 under both layouts; every other path is answered as not mapped."""
    for base, layout in OAUTH_BASES.items():
        app.router.add_post(f"{base}/v1/oauth/token", _endpoint("token", issue_token, layout))
    for base, layout in PG_BASES.items():
        post, get = app.router.add_post, app.router.add_get
        post(f"{base}/checkout/v2/pay", _endpoint("pay", pay, layout))
        post(f"{base}/checkout/v2/sdk/order", _endpoint("sdk_order", sdk_order, layout))
        get(f"{base}/checkout/v2/order/{{id}}/status", _endpoint("status", order_status, layout))
        get(
            f"{base}/checkout/v2/transaction/{{id}}/status",
            _endpoint("transaction_status", transaction_status, layout),
        )
        post(f"{base}/payments/v2/refund", _endpoint("refund", refund, layout))
        get(f"{base}/payments/v2/refund/{{id}}/status", _endpoint("refund_status", refund_status, layout))
    app.router.add_route("*", "/{tail:.*}", _not_mapped)


async def _not_mapped(request: web.Request) -> web.Response:
    """A path or method that is none of the API's; in the log when it was meant for the API."""
    answer = wire.mapping_not_found()
    if request.path.startswith("/apis"):
        sandbox = request.app[SANDBOX]
        entry = Exchange(
            at_ms=sandbox.clock.now_ms(),
            kind="unmapped",
            method=request.method,
            path=request.raw_path,
            request=await request.read(),
            content_type=request.content_type,
            status=answer.status,
            response=answer.encoded(),
        )
        sandbox.journal.keep(entry)
    return _response(answer, answer.encoded())


# -- the pipeline -------------------------------------------------------------------------


def _endpoint(kind: str, operation: Operation, layout: str) -> Handler:
    """The HTTP handler of one call: read, carry out, log, answer."""

    async def handle(request: web.Request) -> web.StreamResponse:
        sandbox = request.app[SANDBOX]
        started = time.perf_counter()
        call = await _read(sandbox, kind, request, layout)
        sandbox.journal.count(kind, call.merchant_order_id)
        entry = Exchange(
            at_ms=sandbox.clock.now_ms(),
            kind=kind,
            method=request.method,
            path=request.raw_path,
            merchant_order_id=call.merchant_order_id,
            request=call.raw,
            content_type=request.content_type if call.raw else "",
        )
        try:
            answer = await _carry_out(sandbox, call, operation, entry)
        except NoAnswer:
            return _cut(request)
        else:
            entry.status, entry.response = answer.status, answer.encoded()
            entry.reason = answer.headers.get("X-Sandbox-Reason")
            return _response(answer, entry.response)
        finally:
            entry.took_ms = 1000 * (time.perf_counter() - started)
            sandbox.journal.keep(entry)
            if kind in CHANGING:
                sandbox.save()

    return handle


async def _carry_out(sandbox: Sandbox, call: Call, operation: Operation, entry: Exchange) -> Answer:
    if sandbox.over_limit():
        return wire.too_many_requests()
    authorization = call.request.headers.get("Authorization")
    if call.kind != "token" and not sandbox.tokens.knows(authorization, layout=call.layout):
        return wire.authorization_failed()
    rules = sandbox.faults.draw(call.kind, call.merchant_order_id)
    entry.faults = [rule.kind for rule in rules]
    await effects.pause(sandbox.settings.latency)
    answer = await effects.before(rules)
    if answer is not None:
        return answer
    sandbox.catch_up()
    call.token_life = next((r.params["seconds"] for r in rules if r.kind == "token_life"), None)
    try:
        answer = operation(sandbox, call)
    except Refused as refused:
        answer = wire.bad_request(str(refused))
    return await effects.after(rules, answer)


async def _read(sandbox: Sandbox, kind: str, request: web.Request, layout: str) -> Call:
    """The call with the order it is about, for per-order faults, counts and the log."""
    if request.method == "GET":
        about = _order_asked_about(sandbox, kind, request.match_info["id"])
        return Call(kind, request, b"", about, layout=layout)
    raw = await request.read()
    call = Call(kind, request, raw, None, layout=layout)
    if kind != "token":
        try:
            call.body = validation.read_json(raw)
        except Refused as refused:
            call.refused = refused
        if isinstance(call.body, dict):
            name = "originalMerchantOrderId" if kind == "refund" else "merchantOrderId"
            named = call.body.get(name)
            call.merchant_order_id = named if isinstance(named, str) else None
    return call


def _order_asked_about(sandbox: Sandbox, kind: str, asked: str) -> str | None:
    if kind == "status":
        return asked
    if kind == "refund_status":
        found = sandbox.book.find_refund(asked)
        return found.merchant_order_id if found else None
    order = sandbox.book.find_by_transaction(asked)
    return order.merchant_order_id if order else None


def _response(answer: Answer, body: bytes) -> web.Response:
    # Header instead of `content_type`: aiohttp would look at a charset for nothing.
    headers = {"Content-Type": answer.content_type, **answer.headers}
    return web.Response(status=answer.status, body=body, headers=headers)


def _cut(request: web.Request) -> web.Response:
    """Reset the connection; the response is for aiohttp's books only."""
    if request.transport is not None:
        wire_socket = request.transport.get_extra_info("socket")
        if wire_socket is not None:
            wire_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT_WITH_RST)
        request.transport.abort()
    return web.Response(status=499)


# -- the calls ----------------------------------------------------------------------------


def issue_token(sandbox: Sandbox, call: Call) -> Answer:
    """`POST /v1/oauth/token` (§2): form encoding, four fields."""
    if call.request.content_type != "application/x-www-form-urlencoded":
        return wire.mapping_not_found()
    fields = parse_qs(call.raw.decode("utf-8", "replace"), keep_blank_values=True)
    wanted = ("client_id", "client_secret", "client_version", "grant_type")
    given = [fields.get(name, []) for name in wanted]
    if any(len(values) != 1 or not values[0] for values in given):
        return wire.gateway_refusal()
    client_id, client_secret, client_version, grant_type = (values[0] for values in given)
    if grant_type != "client_credentials":
        return wire.gateway_refusal()
    if not sandbox.config.credentials.match(client_id, client_secret, client_version):
        return wire.invalid_client(sandbox.settings)
    life = sandbox.settings.token_life if call.token_life is None else call.token_life
    return wire.token(sandbox.tokens.issue(life, layout=call.layout), sandbox.settings)


def pay(sandbox: Sandbox, call: Call) -> Answer:
    """`POST /checkout/v2/pay` (§3)."""
    return _open(sandbox, call, redirect_needed=True)


def sdk_order(sandbox: Sandbox, call: Call) -> Answer:
    """`POST /checkout/v2/sdk/order` (§1): the same order, answered with a token for the mobile SDK."""
    return _open(sandbox, call, redirect_needed=False)


def _open(sandbox: Sandbox, call: Call, *, redirect_needed: bool) -> Answer:
    if call.request.content_type != "application/json":
        return wire.mapping_not_found()
    if call.refused is not None:
        raise call.refused
    new = validation.read_pay(call.body, sandbox.settings, redirect_needed=redirect_needed)
    try:
        order = sandbox.book.open(new, layout=call.layout)
    except DuplicateOrder:
        order = sandbox.book.orders[new.merchant_order_id]
        untried = order.state == "PENDING" and not order.attempts
        if not untried or sandbox.settings.duplicate_while_untried == "refuse":
            return wire.duplicate_order(sandbox.settings)
    link = None if call.kind == "sdk_order" else pay_page(sandbox, call.request, order)
    return wire.created(order, sandbox.settings, pay_page=link)


def order_status(sandbox: Sandbox, call: Call) -> Answer:
    """`GET /checkout/v2/order/{merchantOrderId}/status` (§4): the latest attempt, or all by `details`."""
    order = sandbox.book.find(call.request.match_info["id"])
    if order is None:
        return wire.unknown_order(sandbox.settings)
    attempts = order.attempts if _asked(call, "details") else order.attempts[-1:]
    body = wire.order_status(order, attempts, error_context=_asked(call, "errorContext"))
    if sandbox.settings.test_states:
        body["state"] = wire.test_state(order)
    return Answer(200, body)


def transaction_status(sandbox: Sandbox, call: Call) -> Answer:
    """`GET /checkout/v2/transaction/{transactionId}/status` (§1): the order with that attempt only."""
    transaction_id = call.request.match_info["id"]
    order = sandbox.book.find_by_transaction(transaction_id)
    if order is None:
        return wire.unknown_transaction(sandbox.settings)
    attempts = [a for a in order.attempts if a.transaction_id == transaction_id]
    return Answer(200, wire.order_status(order, attempts, error_context=_asked(call, "errorContext")))


def _asked(call: Call, name: str) -> bool:
    return call.request.query.get(name, "").lower() == "true"  # the SDK sends `True` (§4.1)


def refund(sandbox: Sandbox, call: Call) -> Answer:
    """`POST /payments/v2/refund` (§5.1)."""
    if call.request.content_type != "application/json":
        return wire.mapping_not_found()
    if call.refused is not None:
        raise call.refused
    new = validation.read_refund(call.body, sandbox.settings)
    known = sandbox.book.find_refund(new.merchant_refund_id)
    if known is not None and sandbox.settings.duplicate_refund == "repeat" and known.is_of(new):
        return wire.refund_accepted(known)
    try:
        made = sandbox.book.refund(new)
    except RefundRefused as refused:
        return wire.bad_request(str(refused))
    return wire.refund_accepted(made)


def refund_status(sandbox: Sandbox, call: Call) -> Answer:
    """`GET /payments/v2/refund/{merchantRefundId}/status` (§5.2)."""
    found = sandbox.book.find_refund(call.request.match_info["id"])
    if found is None:
        return wire.unknown_refund(sandbox.settings)
    return Answer(200, wire.refund_status(found, found.state))
