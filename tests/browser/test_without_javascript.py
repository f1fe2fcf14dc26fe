"""Every customer's page without JavaScript: what can be done with it can be done without."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from playwright.sync_api import Browser, expect

from bookings.models import Booking
from tests.browser.conftest import Shop, visit
from tests.browser.customer import go_to_pay, press
from tests.cart import rows

pytestmark = pytest.mark.browser


def test_customer_without_javascript_fails_tries_again_and_reads_the_mails_link(
    browser: Browser, shop: Shop
) -> None:
    visitor = visit(browser, shop, javascript=False)
    page = visitor.page
    go_to_pay(page, shop)
    press(page, "Failure back")
    page.wait_for_url("**/payment-failed/*")

    press(page, "Try again")
    page.wait_for_url(f"{shop.sandbox.url}/**")
    press(page, "Success")
    page.wait_for_url("**/booking-success/BK-*")
    expect(page.get_by_role("heading", level=1)).to_have_text("Your puja is booked")

    text = shop.mail("Booked:").get_body(("plain",)).get_content()
    page.goto(re.search(r"Your booking: (\S+)", text)[1])
    expect(page.locator("body")).to_contain_text("MG Road")
    with page.expect_download():
        page.get_by_role("link", name="Add to my calendar").click()
    visitor.assert_nothing_odd()


def test_customer_without_javascript_signs_in_and_sees_the_bookings(browser: Browser, shop: Shop) -> None:
    owner = rows.customer()
    owner.password = PBKDF2PasswordHasher().encode("secret-123", "salt", 1)
    owner.save(update_fields=["password"])
    visitor = visit(browser, shop, javascript=False)
    page = visitor.page
    page.goto(f"{shop.url}/my-bookings/")
    page.get_by_label("Username").fill("asha")
    page.get_by_label("Password").fill("secret-123")
    page.locator("main button").click()
    page.wait_for_url("**/my-bookings/")
    expect(page.locator("main")).to_contain_text("You have no bookings yet.")

    go_to_pay(page, shop)
    press(page, "Success")
    page.wait_for_url("**/booking-success/BK-*")
    page.get_by_role("link", name="My bookings").click()
    page.get_by_role("link", name="Ganesh Puja").click()

    expect(page.locator("body")).to_contain_text(Booking.objects.get().booking_id)
    expect(page.locator("body")).to_contain_text("MG Road")
    press(page, "Sign out")
    expect(page.get_by_role("link", name="Sign in")).to_be_visible()
    visitor.assert_nothing_odd()
