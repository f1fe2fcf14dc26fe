"""The JSON control API under /sandbox/api/: a test's hands on the emulator (no part of PhonePe)."""

from collections.abc import Awaitable, Callable
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from phonepe_sandbox.book import OrderClosed
from phonepe_sandbox.bulk import register
from phonepe_sandbox.entries import Json, Order
from phonepe_sandbox.faults import BadRule
from phonepe_sandbox.fields import BadField, Fields
from phonepe_sandbox.offer import PAYMENT_MODES
from phonepe_sandbox.sandbox import SANDBOX, Sandbox
from phonepe_sandbox.settings import FLAG, TEXT, BadSetting, one_of, or_null, seconds, whole
from phonepe_sandbox.shown import order_shown
from phonepe_sandbox.validation import Refused, read_json

OUTCOMES = ("success", "failure", "retry", "pending", "cancel")
LONG_S = 86_400
FAR_S = 10 * 366 * 86_400


class Trouble(Exception):
    """A control request that cannot be done; becomes `{"error": …}`."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def add_routes(app: web.Application) -> None:
    """Every control call; anything else under /sandbox/api/ is a 404 in the same shape."""
    base = "/sandbox/api"
    routes: list[tuple[str, str, Handler]] = [
        ("GET", "/health", health),
        ("GET", "/orders", orders),
        ("POST", "/orders", register_orders),
        ("GET", "/orders/{id}", one_order),
        ("POST", "/orders/{id}/outcome", outcome),
        ("POST", "/orders/{id}/webhook", send_webhook),
        ("GET", "/calls", calls),
        ("GET", "/requests", requests),
        ("GET", "/faults", faults),
        ("POST", "/faults", add_fault),
        ("DELETE", "/faults", clear_faults),
        ("DELETE", "/faults/{id}", remove_fault),
        ("GET", "/settings", settings),
        ("POST", "/settings", change_settings),
        ("GET", "/clock", clock),
        ("POST", "/clock", advance_clock),
        ("POST", "/reset", reset),
    ]
    for method, path, handler in routes:
        app.router.add_route(method, base + path, guarded(handler))
    app.router.add_route("*", base + "/{tail:.*}", guarded(_no_such_call))


def guarded(handler: Handler) -> Handler:
    """Turn what a handler refuses into JSON, and keep foreign web pages out.

    The API has no password, so a page that the developer happens to visit must not reach it
    through their browser.
    """

    async def handle(request: web.Request) -> web.StreamResponse:
        if is_foreign(request):
            return _json({"error": "the control API is not for other sites' pages"}, status=403)
        try:
            answer = await handler(request)
            if request.method != "GET":
                request.app[SANDBOX].save()
            return answer
        except Trouble as trouble:
            return _json({"error": str(trouble)}, status=trouble.status)
        except (BadField, BadRule, BadSetting, Refused) as mistake:
            return _json({"error": str(mistake)}, status=400)

    return handle


def is_foreign(request: web.Request) -> bool:
    """Whether a browser sends this for a page of another site."""
    origin = request.headers.get("Origin")
    return origin is not None and urlsplit(origin).netloc != request.host


async def _no_such_call(request: web.Request) -> web.Response:
    raise Trouble(404, "no such control call")


def _json(body: Any, *, status: int = 200) -> web.Response:
    return web.json_response(body, status=status)


async def _fields(request: web.Request) -> Fields:
    """The request's JSON object; an empty body is an empty object."""
    raw = await request.read()
    return Fields(read_json(raw) if raw.strip() else {})


def _order(request: web.Request) -> Order:
    found = request.app[SANDBOX].book.find(request.match_info["id"])
    if found is None:
        raise Trouble(404, "no such order")
    return found


def _limit(request: web.Request, usual: int) -> int:
    text = request.query.get("limit", str(usual))
    if not text.isdecimal() or len(text) > 9:
        raise Trouble(400, "limit must be a whole number")
    return int(text)


# -- orders -------------------------------------------------------------------------------


async def health(request: web.Request) -> web.Response:
    return _json({"ok": True})


async def orders(request: web.Request) -> web.Response:
    """The newest orders: `?limit=1000&state=PENDING`."""
    sandbox = request.app[SANDBOX]
    state = request.query.get("state")
    chosen = (order for order in sandbox.book.newest() if state in (None, order.state))
    shown = [order_shown(sandbox, request, order) for order in islice(chosen, _limit(request, 1000))]
    return _json({"total": len(sandbox.book.orders), "orders": shown})


async def register_orders(request: web.Request) -> web.Response:
    """Make many orders known at once, without the API and without webhooks."""
    fields = await _fields(request)
    entries = fields.entries("orders")
    fields.finish()
    made = register(request.app[SANDBOX], request, entries)
    return _json({"registered": len(made), "orders": made})


async def one_order(request: web.Request) -> web.Response:
    return _json(order_shown(request.app[SANDBOX], request, _order(request)))


async def outcome(request: web.Request) -> web.Response:
    """Act as the customer would, now or `after` seconds."""
    sandbox, order = request.app[SANDBOX], _order(request)
    fields = await _fields(request)
    action: Json = {
        "outcome": fields.take("outcome", one_of(*OUTCOMES)),
        "payment_mode": fields.take("paymentMode", or_null(one_of(*PAYMENT_MODES)), None),
        "reported_amount": fields.take("amount", or_null(whole(0, 10**12)), None),
        "force": fields.take("force", FLAG, False),
        "webhook": fields.take("webhook", FLAG, True),
        "webhook_delay_s": fields.take("webhookDelay", or_null(seconds(LONG_S)), None),
    }
    after = fields.take("after", seconds(LONG_S), 0.0)
    fields.finish()
    if after:
        sandbox.later(after, lambda: _act_if_open(sandbox, order, action))
        return _json(
            {"merchantOrderId": order.merchant_order_id, "scheduled": True, "after": after}, status=202
        )
    try:
        _act(sandbox, order, action)
    except OrderClosed as closed:
        raise Trouble(409, f"the order is {closed} already (a late success takes force)") from closed
    return _json(order_shown(sandbox, request, order))


def _act(sandbox: Sandbox, order: Order, action: Json) -> None:
    sandbox.act(order, **action)
    sandbox.journal.note(sandbox.clock.now_ms(), order.merchant_order_id, f"control: {action['outcome']}")


def _act_if_open(sandbox: Sandbox, order: Order, action: Json) -> None:
    try:
        _act(sandbox, order, action)
    except OrderClosed as closed:
        sandbox.journal.note(
            sandbox.clock.now_ms(), order.merchant_order_id, f"{action['outcome']}: was {closed}"
        )


async def send_webhook(request: web.Request) -> web.Response:
    """Send the webhook of the order's present state (or of a named event), again if need be."""
    sandbox, order = request.app[SANDBOX], _order(request)
    fields = await _fields(request)
    event = fields.take("event", or_null(TEXT), None)
    times = fields.take("times", whole(1, 1000), 1)
    fields.finish()
    if sandbox.settings.webhook_url is None:
        raise Trouble(409, "no webhook_url is set")
    try:
        sent = [sandbox.tell_again(order, event) for _ in range(times)]
    except ValueError as error:
        raise Trouble(400, str(error)) from error
    return _json({"sent": len(sent), "event": sent[0]})


# -- looking ------------------------------------------------------------------------------


async def calls(request: web.Request) -> web.Response:
    """Calls that arrived, by kind: `?merchantOrderId=` for one order."""
    return _json(request.app[SANDBOX].journal.calls(request.query.get("merchantOrderId")))


async def requests(request: web.Request) -> web.Response:
    """Recent requests and answers, the newest first: `?merchantOrderId=&limit=`."""
    sandbox = request.app[SANDBOX]
    newest = sandbox.journal.newest(request.query.get("merchantOrderId"))
    return _json({"requests": [entry.shown() for entry in islice(newest, _limit(request, 100))]})


# -- faults, settings, time ---------------------------------------------------------------


async def faults(request: web.Request) -> web.Response:
    return _json({"faults": [rule.shown() for rule in request.app[SANDBOX].faults.rules.values()]})


async def add_fault(request: web.Request) -> web.Response:
    rule = request.app[SANDBOX].faults.add((await _fields(request)).given)
    return _json(rule.shown(), status=201)


async def clear_faults(request: web.Request) -> web.Response:
    rules = request.app[SANDBOX].faults.rules
    removed = len(rules)
    rules.clear()
    return _json({"removed": removed})


async def remove_fault(request: web.Request) -> web.Response:
    text = request.match_info["id"]
    rule_id = int(text) if text.isdecimal() and len(text) < 10 else 0
    if request.app[SANDBOX].faults.rules.pop(rule_id, None) is None:
        raise Trouble(404, "no such fault")
    return _json({"removed": 1})


async def settings(request: web.Request) -> web.Response:
    return _json(request.app[SANDBOX].settings.shown())


async def change_settings(request: web.Request) -> web.Response:
    sandbox = request.app[SANDBOX]
    sandbox.change_settings((await _fields(request)).given)
    return _json(sandbox.settings.shown())


async def clock(request: web.Request) -> web.Response:
    now = request.app[SANDBOX].clock
    return _json({"now": now.now_ms(), "offset": now.offset_s})


async def advance_clock(request: web.Request) -> web.Response:
    """Move the emulator's time forward; what falls due happens at once."""
    sandbox = request.app[SANDBOX]
    fields = await _fields(request)
    step = fields.take("advance", seconds(FAR_S))
    fields.finish()
    sandbox.clock.advance(step)
    sandbox.catch_up()
    return await clock(request)


async def reset(request: web.Request) -> web.Response:
    """Forget orders, tokens, calls and faults; settings and time as at the start."""
    await request.app[SANDBOX].reset()
    return _json({"ok": True})
