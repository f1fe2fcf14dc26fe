"""The customer's pay page (§3.5, §9) and the integrator's pages under /sandbox/."""

import json
import secrets
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, get_args

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from phonepe_sandbox.book import OrderClosed
from phonepe_sandbox.entries import PAYMENT_MODES, Order, Outcome
from phonepe_sandbox.identity import IST
from phonepe_sandbox.sandbox import SANDBOX, Sandbox
from phonepe_sandbox.shown import PAY_PAGES, order_shown, pay_page

ORDERS_SHOWN = 200
EXCHANGES_SHOWN = 300
PAGE_OUTCOMES = ("success", "failure", "retry", "pending", "cancel", "close_paid", "close")


def rupees(paise: int) -> str:
    """`₹1,499.00`, grouped the Indian way: 3 digits, then pairs."""
    whole, rest = divmod(paise, 100)
    head, tail = str(whole)[:-3], str(whole)[-3:]
    pairs: list[str] = []
    while head:
        head, pair = head[:-2], head[-2:]
        pairs.insert(0, pair)
    return f"₹{','.join([*pairs, tail])}.{rest:02d}"


def ist(at_ms: int) -> str:
    """A moment as the customer's clock shows it."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(IST).strftime("%d %b %Y, %H:%M:%S IST")


def span(milliseconds: int) -> str:
    """`14 min 05 s`."""
    minutes, seconds = divmod(max(0, milliseconds) // 1000, 60)
    return f"{minutes} min {seconds:02d} s"


def pretty(body: str) -> str:
    """A JSON body laid out for reading; anything else as it is."""
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return body


TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined
)
TEMPLATES.filters.update(rupees=rupees, ist=ist, span=span, pretty=pretty)


def add_routes(app: web.Application) -> None:
    """The pay page under both environments' paths, and the integrator's pages."""
    for path in PAY_PAGES.values():
        app.router.add_get(path, show_pay_page)
        app.router.add_post(path, choose)
    app.router.add_get("/sandbox", _to_orders)
    app.router.add_get("/sandbox/", show_orders)
    app.router.add_get("/sandbox/orders/{id}", show_order)


def _page(template: str, *, status: int = 200, **values: Any) -> web.Response:
    nonce = secrets.token_urlsafe(12)
    html = TEMPLATES.get_template(template).render(nonce=nonce, **values)
    headers = {
        # No `form-action`: browsers apply it to the redirect to the merchant as well.
        "Content-Security-Policy": f"default-src 'none'; style-src 'nonce-{nonce}'; "
        f"script-src 'nonce-{nonce}'; img-src data:; base-uri 'none'",
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    # A lone surrogate is legal in JSON and impossible in UTF-8.
    body = html.encode("utf-8", "replace")
    return web.Response(status=status, body=body, content_type="text/html", charset="utf-8", headers=headers)


# -- the customer -------------------------------------------------------------------------


def _order_of(request: web.Request) -> Order | None:
    return request.app[SANDBOX].book.find_by_page_token(request.query.get("token", ""))


async def show_pay_page(request: web.Request) -> web.Response:
    """What the customer sees at the redirectUrl of a pay answer."""
    order = _order_of(request)
    if order is None:
        return _message(
            "This payment link is not valid", "Go back to the shop and start the payment again.", status=404
        )
    return _pay_page(request.app[SANDBOX], order)


def _pay_page(sandbox: Sandbox, order: Order, *, status: int = 200) -> web.Response:
    return _page(
        "pay.html",
        status=status,
        order=order,
        merchant=sandbox.settings.merchant_name,
        left_ms=order.expire_at_ms - sandbox.clock.now_ms(),
        modes=PAYMENT_MODES,
    )


def _message(title: str, text: str, *, status: int = 200, link: str | None = None) -> web.Response:
    return _page("message.html", status=status, title=title, text=text, link=link)


async def choose(request: web.Request) -> web.Response:
    """A button was pressed: store the outcome, tell the merchant's server, send the customer on."""
    sandbox, order = request.app[SANDBOX], _order_of(request)
    if order is None:
        return await show_pay_page(request)
    form = await request.post()
    outcome, mode = str(form.get("outcome", "")), str(form.get("paymentMode", PAYMENT_MODES[0]))
    if outcome not in PAGE_OUTCOMES or mode not in PAYMENT_MODES:
        return _pay_page(sandbox, order, status=400)
    sandbox.journal.note(sandbox.clock.now_ms(), order.merchant_order_id, f"pay page: {outcome}")
    if outcome == "close":
        return _message("Closed without paying", "Nothing was paid. You may close this tab.")
    try:
        sandbox.act(order, "success" if outcome == "close_paid" else _outcome(outcome), payment_mode=mode)
    except OrderClosed:
        return _see_other(_here(request))
    if outcome == "close_paid":
        return _message("Paid", "You may close this tab. The shop's page is never opened again.")
    if outcome == "retry" and order.state == "PENDING":
        return _see_other(_here(request))
    if order.redirect_url is None:
        return _message("Done", "The shop gave no address to return to. You may close this tab.")
    return _see_other(order.redirect_url)


def _outcome(text: str) -> Outcome:
    return next(known for known in get_args(Outcome) if known == text)


def _here(request: web.Request) -> str:
    return request.raw_path


def _see_other(url: str) -> web.Response:
    """A GET redirect without parameters (§3.5); the address goes out byte for byte."""
    return web.Response(status=303, headers={"Location": url, "Cache-Control": "no-store"})


# -- the integrator -----------------------------------------------------------------------


async def _to_orders(request: web.Request) -> web.Response:
    return _see_other("/sandbox/")


async def show_orders(request: web.Request) -> web.Response:
    """The newest orders, what went wrong by request, and the numbers of calls."""
    sandbox = request.app[SANDBOX]
    newest = list(islice(sandbox.book.newest(), ORDERS_SHOWN))
    return _page(
        "orders.html",
        orders=[(order, pay_page(sandbox, request, order)) for order in newest],
        total=len(sandbox.book.orders),
        calls=sandbox.journal.calls(),
        faults=list(sandbox.faults.rules.values()),
        settings=sandbox.settings,
        now_ms=sandbox.clock.now_ms(),
    )


async def show_order(request: web.Request) -> web.Response:
    """One order: every request and answer in order, attempts, refunds and webhooks."""
    sandbox = request.app[SANDBOX]
    order = sandbox.book.find(request.match_info["id"])
    if order is None:
        return _message(
            "No such order", "The emulator does not know this order id.", status=404, link="/sandbox/"
        )
    newest = list(islice(sandbox.journal.newest(order.merchant_order_id), EXCHANGES_SHOWN))
    return _page(
        "order.html",
        order=order,
        shown=order_shown(sandbox, request, order),
        exchanges=[entry.shown() for entry in reversed(newest)],
    )
