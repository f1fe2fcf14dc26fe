"""Whole stories of customers in a real browser: closed tabs, second thoughts, two tabs, no time left."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, expect

from bookings.models import Booking
from payments.models import PaymentOrder, Refund
from tests.browser.conftest import Shop, visit
from tests.browser.customer import fill_cart, go_to_pay, press
from tests.journeys.customer import orders_known_to
from tests.sandbox import wait_until

pytestmark = pytest.mark.browser


def test_customer_who_closed_the_tab_finds_all_of_the_booking_by_the_mails_link(
    browser: Browser, shop: Shop
) -> None:
    visitor = visit(browser, shop)
    go_to_pay(visitor.page, shop)
    press(visitor.page, "Pay and close")
    visitor.context.close()

    mail = shop.mail("Booked:")
    [calendar] = [part for part in mail.walk() if part.get_content_type() == "text/calendar"]
    text = mail.get_body(("plain",)).get_content()
    reader = visit(browser, shop)
    reader.page.goto(re.search(r"Your booking: (\S+)", text)[1])

    body = reader.page.locator("body")
    expect(body).to_contain_text(Booking.objects.get().booking_id)
    expect(body).to_contain_text("MG Road")
    expect(body).to_contain_text("UPI")
    assert "BEGIN:VEVENT" in calendar.get_content()
    with reader.page.expect_download() as download:
        reader.page.get_by_role("link", name="Add to my calendar").click()
    assert download.value.suggested_filename == f"{Booking.objects.get().booking_id}.ics"
    reader.assert_nothing_odd()


def test_customer_who_cancels_can_try_again_and_is_booked_once(browser: Browser, shop: Shop) -> None:
    visitor = visit(browser, shop)
    page = visitor.page
    go_to_pay(page, shop)
    press(page, "Cancel")
    page.wait_for_url("**/payment-failed/*")
    expect(page.get_by_role("heading", level=1)).to_have_text("The payment was cancelled")

    press(page, "Try again")
    page.wait_for_url(f"{shop.sandbox.url}/**")
    press(page, "Success")
    page.wait_for_url("**/booking-success/BK-*")

    assert sorted(PaymentOrder.objects.values_list("status", flat=True)) == ["FAILED", "SUCCESS"]
    assert Booking.objects.count() == 1
    visitor.assert_nothing_odd()


def test_customer_who_pays_in_two_tabs_is_booked_once_refunded_once_and_told_in_both(
    browser: Browser, shop: Shop
) -> None:
    visitor = visit(browser, shop)
    one = visitor.page
    go_to_pay(one, shop)
    first = PaymentOrder.objects.get()
    PaymentOrder.objects.update(pay_page_url="")  # as after a crash: nobody can be sent there again
    two = visitor.open()
    two.goto(f"{shop.url}/cart/{first.cart_id}/")
    press(two, "Continue paying")
    two.wait_for_url(f"{shop.sandbox.url}/**")

    press(one, "Success")
    one.wait_for_url("**/booking-success/BK-*")
    press(two, "Success")
    two.wait_for_url("**/booking-success/BK-*")

    booking, refund = Booking.objects.get(), Refund.objects.get()
    told = "You paid a second time for this booking."
    for page in (one, two):
        page.reload()
        expect(page.locator("body")).to_contain_text(booking.booking_id)
        expect(page.locator("body")).to_contain_text(told)
    assert booking.merchant_order_id == first.merchant_order_id
    assert refund.order.merchant_order_id != first.merchant_order_id
    assert "We received two payments" in shop.mail("on its way back").get_body(("plain",)).get_content()
    done = shop.mail("has been sent back", within_s=30).get_body(("plain",)).get_content()
    assert refund.order.merchant_order_id in done
    one.reload()
    expect(one.locator("body")).to_contain_text(f"{told} ₹1,499.00 has been sent back to you.")
    visitor.screenshot("booking-paid-twice", one)
    visitor.assert_nothing_odd()


def test_customer_who_lets_the_time_run_out_is_told_and_booked_when_the_money_comes_late(
    browser: Browser, shop: Shop
) -> None:
    [order] = orders_known_to(shop.sandbox, state="PENDING", age_s=899 - 1)
    visitor = visit(browser, shop)
    page = visitor.page
    page.goto(f"{shop.url}/payment-pending/{order.cart_id}")
    expect(page.get_by_role("heading", level=1)).to_have_text("We are waiting for PhonePe")

    past = timezone.now() - timedelta(seconds=1)
    wait_until(lambda: _expired(order, past), within_s=60)
    page.wait_for_url(f"**/payment-failed/{order.cart_id}", timeout=20_000)
    expect(page.get_by_role("heading", level=1)).to_have_text("The time to pay is over")

    shop.sandbox.decide(order.merchant_order_id, "success", webhook=True, force=True)
    wait_until(lambda: Booking.objects.filter(cart_id=order.cart_id).exists(), within_s=15)
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your puja is booked")
    visitor.assert_nothing_odd()


def _expired(order: PaymentOrder, past: object) -> bool:
    """Hurry the checker until it has seen that the time is over."""
    PaymentOrder.objects.filter(pk=order.pk, status="INITIATED").update(next_check_at=past)
    return PaymentOrder.objects.get(pk=order.pk).status == "EXPIRED"


def test_customer_who_reads_hindi_is_served_in_hindi_from_the_catalogue_to_the_mail(
    browser: Browser, shop: Shop
) -> None:
    visitor = visit(browser, shop, locale="hi-IN")
    page = visitor.page
    page.goto(shop.url)
    expect(page.locator("html")).to_have_attribute("lang", "hi")
    page.get_by_role("link", name="गणेश पूजा").click()
    page.get_by_text("₹1,499.00").first.click()
    page.locator("#id_date").fill((timezone.localdate() + timedelta(days=3)).isoformat())
    for name, value in {
        "name": "आशा राव",
        "email": "asha@example.com",
        "phone": "98765 43210",
        "address": "12 एम जी रोड, बेंगलुरु 560001",
    }.items():
        page.locator(f"#id_{name}").fill(value)
    press(page, "आगे बढ़ें")
    page.wait_for_url("**/cart/**")
    press(page, "₹1,499.00 का भुगतान करें")
    page.wait_for_url(f"{shop.sandbox.url}/**")
    press(page, "Success")
    page.wait_for_url("**/booking-success/BK-*")

    expect(page.get_by_role("heading", level=1)).to_have_text("आपकी पूजा बुक हो गई है")
    assert "नमस्ते आशा राव जी," in shop.mail("बुकिंग हो गई").get_body(("plain",)).get_content()
    visitor.assert_nothing_odd()


def test_language_switch_in_the_footer_works_without_javascript(browser: Browser, shop: Shop) -> None:
    visitor = visit(browser, shop, javascript=False)
    fill_cart(visitor.page, shop)

    press(visitor.page, "हिंदी")

    expect(visitor.page.get_by_role("heading", level=1)).to_have_text("अपनी बुकिंग जाँच लें")
    assert "/cart/" in visitor.page.url
    visitor.assert_nothing_odd()
