"""What hasty, doubtful and unlucky people do with a browser: double clicks, going back, reloading, long names."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.utils import timezone
from playwright.sync_api import Browser, expect

from bookings.models import Booking
from payments.models import PaymentOrder
from tests.browser.conftest import Shop, visit
from tests.browser.customer import fill_cart, go_to_pay, press
from tests.cart import rows

pytestmark = pytest.mark.browser


def test_customer_who_clicks_twice_has_one_order(browser: Browser, shop: Shop) -> None:
    visitor = visit(browser, shop)
    fill_cart(visitor.page, shop)

    visitor.page.get_by_role("button", name=re.compile("^Pay ₹")).dblclick(no_wait_after=True)
    visitor.page.wait_for_url(f"{shop.sandbox.url}/**")

    assert PaymentOrder.objects.count() == 1


def test_customer_who_goes_back_from_phonepe_can_go_on_with_the_same_order(
    browser: Browser, shop: Shop
) -> None:
    visitor = visit(browser, shop)
    page = visitor.page
    go_to_pay(page, shop)

    page.go_back()
    expect(page).to_have_url(re.compile("/cart/"))
    page.reload()
    press(page, "Continue paying")
    page.wait_for_url(f"{shop.sandbox.url}/**")
    press(page, "Success")
    page.wait_for_url("**/booking-success/BK-*")
    page.goto(f"{shop.url}/cart/{PaymentOrder.objects.get().cart_id}/")

    expect(page).to_have_url(re.compile("/booking-success/BK-"))
    visitor.assert_nothing_odd()


def test_waiting_page_that_is_come_back_to_knows_what_happened_meanwhile(
    browser: Browser, shop: Shop
) -> None:
    visitor = visit(browser, shop)
    page = visitor.page
    go_to_pay(page, shop)
    press(page, "Pending")
    page.wait_for_url("**/payment-pending/*")
    page.get_by_role("link", name="OkPuja").click()
    page.wait_for_url(f"{shop.url}/")
    shop.sandbox.decide(PaymentOrder.objects.get().merchant_order_id, "success", webhook=True)

    page.go_back()

    page.wait_for_url("**/booking-success/BK-*")
    assert Booking.objects.count() == 1


def test_signed_in_customer_who_comes_back_in_the_upi_apps_own_browser_is_led_on_and_shown_no_address(
    browser: Browser, shop: Shop
) -> None:
    owner = rows.customer()
    owner.password = PBKDF2PasswordHasher().encode("secret-123", "salt", 1)
    owner.save(update_fields=["password"])
    visitor, elsewhere = visit(browser, shop), visit(browser, shop)
    page = visitor.page
    page.goto(f"{shop.url}/accounts/login/")
    page.get_by_label("Username").fill("asha")
    page.get_by_label("Password").fill("secret-123")
    page.locator("main button").click()
    page.wait_for_url(f"{shop.url}/")
    go_to_pay(page, shop)
    order = PaymentOrder.objects.get()

    with elsewhere.page.expect_response("**/status/") as asked:  # 404: the cart is not this browser's
        elsewhere.page.goto(f"{shop.url}/payment-pending/{order.cart_id}")
    shop.sandbox.decide(order.merchant_order_id, "success", webhook=True)
    elsewhere.page.wait_for_url("**/booking-success/BK-*", timeout=15_000)

    assert asked.value.status == 404
    expect(elsewhere.page.locator("body")).to_contain_text("Your puja is booked")
    expect(elsewhere.page.locator("body")).not_to_contain_text("MG Road")


def test_customer_who_cannot_pay_now_changes_the_language_and_reloads_without_harm(
    browser: Browser, shop: Shop
) -> None:
    visitor = visit(browser, shop)
    page = visitor.page
    fill_cart(page, shop)
    shop.sandbox.fault("pay", "rate_limited", count=20)
    press(page, "Pay ₹")
    expect(page.get_by_role("alert")).to_contain_text("PhonePe cannot be reached just now.")
    visitor.screenshot("cart-gateway-unavailable")

    page.goto(page.url)
    expect(page).to_have_url(re.compile("/cart/[0-9a-f-]+/$"))
    press(page, "हिन्दी|हिंदी")

    expect(page.get_by_role("heading", level=1)).to_have_text("अपनी बुकिंग जाँच लें")


def test_customer_with_a_long_name_and_address_finds_every_page_in_its_frame(
    browser: Browser, shop: Shop
) -> None:
    visitor = visit(browser, shop)
    page = visitor.page
    page.goto(f"{shop.url}/puja/ganesh-puja/")
    page.get_by_label("Date").fill((timezone.localdate() + timedelta(days=3)).isoformat())
    page.get_by_label("Your name").fill("Venkatanarasimharajuvaripeta" * 3)
    page.get_by_label("Email").fill(f"{'venkata' * 9}@{'example' * 8}.com")
    page.get_by_label("Mobile number").fill("98765 43210")
    page.get_by_label("Address of the puja").fill("Kannampalayam" * 30)
    page.get_by_role("button", name="Continue").last.click()
    page.wait_for_url("**/cart/**")
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    visitor.screenshot("cart-long-name")
    page.set_viewport_size({"width": 360, "height": 740})

    press(page, "Pay ₹")
    page.wait_for_url(f"{shop.sandbox.url}/**")
    press(page, "Success")
    page.wait_for_url("**/booking-success/BK-*")

    html = shop.mail("Booked:").get_body(("html",)).get_content()
    page.goto("about:blank")
    page.set_content(html)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    visitor.screenshot("mail-long-name")
