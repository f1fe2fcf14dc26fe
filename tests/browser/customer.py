"""What a customer does in the browser."""

from __future__ import annotations

import re
from datetime import timedelta

from django.utils import timezone
from playwright.sync_api import Page

from tests.browser.conftest import Shop

PUJA = re.compile("Ganesh Puja")


def fill_cart(page: Page, shop: Shop) -> None:
    page.goto(shop.url)
    page.get_by_role("link", name=PUJA).first.click()
    page.get_by_text("₹1,499.00").first.click()
    page.get_by_label("Date").fill((timezone.localdate() + timedelta(days=3)).isoformat())
    page.get_by_label("Your name").fill("Asha Rao")
    page.get_by_label("Email").fill("asha@example.com")
    page.get_by_label("Mobile number").fill("98765 43210")
    page.get_by_label("Address of the puja").fill("12 MG Road, Bengaluru 560001")
    page.get_by_role("button", name=re.compile("cart|continue|book", re.IGNORECASE)).last.click()
    page.wait_for_url("**/cart/**")


def go_to_pay(page: Page, shop: Shop) -> None:
    fill_cart(page, shop)
    page.get_by_role("button", name=re.compile("Pay ₹1,499.00")).click()
    page.wait_for_url(f"{shop.sandbox.url}/**")


def press(page: Page, button: str) -> None:
    """A button of the emulator's page or of ours, by how its text begins."""
    page.get_by_role("button", name=re.compile(f"^{button}", re.IGNORECASE)).first.click()
