"""checkout.js and the pages in a real Chromium, from a merchant's page on another origin (§3.5)."""

import json
import os
import re
import shutil
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.phonepe_sandbox.processes import ROOT, Emulator, emulator

pytestmark = pytest.mark.browser
SCREENSHOTS = ROOT / "var" / "screenshots"
WIDTHS = {"phone": 360, "desktop": 1280}
# Without these Chromium talks to its maker's hosts at every start.
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SHOP_PAGE = """<!DOCTYPE html><html lang="en"><title>Shop</title>
<link rel="icon" href="data:,"><body><h1>Shop</h1><button id="pay">Pay</button>
<script src="{emulator}/web/bundle/checkout.js"></script><script src="/shop.js"></script></body></html>"""
SHOP_SCRIPT = """window.said = [];
document.getElementById("pay").onclick = () => PhonePeCheckout.transact(window.options);"""


@dataclass
class Shop:
    """A merchant's site with a strict policy, and where its customers came back to."""

    emulator: Emulator
    url: str = ""
    returned: list[str] = field(default_factory=list)

    def answer(self, path):
        if path == "/shop.js":
            return "text/javascript", SHOP_SCRIPT
        if path.startswith("/back"):
            self.returned.append(path)
            return "text/html", '<link rel="icon" href="data:,"><h1>Back at the shop</h1>'
        return "text/html", SHOP_PAGE.format(emulator=self.emulator.url)


@pytest.fixture(scope="module")
def running():
    with emulator(SANDBOX_SETTINGS='{"collect_answer_after": 1}') as one:
        yield one


@pytest.fixture
def shop(running):
    running.control("POST", "/reset", {})
    running.as_merchant_with(None)
    shop = Shop(running)

    class Site(BaseHTTPRequestHandler):
        def do_GET(self):
            kind, body = shop.answer(self.path)
            self.send_response(200)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            policy = (
                f"default-src 'self'; script-src 'self' {running.url}; frame-src {running.url}; img-src data:"
            )
            self.send_header("Content-Security-Policy", policy)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        shop.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield shop
        server.shutdown()


@pytest.fixture(scope="module")
def browser():
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(
            "no Chromium: apt-get install chromium"
        )
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=list(QUIET))
        yield started
        started.close()


@dataclass
class Window:
    page: Page
    complaints: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    def assert_nothing_odd(self):
        assert (self.complaints, self.foreign) == ([], [])

    def screenshot(self, name):
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        for width, pixels in WIDTHS.items():
            self.page.set_viewport_size({"width": pixels, "height": 800})
            self.page.screenshot(path=SCREENSHOTS / f"{name}-{width}.png", full_page=True)
        self.page.set_viewport_size({"width": 360, "height": 740})


def open_window(browser, shop, **options):
    context = browser.new_context(viewport={"width": 360, "height": 740}, **options)
    context.set_default_timeout(10_000)
    window = Window(context.new_page())
    ours = (shop.url, shop.emulator.url, "data:")
    window.page.on("console", lambda m: window.complaints.append(m.text) if m.type == "error" else None)
    window.page.on("pageerror", lambda error: window.complaints.append(str(error)))
    window.page.on("request", lambda r: None if r.url.startswith(ours) else window.foreign.append(r.url))
    return window


@pytest.fixture
def window(browser, shop):
    window = open_window(browser, shop)
    yield window
    window.page.context.close()


def pay_by_script(window, shop, kind="IFRAME", **changes):
    """Press the shop's button; the pay page opens as `kind`."""
    link = shop.emulator.pay(redirect_url=f"{shop.url}/back/ORD-1", **changes)["redirectUrl"]
    window.page.goto(shop.url)
    options = f"{{tokenUrl: {json.dumps(link)}"
    options += ', callback: (r) => said.push(r), type: "IFRAME"}' if kind == "IFRAME" else "}"
    window.page.evaluate(f"() => {{ window.options = {options}; }}")
    window.page.get_by_role("button", name="Pay").click()
    return link


def said(window):
    return window.page.evaluate("window.said")


@pytest.mark.parametrize(
    ("button", "result", "state"),
    [
        ("^Success", "CONCLUDED", "COMPLETED"),
        ("^Failure back", "CONCLUDED", "FAILED"),
        ("^Pending", "CONCLUDED", "PENDING"),
        ("^Cancel", "USER_CANCEL", "FAILED"),
        ("^Close without", "USER_CANCEL", "PENDING"),
    ],
)
def test_iframe_then_the_callback_gets_the_result_once_and_the_frame_is_gone(
    window, shop, button, result, state
):
    pay_by_script(window, shop)

    window.page.frame_locator("iframe").get_by_role("button", name=re.compile(button)).click()

    expect(window.page.locator("iframe")).to_have_count(0)
    assert (said(window), shop.emulator.status()["state"], shop.returned) == ([result], state, [])
    assert window.page.url == f"{shop.url}/"
    window.assert_nothing_odd()


@pytest.mark.parametrize("way", ["button", "Escape"])
def test_iframe_when_the_customer_closes_it_then_user_cancel_and_the_order_stays_open(window, shop, way):
    pay_by_script(window, shop)
    expect(
        window.page.frame_locator("iframe").get_by_role("button", name=re.compile("^Success"))
    ).to_be_visible()
    if way == "button":
        window.screenshot("sandbox-iframe")
        window.page.get_by_role("button", name="Close the payment").click()
    else:
        window.page.keyboard.press("Escape")

    expect(window.page.locator("iframe")).to_have_count(0)
    assert (said(window), shop.emulator.status()["state"]) == (["USER_CANCEL"], "PENDING")
    window.assert_nothing_odd()


def test_iframe_when_the_customer_pays_and_never_returns_then_no_callback(window, shop):
    pay_by_script(window, shop)

    window.page.frame_locator("iframe").get_by_role("button", name=re.compile("never return")).click()
    expect(window.page.frame_locator("iframe").get_by_role("heading", name="Paid")).to_be_visible()

    assert (said(window), shop.emulator.status()["state"]) == ([], "COMPLETED")


def test_close_page_then_the_frame_is_gone_without_a_callback(window, shop):
    pay_by_script(window, shop)
    expect(window.page.locator("iframe")).to_have_count(1)

    window.page.evaluate("PhonePeCheckout.closePage(); PhonePeCheckout.closePage()")

    expect(window.page.locator("iframe")).to_have_count(0)
    assert said(window) == []


def test_iframe_then_only_the_frame_itself_may_conclude(window, shop):
    pay_by_script(window, shop)
    expect(window.page.locator("iframe")).to_have_count(1)

    window.page.evaluate("postMessage({phonepeSandbox: 'CONCLUDED'}, '*')")
    window.page.wait_for_timeout(200)

    assert said(window) == []
    expect(window.page.locator("iframe")).to_have_count(1)


def test_transact_when_the_arguments_are_wrong_then_it_throws(window, shop):
    window.page.goto(shop.url)

    told = window.page.evaluate(
        """() => [{}, {tokenUrl: "http://x/", type: "IFRAME"}, undefined].map((options) => {
          try { PhonePeCheckout.transact(options); return "no"; } catch (error) { return error.name; }
        })"""
    )

    assert told == ["TypeError"] * 3


def test_redirect_then_the_whole_page_goes_and_comes_back_without_parameters(window, shop):
    link = pay_by_script(window, shop, kind="REDIRECT")
    window.page.wait_for_url(link)
    window.screenshot("sandbox-pay-page")

    window.page.get_by_role("button", name=re.compile("^Success")).click()
    window.page.wait_for_url(f"{shop.url}/back/ORD-1")

    assert (shop.returned, shop.emulator.status()["state"]) == (["/back/ORD-1"], "COMPLETED")
    window.assert_nothing_odd()


def test_redirect_when_the_referrer_is_needed_then_the_script_brings_it(window, shop):
    shop.emulator.control("POST", "/settings", {"pay_page_needs_referrer": True})
    link = pay_by_script(window, shop, kind="REDIRECT")

    expect(window.page.get_by_role("button", name=re.compile("^Success"))).to_be_visible()
    window.page.goto("about:blank")
    window.page.goto(link)
    expect(window.page.get_by_text("INTERNAL_SECURITY_BLOCK_1")).to_be_visible()


@pytest.mark.parametrize("javascript", [True, False])
def test_pay_page_by_card_after_a_failed_attempt_with_and_without_javascript(browser, shop, javascript):
    window = open_window(browser, shop, java_script_enabled=javascript)
    page = window.page
    page.goto(shop.emulator.pay(redirect_url=f"{shop.url}/back")["redirectUrl"])

    page.get_by_role("radio", name="Card").check()
    if javascript:
        window.screenshot("sandbox-pay-card")
    page.get_by_label("Card number").fill("4111 1111 1111 1111")
    page.get_by_label("Expiry").fill("12/30")
    page.get_by_label("CVV").fill("123")
    page.get_by_role("button", name="Pay by card").click()
    expect(page.get_by_role("status")).to_contain_text("not one of PhonePe's test cards")
    page.get_by_role("radio", name="Card").check()
    page.get_by_role("button", name=re.compile("^Debit card")).click()
    page.get_by_label("OTP").fill("123456")
    if javascript:
        window.screenshot("sandbox-bank")
    page.get_by_role("button", name="Success").click()
    page.wait_for_url(f"{shop.url}/back")

    attempts = [(a["state"], a.get("errorCode")) for a in shop.emulator.status()["paymentDetails"]]
    assert attempts == [("FAILED", "INVALID_CARD_NUMBER"), ("COMPLETED", None)]
    window.assert_nothing_odd()
    page.context.close()


@pytest.mark.parametrize("javascript", [True, False])
def test_pay_page_by_upi_id_then_it_waits_and_goes_on_by_itself(browser, shop, javascript):
    window = open_window(browser, shop, java_script_enabled=javascript)
    page = window.page
    page.goto(shop.emulator.pay(redirect_url=f"{shop.url}/back")["redirectUrl"])

    page.get_by_role("radio", name="UPI ID").check()
    if javascript:
        window.screenshot("sandbox-pay-upi")
    page.get_by_role("button", name="success@ybl").click()
    expect(page.get_by_role("heading", name="in your UPI app")).to_be_visible()
    page.wait_for_url(f"{shop.url}/back")

    assert shop.emulator.status()["state"] == "COMPLETED"
    window.assert_nothing_odd()
    page.context.close()


def test_pay_page_counts_down_and_says_when_the_time_is_over(window, shop):
    page = window.page
    page.goto(shop.emulator.pay(expireAfter=300)["redirectUrl"])
    first = page.locator("#left").inner_text()
    expect(page.locator("#left")).not_to_have_text(first)

    shop.emulator.control("POST", "/clock", {"advance": 300})
    page.reload()

    expect(page.get_by_text("The time to pay is over")).to_be_visible()
    window.screenshot("sandbox-pay-expired")


# -- the integrator's pages -----------------------------------------------------------------


@pytest.mark.parametrize("javascript", [True, False])
def test_sandbox_pages_set_a_fault_and_a_switch_with_and_without_javascript(browser, shop, javascript):
    window = open_window(browser, shop, java_script_enabled=javascript)
    page, one = window.page, shop.emulator
    one.pay()
    one.status()
    page.goto(f"{one.url}/sandbox/")

    page.locator("select[name=on]").select_option("status")
    page.locator("select[name=kind]").select_option("rate_limited")
    page.get_by_label("Its own fields").fill("retryAfter=3")
    page.get_by_role("button", name="Add the fault").click()
    expect(page.get_by_text("status: rate_limited retryAfter 3")).to_be_visible()
    refused = one.status()["code"]
    if javascript:
        window.screenshot("sandbox-orders")
    page.get_by_role("button", name="Remove status: rate_limited").click()
    expect(page.get_by_text("None: everything goes right.")).to_be_visible()
    page.get_by_role("link", name="Settings").click()
    page.get_by_label("unknown_status").select_option("404")
    page.get_by_role("button", name="Save the settings").click()

    assert refused == "TOO_MANY_REQUESTS"
    assert one.control("GET", "/settings")["unknown_status"] == 404
    window.assert_nothing_odd()
    page.context.close()


def test_order_page_copies_a_call_as_curl(browser, shop):
    window = open_window(browser, shop, permissions=["clipboard-read", "clipboard-write"])
    page, one = window.page, shop.emulator
    one.pay()
    one.status()
    one.control("POST", "/orders/ORD-1/outcome", {"outcome": "success"})
    page.goto(f"{one.url}/sandbox/orders/ORD-1")

    page.locator("summary").first.click()
    page.get_by_role("button", name="Copy").first.click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()

    assert page.evaluate("navigator.clipboard.readText()").startswith("curl -i -X POST ")
    window.screenshot("sandbox-order")
    window.assert_nothing_odd()
    page.context.close()


@pytest.mark.parametrize("path", ["", "requests", "settings", "orders/ORD-1"])
def test_sandbox_pages_fit_a_phone(window, shop, path):
    long = "A-very-long-merchant-order-id_that-is-sixty-three-characters-ab"
    shop.emulator.pay(long)
    shop.emulator.pay("ORD-1", metaInfo={"udf1": "x" * 200})
    shop.emulator.control("POST", "/faults", {"on": "pay", "kind": "reset", "merchantOrderId": long})
    shop.emulator.control(
        "POST", "/settings", {"webhook_url": "http://localhost:8000/a/long/address/for/webhooks/"}
    )

    window.page.goto(f"{shop.emulator.url}/sandbox/{path}")
    for closed in window.page.locator("details").all():
        closed.evaluate("(element) => { element.open = true; }")

    for width in (360, 1280):
        window.page.set_viewport_size({"width": width, "height": 800})
        inner = "Math.max(...[...document.querySelectorAll('html, .wide')].map((e) => e.scrollWidth - e.clientWidth))"
        assert window.page.evaluate(inner) == 0, width
    window.screenshot(f"sandbox-{path.partition('/')[0] or 'start'}")
    window.assert_nothing_odd()
