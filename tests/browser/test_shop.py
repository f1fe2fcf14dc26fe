"""A customer in a real browser, from the catalogue to the booking."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, expect

from bookings.models import Booking
from payments.models import PaymentOrder
from tests.browser.conftest import Shop, visit
from tests.browser.customer import go_to_pay
from tests.sandbox import wait_until

pytestmark = pytest.mark.browser


def test_shop_when_customer_pays_and_returns_then_shows_the_booking(browser: Browser, shop: Shop) -> None:
    visitor = visit(browser, shop)
    go_to_pay(visitor.page, shop)

    visitor.page.get_by_role("button", name=re.compile("^Success")).click()
    visitor.page.wait_for_url("**/booking-success/BK-*")

    booking = Booking.objects.get()
    expect(visitor.page.locator("body")).to_contain_text(booking.booking_id)
    expect(visitor.page.locator("body")).not_to_contain_text("MG Road")
    visitor.screenshot("booking-success")
    visitor.assert_nothing_odd()


def test_shop_when_customer_closes_the_tab_then_books_all_the_same(browser: Browser, shop: Shop) -> None:
    visitor = visit(browser, shop)
    go_to_pay(visitor.page, shop)
    visitor.screenshot("pay-page")

    visitor.page.get_by_role("button", name=re.compile("never return")).click()
    visitor.context.close()

    booking = wait_until(lambda: Booking.objects.first(), within_s=10)
    assert PaymentOrder.objects.get().fulfilment_reference == booking.booking_id
    visitor.assert_nothing_odd()


def test_shop_when_the_bank_is_slow_then_pending_page_moves_on_by_itself(
    browser: Browser, shop: Shop
) -> None:
    visitor = visit(browser, shop)
    go_to_pay(visitor.page, shop)
    order = PaymentOrder.objects.get()
    visitor.page.get_by_role("button", name=re.compile("^Pending")).click()
    visitor.page.wait_for_url(f"**/payment-pending/{order.cart_id}")
    visitor.screenshot("payment-pending")

    shop.sandbox.decide(order.merchant_order_id, "success", webhook=True)
    visitor.page.wait_for_url("**/booking-success/BK-*", timeout=15_000)

    assert Booking.objects.count() == 1
    visitor.assert_nothing_odd()


def test_shop_when_javascript_is_off_then_pending_page_reloads_to_the_booking(
    browser: Browser, shop: Shop
) -> None:
    visitor = visit(browser, shop, javascript=False)
    go_to_pay(visitor.page, shop)
    order = PaymentOrder.objects.get()
    visitor.page.get_by_role("button", name=re.compile("^Pending")).click()
    visitor.page.wait_for_url(f"**/payment-pending/{order.cart_id}")

    shop.sandbox.decide(order.merchant_order_id, "success", webhook=True)
    visitor.page.wait_for_url("**/booking-success/BK-*", timeout=15_000)

    assert Booking.objects.count() == 1
    visitor.assert_nothing_odd()


def test_shop_when_payment_fails_then_says_so_and_trying_again_opens_a_new_order(
    browser: Browser, shop: Shop
) -> None:
    visitor = visit(browser, shop)
    go_to_pay(visitor.page, shop)
    first = PaymentOrder.objects.get()
    visitor.page.get_by_role("button", name=re.compile("^Failure back")).click()
    visitor.page.wait_for_url(f"**/payment-failed/{first.cart_id}")
    visitor.screenshot("payment-failed")

    visitor.page.get_by_role("button", name=re.compile("again", re.IGNORECASE)).click()
    visitor.page.wait_for_url(f"{shop.sandbox.url}/**")

    statuses = {order.merchant_order_id: order.status for order in PaymentOrder.objects.all()}
    assert statuses.pop(first.merchant_order_id) == "FAILED"
    assert list(statuses.values()) == ["INITIATED"]
    assert Booking.objects.count() == 0
    visitor.assert_nothing_odd()


@pytest.mark.parametrize("path", ["", "puja/ganesh-puja/"])
def test_shop_pages_fit_a_phone(browser: Browser, shop: Shop, path: str) -> None:
    visitor = visit(browser, shop)

    visitor.page.goto(f"{shop.url}/{path}")

    width = visitor.page.evaluate("document.documentElement.scrollWidth")
    assert width == 360
    visitor.screenshot(path.strip("/").replace("/", "-") or "catalogue")
    visitor.assert_nothing_odd()
