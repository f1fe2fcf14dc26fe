"""payment-status.js in a real browser: the stream, its loss, a network that goes and comes, other people's pages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from bookings.models import Booking
from payments.models import PaymentOrder
from tests.browser.conftest import Shop, Visitor, visit
from tests.journeys.customer import orders_known_to
from tests.processes import ROOT
from tests.sandbox import wait_until

pytestmark = pytest.mark.browser

SCRIPT = ROOT / "storefront" / "static" / "storefront" / "payment-status.js"
OFFLINE = "We cannot reach our server from here just now."


@pytest.fixture
def order(shop: Shop) -> PaymentOrder:
    """An order that waits for its customer, not due for a while."""
    [order] = orders_known_to(shop.sandbox, state="PENDING", age_s=5, due_in_s=600)
    return order


def waits(visitor: Visitor, shop: Shop, order: PaymentOrder) -> Page:
    visitor.page.goto(f"{shop.url}/payment-pending/{order.cart_id}")
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text("We are waiting for PhonePe")
    return visitor.page


def asked(visitor: Visitor, what: str) -> int:
    return sum(url.endswith(f"/{what}/") for url in visitor.requests)


def wait_for(visitor: Visitor, what: str, *, times: int = 1) -> None:
    """Until the page has asked so often; Playwright hears of requests only while it is waited upon."""
    for _ in range(200):
        if asked(visitor, what) >= times:
            return
        visitor.page.wait_for_timeout(50)
    raise AssertionError(f"{what} was asked {asked(visitor, what)} times, not {times}")


def pays(shop: Shop, order: PaymentOrder, outcome: str = "success") -> None:
    shop.sandbox.decide(order.merchant_order_id, outcome, webhook=True)


def test_script_is_smaller_than_3_kb_and_needs_nothing():
    text = SCRIPT.read_text(encoding="utf-8")

    assert len(text.encode()) < 3000
    assert re.findall(r"\b(?:import|require)\b *[('\"]", text) == []


def test_waiting_page_moves_on_by_the_stream_alone(browser: Browser, shop: Shop, order: PaymentOrder) -> None:
    visitor = visit(browser, shop)
    page = waits(visitor, shop, order)
    wait_for(visitor, "events")

    pays(shop, order)
    page.wait_for_url("**/booking-success/BK-*")

    assert (asked(visitor, "events"), asked(visitor, "status")) == (1, 0)
    visitor.assert_nothing_odd()


@pytest.mark.parametrize(
    ("outcome", "heading"), [("failure", "did not go through"), ("cancel", "was cancelled")]
)
def test_waiting_page_moves_on_to_what_came_to_nothing(
    browser: Browser, shop: Shop, order: PaymentOrder, outcome: str, heading: str
) -> None:
    visitor = visit(browser, shop)
    page = waits(visitor, shop, order)

    pays(shop, order, outcome)

    page.wait_for_url(f"**/payment-failed/{order.cart_id}")
    expect(page.get_by_role("heading", level=1)).to_contain_text(heading)


def test_waiting_page_when_the_stream_breaks_asks_and_moves_on(
    browser: Browser, shop: Shop, order: PaymentOrder
) -> None:
    visitor = visit(browser, shop)
    visitor.context.route("**/events/", lambda route: route.abort())
    page = waits(visitor, shop, order)
    wait_for(visitor, "status")

    pays(shop, order)

    page.wait_for_url("**/booking-success/BK-*")
    assert asked(visitor, "events") >= 1


def test_waiting_page_when_a_proxy_holds_the_stream_back_asks_and_moves_on(
    browser: Browser, shop: Shop, order: PaymentOrder
) -> None:
    visitor = visit(browser, shop)
    visitor.context.route("**/events/", lambda route: None)  # never answered
    page = waits(visitor, shop, order)

    pays(shop, order)

    page.wait_for_url("**/booking-success/BK-*", timeout=15_000)
    assert asked(visitor, "status") >= 1


def test_waiting_page_when_the_network_goes_says_so_and_moves_on_when_it_is_back(
    browser: Browser, shop: Shop, order: PaymentOrder
) -> None:
    visitor = visit(browser, shop)
    page = waits(visitor, shop, order)
    live = page.locator("#payment-state")

    visitor.context.set_offline(True)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # a phone that wakes in a tunnel
    expect(live).to_contain_text(OFFLINE)
    visitor.screenshot("payment-pending-offline")
    pays(shop, order)
    wait_until(lambda: Booking.objects.exists())
    visitor.context.set_offline(False)

    page.wait_for_url("**/booking-success/BK-*")
    assert visitor.foreign == []


def test_waiting_page_when_the_network_is_back_before_the_payment_says_what_it_waits_for(
    browser: Browser, shop: Shop, order: PaymentOrder
) -> None:
    visitor = visit(browser, shop)
    page = waits(visitor, shop, order)
    live = page.locator("#payment-state")
    waiting = live.inner_text()
    visitor.context.set_offline(True)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(live).to_contain_text(OFFLINE)

    visitor.context.set_offline(False)

    expect(live).to_have_text(waiting)


def test_waiting_page_that_wakes_up_opens_a_new_stream(
    browser: Browser, shop: Shop, order: PaymentOrder
) -> None:
    visitor = visit(browser, shop)
    page = waits(visitor, shop, order)
    wait_for(visitor, "events")

    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")

    wait_for(visitor, "events", times=2)


# -- on other people's pages --------------------------------------------------------------


def other_page(visitor: Visitor, shop: Shop, script: str, *, kind: str = "") -> Page:
    """A page of a front end of its own at the shop's origin, with one script."""
    opening = "<script>" if kind else "<script type=module>"
    html = f"<!doctype html><title>other</title>{kind}{opening}{script}</script>"
    visitor.context.route(
        "**/other.html", lambda route: route.fulfill(body=html, content_type="text/html; charset=utf-8")
    )
    visitor.page.goto(f"{shop.url}/other.html")
    return visitor.page


CALLS = """
window.calls = [];
const note = (name) => (status) => window.calls.push([name, status.payment_status]);
const watchers = {
  onChange: note('change'), onSuccess: note('success'), onPending: note('pending'), onFailed: note('failed'),
};
"""
BY_SRC = '<script src="/static/storefront/payment-status.js"></script>'
BY_IMPORT = "import { watchPayment } from '/static/storefront/payment-status.mjs';"


@pytest.mark.parametrize("how", ["script", "import"])
def test_watch_calls_each_function_once_per_change_and_ends(
    browser: Browser, shop: Shop, order: PaymentOrder, how: str
) -> None:
    visitor = visit(browser, shop)
    start = f"{CALLS} watchPayment('{order.cart_id}', watchers);"
    if how == "script":
        page = other_page(visitor, shop, start, kind=BY_SRC)
    else:
        page = other_page(visitor, shop, BY_IMPORT + start)
    page.wait_for_function("window.calls.length == 2")

    pays(shop, order)
    page.wait_for_function("window.calls.at(-1)[0] == 'success'")
    before = len(visitor.requests)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_timeout(3500)

    calls = [tuple(call) for call in page.evaluate("window.calls")]
    assert calls == [
        ("change", "INITIATED"),
        ("pending", "INITIATED"),
        ("change", "SUCCESS"),
        ("success", "SUCCESS"),
    ]
    assert len(visitor.requests) == before
    visitor.assert_nothing_odd()


def test_watch_that_is_stopped_asks_no_more(browser: Browser, shop: Shop, order: PaymentOrder) -> None:
    visitor = visit(browser, shop)
    script = f"{CALLS} window.stop_it = watchPayment('{order.cart_id}', watchers);"
    page = other_page(visitor, shop, script, kind=BY_SRC)
    page.wait_for_function("window.calls.length == 2")

    page.evaluate("window.stop_it()")
    pays(shop, order)
    wait_until(lambda: Booking.objects.exists())
    page.wait_for_timeout(1000)

    assert len(page.evaluate("window.calls")) == 2


def test_watch_of_an_unknown_cart_tells_of_404_and_ends(browser: Browser, shop: Shop) -> None:
    visitor = visit(browser, shop)
    script = (
        "window.errors = []; watchPayment('nothing', { onTrouble: (e) => window.errors.push(e.status) });"
    )
    page = other_page(visitor, shop, script, kind=BY_SRC)

    page.wait_for_function("window.errors.length == 1")
    before = len(visitor.requests)
    page.wait_for_timeout(3500)

    assert (page.evaluate("window.errors"), len(visitor.requests)) == ([404], before)


def test_ten_lines_of_polling_in_the_readme_still_lead_to_the_booking(
    browser: Browser, shop: Shop, order: PaymentOrder
) -> None:
    readme = Path(ROOT / "README.md").read_text(encoding="utf-8")
    example = re.search(r"```javascript\n(const checkPaymentStatus.*?)```", readme, re.DOTALL)[1]
    visitor = visit(browser, shop)
    page = other_page(visitor, shop, f"{example} checkPaymentStatus('{order.cart_id}');", kind=BY_SRC)
    wait_for(visitor, "status")

    pays(shop, order)

    page.wait_for_url("**/booking-success/BK-*", timeout=15_000)
    visitor.assert_nothing_odd()
