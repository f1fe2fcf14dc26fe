"""The network really goes and comes: connections end, nobody answers, or nothing is heard any more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from bookings.models import Booking
from payments.models import PaymentOrder
from tests.browser.cable import Cable
from tests.browser.conftest import Shop, Visitor, visit
from tests.journeys.customer import orders_known_to
from tests.sandbox import wait_until

pytestmark = pytest.mark.browser

OFFLINE = "We cannot reach our server from here just now."


@pytest.fixture
def cable(shop: Shop) -> Iterator[Cable]:
    cable = Cable(urlsplit(shop.url).port or 0)
    yield cable
    cable.cut()


@pytest.fixture
def order(shop: Shop) -> PaymentOrder:
    [order] = orders_known_to(shop.sandbox, state="PENDING", age_s=5, due_in_s=600)
    return order


def waiting(browser: Browser, shop: Shop, cable: Cable, order: PaymentOrder) -> tuple[Visitor, Page]:
    visitor = visit(browser, replace(shop, url=f"http://127.0.0.1:{cable.port}"))
    page = visitor.page
    page.clock.install()
    with page.expect_response("**/events/"):
        page.goto(f"http://127.0.0.1:{cable.port}/payment-pending/{order.cart_id}")
    return visitor, page


def pays(shop: Shop, order: PaymentOrder) -> None:
    shop.sandbox.decide(order.merchant_order_id, "success", webhook=True)
    wait_until(lambda: Booking.objects.exists())


def test_waiting_page_when_its_connections_end_says_so_and_moves_on_when_they_are_back(
    browser: Browser, shop: Shop, cable: Cable, order: PaymentOrder
) -> None:
    visitor, page = waiting(browser, shop, cable, order)
    before = page.locator("#payment-state").inner_text()

    cable.cut()
    expect(page.locator("#payment-state")).to_contain_text(OFFLINE)
    pays(shop, order)
    cable.mend()
    page.clock.fast_forward(30_000)

    page.wait_for_url("**/booking-success/BK-*")
    assert OFFLINE not in before
    assert visitor.foreign == []


def test_waiting_page_when_nothing_is_heard_any_more_asks_by_itself_and_moves_on(
    browser: Browser, shop: Shop, cable: Cable, order: PaymentOrder
) -> None:
    _, page = waiting(browser, shop, cable, order)

    cable.mute()
    pays(shop, order)
    page.clock.fast_forward(30_000)  # a stream that hangs looks like one with nothing to say
    page.clock.fast_forward(10_000)  # and an answer that does not come is not waited for
    expect(page.locator("#payment-state")).to_contain_text(OFFLINE)
    cable.cut()
    cable.mend()
    page.clock.fast_forward(30_000)

    page.wait_for_url("**/booking-success/BK-*")


def test_waiting_page_when_the_site_starts_again_goes_on_without_a_word(
    browser: Browser, shop: Shop, cable: Cable, order: PaymentOrder
) -> None:
    _, page = waiting(browser, shop, cable, order)

    with page.expect_response("**/events/"):  # it may be opened again at any moment from here on
        cable.cut()
        cable.mend()
        page.clock.fast_forward(3_000)
        page.clock.fast_forward(30_000)
    expect(page.locator("#payment-state")).not_to_contain_text(OFFLINE)
    pays(shop, order)

    page.wait_for_url("**/booking-success/BK-*")
