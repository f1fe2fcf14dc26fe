"""Every page at 360 and at 1280 px: kept as a picture, light enough, wide enough, and open to everybody."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.core.management import call_command
from django.db import transaction
from django.template.loader import render_to_string
from django.utils import timezone
from playwright.sync_api import Browser, expect

from bookings import fulfilment, links
from cart import payable
from cart.models import Cart
from catalog.models import Package
from payments.models import PaymentOrder, Refund
from payments.shop import PaidOrder
from payments.states import Fulfilment, Status
from tests import make
from tests.browser.conftest import Shop, Visitor, serious, visit
from tests.cart import rows
from tests.sandbox import Sandbox

pytestmark = pytest.mark.browser

WEIGHT = 100_000  # bytes of a page with all that it loads


@pytest.fixture
def pages(site: str, sandbox: Sandbox, transactional_db: None, tmp_path: Path) -> Shop:
    """The shop without a checker: the orders stay as a test has made them."""
    call_command("seed_catalog", verbosity=0)
    return Shop(site, sandbox, tmp_path, tmp_path)


def cart(**fields: Any) -> Cart:
    package = Package.objects.filter(puja__slug="ganesh-puja").order_by("price_paise").first()
    return rows.cart(package=package, **fields)


def order(status: Status = Status.INITIATED, *, of: Cart | None = None, **fields: Any) -> PaymentOrder:
    wanted = payable.payable(of or cart())
    if status == Status.SUCCESS:
        fields = {"completed_at": timezone.now(), "fulfilment": Fulfilment.DUE} | fields
    values = {"cart_id": wanted.reference, "snapshot": dict(wanted.snapshot), "next_check_at": None}
    return make.order(status, **(values | fields))


def booked(**fields: Any) -> PaymentOrder:
    paid = order(Status.SUCCESS, of=cart(**fields), payment_mode="UPI_QR", utr="123456789012")
    with transaction.atomic():  # as the engine calls it
        number = fulfilment.fulfil(PaidOrder.of(paid))
    values = {"fulfilment": Fulfilment.BOOKED, "fulfilment_reference": number}
    PaymentOrder.objects.filter(pk=paid.pk).update(**values)
    paid.refresh_from_db()
    return paid


def refund(of: PaymentOrder, state: str, amount: int | None = None) -> PaymentOrder:
    values = {"amount": amount or of.amount, "state": state, "reason": "r", "requested_by": "policy"}
    Refund.objects.create(order=of, **values)
    return of


def undeliverable() -> PaymentOrder:
    return order(Status.SUCCESS, fulfilment=Fulfilment.UNFULFILLABLE)


def paid_twice() -> str:
    first = booked()
    second = order(
        Status.SUCCESS,
        cart_id=first.cart_id,
        fulfilment=Fulfilment.UNFULFILLABLE,
    )
    refund(second, "PENDING")
    return f"/booking-success/{first.fulfilment_reference}"


def pending(of: PaymentOrder) -> str:
    return f"/payment-pending/{of.cart_id}"


def failed(of: PaymentOrder) -> str:
    return f"/payment-failed/{of.cart_id}"


def by_link() -> str:
    from bookings.models import Booking

    return links.own_page(Booking.objects.get(booking_id=booked().fulfilment_reference)).split("8000")[1]


PAGES: dict[str, Callable[[], str]] = {
    "catalogue": lambda: "/",
    "puja": lambda: "/puja/ganesh-puja/",
    "cart": lambda: f"/cart/{cart().cart_id}/",
    "cart-begun": lambda: f"/cart/{order().cart_id}/",
    "cart-in-doubt": lambda: f"/cart/{order(Status.EXPIRED, attention='still_pending').cart_id}/",
    "login": lambda: "/accounts/login/",
    "not-found": lambda: "/nothing/",
    "pending": lambda: pending(order()),
    "pending-being-opened": lambda: pending(order(Status.PENDING, pay_page_url="")),
    "pending-paid": lambda: pending(order(Status.SUCCESS)),
    "pending-paid-attended": lambda: pending(order(Status.SUCCESS, attention="fulfilment_failed")),
    "pending-differs": lambda: pending(order(attention="amount_mismatch", gateway_state="COMPLETED")),
    "failed": lambda: failed(order(Status.FAILED)),
    "failed-cancelled": lambda: failed(order(Status.FAILED, failure_code="ORDER_CANCELLED_BY_USER")),
    "failed-not-started": lambda: failed(order(Status.CANCELLED, gateway_order_id="")),
    "failed-closed": lambda: failed(order(Status.CANCELLED)),
    "expired": lambda: failed(order(Status.EXPIRED, next_check_at=timezone.now() + timedelta(hours=1))),
    "expired-for-good": lambda: failed(order(Status.EXPIRED)),
    "expired-unknown": lambda: failed(order(Status.EXPIRED, attention="still_pending")),
    "failed-differs": lambda: failed(order(Status.EXPIRED, gateway_state="COMPLETED")),
    "failed-settled": lambda: failed(
        order(Status.CANCELLED, gateway_state="COMPLETED", handled="amount_mismatch")
    ),
    "refund-coming": lambda: failed(refund(undeliverable(), "PENDING")),
    "refund-done": lambda: failed(refund(undeliverable(), "COMPLETED")),
    "refund-by-a-person": lambda: failed(refund(undeliverable(), "FAILED")),
    "booked": lambda: f"/booking-success/{booked().fulfilment_reference}",
    "booked-by-link": by_link,
    "booked-paid-twice": paid_twice,
    "booked-partly-refunded": lambda: (
        f"/booking-success/{refund(booked(), 'PENDING', 50000).fulfilment_reference}"
    ),
    "booked-refunded": lambda: f"/booking-success/{refund(booked(), 'COMPLETED').fulfilment_reference}",
}
HINDI = (
    "catalogue",
    "puja",
    "cart",
    "pending",
    "failed",
    "failed-settled",
    "refund-coming",
    "booked-by-link",
    "not-found",
)


def check(visitor: Visitor, axe: Path, name: str) -> None:
    """Take the page's pictures, and look at it at both widths."""
    for width in (1280, 360):
        visitor.page.set_viewport_size({"width": width, "height": 800})
        assert visitor.page.evaluate("document.documentElement.scrollWidth") <= width
        assert serious(visitor, axe) == []
    visitor.screenshot(name)
    assert 1000 < weight(visitor) < WEIGHT
    assert visitor.foreign == []
    assert len(visitor.complaints) == (status(visitor) >= 400), visitor.complaints


def status(visitor: Visitor) -> int:
    """The HTTP status of the page itself, of which the browser complains once when it is an error's."""
    return visitor.page.evaluate("performance.getEntriesByType('navigation')[0].responseStatus")


def weight(visitor: Visitor) -> int:
    """The bytes of the page and of all that it has loaded, as they came over the wire."""
    return visitor.page.evaluate(
        "[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]"
        ".reduce((sum, entry) => sum + entry.encodedBodySize, 0)"
    )


@pytest.mark.parametrize("name", PAGES)
def test_page_is_light_fits_and_is_open_to_everybody(
    browser: Browser, pages: Shop, axe: Path, name: str
) -> None:
    visitor = visit(browser, pages)

    visitor.page.goto(pages.url + PAGES[name]())

    check(visitor, axe, name)
    visitor.page.emulate_media(color_scheme="dark")
    assert serious(visitor, axe) == []
    if name in HINDI:
        visitor.screenshot(f"{name}-dark")
    assert name == "not-found" or visitor.complaints == []


@pytest.mark.parametrize("name", HINDI)
def test_page_in_hindi_is_open_to_everybody_and_fits(
    browser: Browser, pages: Shop, axe: Path, name: str
) -> None:
    visitor = visit(browser, pages, locale="hi-IN")

    visitor.page.goto(pages.url + PAGES[name]())

    assert visitor.page.locator("html").get_attribute("lang") == "hi"
    check(visitor, axe, f"{name}-hindi")


def test_page_after_a_fault_of_ours_is_open_to_everybody(browser: Browser, pages: Shop, axe: Path) -> None:
    visitor = visit(browser, pages)
    page = {"body": render_to_string("500.html"), "status": 500, "content_type": "text/html; charset=utf-8"}
    visitor.context.route("**/broken/", lambda route: route.fulfill(**page))

    visitor.page.goto(f"{pages.url}/broken/")

    check(visitor, axe, "fault")


def test_refused_form_is_open_to_everybody_and_says_what_is_wrong(
    browser: Browser, pages: Shop, axe: Path
) -> None:
    visitor = visit(browser, pages)
    visitor.page.goto(f"{pages.url}/puja/ganesh-puja/")
    visitor.page.locator("form.order").evaluate("form => { form.noValidate = true; form.submit() }")
    visitor.page.get_by_role("alert").wait_for()

    check(visitor, axe, "puja-refused")


def test_my_bookings_are_open_to_everybody(browser: Browser, pages: Shop, axe: Path) -> None:
    owner = rows.customer()
    # The site does not know the quick hashes of the tests' settings.
    owner.password = PBKDF2PasswordHasher().encode("secret-123", "salt")
    owner.save(update_fields=["password"])
    refund(booked(owner=owner, date=rows.coming_day(60)), "COMPLETED")
    for days in (5, 40):
        booked(owner=owner, date=rows.coming_day(days))
    visitor = visit(browser, pages)
    visitor.page.goto(f"{pages.url}/my-bookings/")
    visitor.page.get_by_label("Username").fill("asha")
    visitor.page.get_by_label("Password").fill("secret-123")
    visitor.page.locator("main button").click()
    visitor.page.wait_for_url(f"{pages.url}/my-bookings/")

    check(visitor, axe, "my-bookings")


def test_keyboard_reaches_the_way_to_pay_and_shows_where_it_is(browser: Browser, pages: Shop) -> None:
    visitor = visit(browser, pages)
    visitor.page.goto(f"{pages.url}/cart/{cart().cart_id}/")
    visitor.page.keyboard.press("Tab")
    first = visitor.page.evaluate("document.activeElement.textContent")

    reached = []
    for _ in range(12):
        visitor.page.keyboard.press("Tab")
        reached.append(visitor.page.evaluate("document.activeElement.textContent.trim()"))
        style = visitor.page.evaluate(
            "(style => [style.outlineStyle, style.outlineWidth])(getComputedStyle(document.activeElement))"
        )
        if reached[-1].startswith("Pay"):
            break

    assert first == "Skip to the content"
    assert reached[-1].startswith("Pay ₹1,499.00")
    assert style == ["solid", "3px"]


def test_api_documentation_works_without_any_other_host(browser: Browser, pages: Shop) -> None:
    visitor = visit(browser, pages)

    visitor.page.goto(f"{pages.url}/api/docs")
    visitor.page.get_by_text("Begin to pay, or go on").click()
    expect(visitor.page.get_by_text("gateway_unavailable").first).to_be_visible()
    visitor.page.wait_for_load_state("networkidle")

    visitor.screenshot("api-docs")
    visitor.assert_nothing_odd()
