"""The staff's pages in a real browser: signed in by the form, at phone's width, with nothing odd in the console."""

from __future__ import annotations

import random
import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.utils import timezone
from playwright.sync_api import Browser, expect

from payments import byhand, checkers
from payments.models import PaymentOrder
from tests import make
from tests.browser.conftest import Shop, Visitor, visit
from tests.ops import rows

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


def a_busy_day() -> PaymentOrder:
    """Payments of every kind over the last day; one that has a long story."""
    chance = random.Random(7)
    now = timezone.now()
    checkers.beat(interval_s=60, now=now, swept_at=now)
    for _ in range(60):
        at = now - timedelta(minutes=chance.randrange(1, 1400))
        order = rows.booked(at=at)
        lag = timedelta(seconds=chance.choice([0.3, 0.8, 1.2, 3, 4, 8, 22, 50]))
        source = chance.choice(["checker", "webhook", "webhook", "return"])
        changed = {"paid_at": at - lag, "completed_by": source, "asks": chance.choice([1, 1, 1, 2, 4, 7])}
        PaymentOrder.objects.filter(pk=order.pk).update(**changed)
    for status in ("FAILED", "EXPIRED", "CANCELLED", "FAILED"):
        made = now - timedelta(minutes=chance.randrange(20, 1400))
        make.order(status, now=made, next_check_at=None)
    rows.refund(rows.undelivered(at=now - timedelta(hours=5)), 149900)
    rows.mismatched(taken=12345600)
    order = rows.undelivered(at=now - timedelta(minutes=50), attention="unfulfillable")
    rows.refund(order, 49900)
    byhand.refund(order.merchant_order_id, amount_paise=5000, reason="A beginning.", by="ravi", now=now)
    return order


def sign_in(visitor: Visitor, shop: Shop, path: str = "") -> None:
    user = rows.staff(*rows.ALL)
    user.password = PBKDF2PasswordHasher().encode("secret-123", "salt", 1)  # the site knows no tests' hasher
    user.save(update_fields=["password"])
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


def test_ops_pages_fit_a_phone_and_are_quiet(browser: Browser, shop: Shop) -> None:
    order = a_busy_day()
    visitor = visit(browser, shop)
    sign_in(visitor, shop)
    of_order = f"orders/{order.merchant_order_id}/"
    steps = [of_order + step for step in ("", "verify/", "refund/", "settle/", "evidence/")]

    for path in (*PAGES, *steps):
        visitor.page.goto(f"{shop.url}/ops/{path}")
        expect(visitor.page.get_by_role("link", name="OkPuja payments")).to_be_visible()
        assert fits(visitor), path
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
