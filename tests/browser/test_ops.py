"""The staff's pages in a real browser: signed in by the form, at phone's width, with nothing odd in the console."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from playwright.sync_api import Browser, expect

from tests.browser.conftest import Shop, Visitor, serious, visit
from tests.ops import rows
from tests.ops.rows import a_busy_day

pytestmark = pytest.mark.browser

PAGES = (
    "",
    "attention/",
    "charts/",
    "charts/?span=week",
    "days/",
    "search/?q=asha@example.com",
    "search/?q=nobody",
)


def sign_in(visitor: Visitor, shop: Shop, path: str = "", *, superuser: bool = False) -> None:
    user = rows.staff(*rows.ALL)
    user.password = PBKDF2PasswordHasher().encode("secret-123", "salt", 1)  # the site knows no tests' hasher
    user.is_superuser = superuser
    user.save(update_fields=["password", "is_superuser"])
    page = visitor.page
    page.goto(f"{shop.url}/ops/{path}")
    page.get_by_label("Username").fill("ravi")
    page.get_by_label("Password").fill("secret-123")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{shop.url}/ops/{path}")


def fits(visitor: Visitor) -> bool:
    return bool(visitor.page.evaluate("document.documentElement.scrollWidth") == 360)


def nothing_odd(visitor: Visitor) -> Any:
    return (visitor.complaints, visitor.foreign) == ([], [])


def test_ops_pages_fit_a_phone_are_quiet_and_open_to_everybody(
    browser: Browser, shop: Shop, axe: Path
) -> None:
    order = a_busy_day()
    visitor = visit(browser, shop)
    sign_in(visitor, shop)
    of_order = f"orders/{order.merchant_order_id}/"
    steps = [of_order + step for step in ("", "verify/", "refund/", "settle/", "evidence/")]

    for path in (*PAGES, *steps):
        visitor.page.goto(f"{shop.url}/ops/{path}")
        expect(visitor.page.get_by_role("link", name="OkPuja payments")).to_be_visible()
        assert fits(visitor), path
        assert serious(visitor, axe) == [], path
        name = re.sub(r"\W+", "-", path.replace(order.merchant_order_id, "one")).strip("-") or "now"
        visitor.screenshot(f"ops-{name}")
        visitor.page.set_viewport_size({"width": 360, "height": 740})

    assert nothing_odd(visitor)


def test_ops_now_reads_itself_again(browser: Browser, shop: Shop) -> None:
    visitor = visit(browser, shop)
    sign_in(visitor, shop)
    expect(visitor.page.locator("h1")).to_contain_text("No payment has come in today")

    rows.booked()

    expect(visitor.page.locator("h1")).to_contain_text("The one payment of today is settled", timeout=15_000)
    assert nothing_odd(visitor)


def test_ops_refund_from_the_list_goes_through_its_steps(browser: Browser, shop: Shop) -> None:
    order = rows.undelivered(attention="unfulfillable")
    visitor = visit(browser, shop)
    sign_in(visitor, shop, "attention/")
    page = visitor.page

    page.get_by_role("link", name="Refund …").click()
    page.get_by_label("Why?").fill("The priest is ill.")
    page.get_by_role("button", name="Go on …").click()
    visitor.screenshot("ops-refund-sure")
    page.get_by_role("button", name="Refund ₹1,499.00").click()

    expect(page.get_by_role("status")).to_contain_text("Refund of ₹1,499.00 recorded.")
    refund = order.refunds.get()
    assert (refund.requested_by, refund.reason, refund.amount) == ("ravi", "The priest is ill.", 149900)
    assert nothing_odd(visitor)
