"""The integrator's pages under /sandbox/: what was asked, what was answered, in order."""

from itertools import islice
from typing import Any

from aiohttp import web

from phonepe_sandbox.curl import as_curl
from phonepe_sandbox.entries import Json
from phonepe_sandbox.faults import CALL_FAULTS, KINDS_OF, OPTIONAL, TARGETS
from phonepe_sandbox.journal import Exchange
from phonepe_sandbox.rendering import message, page, see_other
from phonepe_sandbox.sandbox import SANDBOX
from phonepe_sandbox.shown import order_shown, pay_page

ORDERS_SHOWN = 200
EXCHANGES_SHOWN = 300


def add_routes(app: web.Application) -> None:
    """The pages that only show."""
    app.router.add_get("/sandbox", _to_orders)
    app.router.add_get("/sandbox/", show_orders)
    app.router.add_get("/sandbox/requests", show_requests)
    app.router.add_get("/sandbox/orders/{id}", show_order)


async def _to_orders(request: web.Request) -> web.Response:
    return see_other("/sandbox/")


async def show_orders(request: web.Request) -> web.Response:
    return orders_page(request)


def orders_page(
    request: web.Request, *, status: int = 200, trouble: str | None = None, given: Json | None = None
) -> web.Response:
    """The newest orders, what goes wrong by request, and the numbers of calls.

    `given` is what the fault form held when it was refused because of `trouble`.
    """
    sandbox = request.app[SANDBOX]
    newest = list(islice(sandbox.book.newest(), ORDERS_SHOWN))
    return page(
        "orders.html",
        status=status,
        orders=[(order, pay_page(sandbox, request, order)) for order in newest],
        total=len(sandbox.book.orders),
        calls=sandbox.journal.calls(),
        faults=list(sandbox.faults.rules.values()),
        settings=sandbox.settings,
        now_ms=sandbox.clock.now_ms(),
        targets=TARGETS,
        kinds=_kinds(),
        trouble=trouble,
        given=given or {},
    )


def _kinds() -> dict[str, dict[str, list[tuple[str, str]]]]:
    """Heading → kind → its parameters with what they take, for the form."""
    headings = {"A call": CALL_FAULTS, "A webhook": KINDS_OF["webhook"], "An order": KINDS_OF["failure"]}
    return {
        heading: {
            kind: [
                (name, parameter.rule.wanted + _usual(parameter.default))
                for name, parameter in parameters.items()
            ]
            for kind, parameters in kinds.items()
        }
        for heading, kinds in headings.items()
    }


def _usual(default: Any) -> str:
    return "" if default is OPTIONAL else f", usually {default}"


async def show_requests(request: web.Request) -> web.Response:
    """Every call, the newest first: token calls and wrong paths too, which belong to no order."""
    newest = islice(request.app[SANDBOX].journal.newest(), EXCHANGES_SHOWN)
    return page("requests.html", exchanges=[_exchange(request, entry) for entry in newest])


async def show_order(request: web.Request) -> web.Response:
    """One order: every request and answer in order, attempts, refunds and webhooks."""
    sandbox = request.app[SANDBOX]
    order = sandbox.book.find(request.match_info["id"])
    if order is None:
        text = "The emulator does not know this order id."
        return message("No such order", text, status=404, link="/sandbox/")
    newest = list(islice(sandbox.journal.newest(order.merchant_order_id), EXCHANGES_SHOWN))
    return page(
        "order.html",
        order=order,
        shown=order_shown(sandbox, request, order),
        exchanges=[_exchange(request, entry) for entry in reversed(newest)],
    )


def _exchange(request: web.Request, entry: Exchange) -> Json:
    origin = f"{request.scheme}://{request.host}"
    return entry.shown() | {"curl": "" if entry.kind == "customer" else as_curl(entry, origin)}
