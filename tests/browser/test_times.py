"""Which times can be had, in a real browser, with and without JavaScript."""

from __future__ import annotations

import re
from datetime import time, timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from cart import slots
from cart.models import Cart, Slot
from catalog.models import Puja
from tests.browser.conftest import Shop, visit
from tests.browser.customer import fill_cart

pytestmark = pytest.mark.browser


def fill_up(*times: time) -> None:
    """Close these times of the day that `fill_cart` chooses."""
    day = timezone.localdate() + timedelta(days=3)
    puja = Puja.objects.get(slug="ganesh-puja")
    Slot.objects.bulk_create(Slot(puja=puja, date=day, time=at, capacity=0) for at in times)


def look(page: Page, shop: Shop) -> None:
    page.goto(f"{shop.url}/puja/ganesh-puja/")
    page.get_by_label("Your name").fill("Asha Rao")
    page.get_by_label("Date").fill((timezone.localdate() + timedelta(days=3)).isoformat())
    page.get_by_role("button", name="Show available times").click()


@pytest.mark.parametrize("javascript", [True, False])
def test_puja_page_when_a_day_is_looked_at_then_full_times_cannot_be_chosen(
    browser: Browser, shop: Shop, javascript: bool
) -> None:
    fill_up(time(9), time(12))
    visitor = visit(browser, shop, javascript=javascript)

    look(visitor.page, shop)

    full = visitor.page.get_by_role("option", name="9:00 AM (full)")
    expect(full).to_be_disabled()
    expect(visitor.page.get_by_label("Starts at")).to_have_value("06:00")
    expect(visitor.page.get_by_label("Your name")).to_have_value("Asha Rao")
    expect(visitor.page.get_by_role("status")).to_contain_text("6:00 AM, 7:30 AM, 10:30 AM, 4:00 PM")
    assert visitor.page.url == f"{shop.url}/puja/ganesh-puja/#when"
    visitor.screenshot("free-times")
    visitor.assert_nothing_odd()


def test_puja_page_when_the_day_is_full_then_says_so(browser: Browser, shop: Shop) -> None:
    fill_up(*slots.TIMES)
    visitor = visit(browser, shop)

    look(visitor.page, shop)

    expect(visitor.page.get_by_role("status")).to_contain_text("Please choose another day.")
    visitor.screenshot("day-is-full")
    visitor.assert_nothing_odd()


def test_puja_page_when_enter_is_pressed_in_a_field_then_the_form_is_sent(
    browser: Browser, shop: Shop
) -> None:
    visitor = visit(browser, shop)
    visitor.page.goto(f"{shop.url}/puja/ganesh-puja/")

    visitor.page.get_by_label("Your name").fill("Asha Rao")
    visitor.page.get_by_label("Your name").press("Enter")

    expect(visitor.page.get_by_role("alert").or_(visitor.page.locator(":invalid").first)).to_be_visible()
    assert visitor.page.url == f"{shop.url}/puja/ganesh-puja/"


def test_cart_page_when_its_time_is_gone_then_offers_another(browser: Browser, shop: Shop) -> None:
    visitor = visit(browser, shop)
    fill_cart(visitor.page, shop)
    fill_up(time(9))

    visitor.page.get_by_role("button", name=re.compile("Pay ₹1,499.00")).click()
    expect(visitor.page.get_by_role("alert")).to_contain_text(slots.TAKEN_BY_OTHERS)
    visitor.screenshot("time-is-gone")
    visitor.page.get_by_role("link", name="Choose again").click()
    expect(visitor.page.get_by_label("Starts at")).to_have_value("06:00")
    visitor.screenshot("choose-again")
    visitor.page.get_by_role("button", name="Continue").last.click()

    visitor.page.wait_for_url("**/cart/**")
    assert list(Cart.objects.order_by("pk").values_list("time", flat=True)) == [time(9), time(6)]
