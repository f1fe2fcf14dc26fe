"""The pages of `docs/frontend.md` in Chromium at an origin of their own, against the real site and the real script."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.request import urlopen

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from bookings.models import Booking
from payments.models import PaymentOrder
from payments.states import Fulfilment, Status
from tests import make
from tests.browser import elsewhere
from tests.browser.conftest import Shop, Visitor, process_settings, visit
from tests.browser.customer import press
from tests.browser.frontend_doc import FILES, TEXT, at
from tests.cart import rows as cart_rows
from tests.journeys.customer import orders_known_to
from tests.ports import free_port
from tests.processes import ROOT, web
from tests.sandbox import Sandbox, wait_until

pytestmark = pytest.mark.browser

STRANGER = "<!doctype html><title>stranger</title><link rel=icon href=data:,>"
SCRIPT = ROOT / "storefront" / "static" / "storefront" / "payment-status.js"
WATCH = """
require(process.argv[1]);
watchPayment(process.argv[3], {
  base: process.argv[2],
  onChange: (status) => console.log('change', status.payment_status),
  onSuccess: (status) => console.log('success', status.booking_id),
});
"""
IMPORTED = "import(process.argv[1]).then(({ watchPayment }) => console.log(typeof watchPayment))"
# Read, order and listen, and what becomes of each.
TRY_ALL = """
async ([api, cart_id]) => {
  const how = { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ cart_id }) };
  const asked = [fetch(`${api}/api/payments/cart/${cart_id}/status/`), fetch(`${api}/api/payments/cart/`, how)];
  const read = await Promise.all(asked.map((one) => one.then((answer) => answer.text(), (error) => error.name)));
  const stream = new EventSource(`${api}/api/payments/cart/${cart_id}/events/`);
  const heard = await new Promise((done) => {
    stream.onmessage = ({ data }) => done(data);
    stream.onerror = () => done(stream.readyState === EventSource.CLOSED ? 'closed' : 'again');
  });
  return [...read, heard];
}
"""


@pytest.fixture(scope="module")
def front() -> Iterator[str]:
    with elsewhere.front_end() as origin:
        yield origin


@pytest.fixture(scope="module")
def api(
    front: str, django_db_setup: Any, django_db_blocker: Any, sandbox_process: Sandbox, tmp_path_factory: Any
) -> Iterator[str]:
    """A site that sends its customers to the front end, and lets it call."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    settings = process_settings(sandbox_process, url) | {
        "FRONTEND_URL": front,
        "CORS_ALLOWED_ORIGINS": front,
    }
    with django_db_blocker.unblock():
        running = web(log=tmp_path_factory.mktemp("front") / "web.log", port=port, **settings)
        running.__enter__()
    elsewhere.PAGES.update(
        {
            "/book": at("book.html", url),
            "/payment-pending/": at("payment-pending.html", url),
            "/payment-failed/": at("payment-failed.html", url),
            "/booking-success/": "<!doctype html><title>booked</title><h1>Booked</h1>",
            "/stranger": STRANGER,
        }
    )
    yield url
    running.__exit__(None, None, None)


@pytest.fixture
def order(shop: Shop) -> PaymentOrder:
    [order] = orders_known_to(shop.sandbox, state="PENDING", age_s=5, due_in_s=600)
    return order


def guest(browser: Browser, shop: Shop, front: str, api: str) -> Visitor:
    visitor = visit(browser, replace(shop, url=api))
    visitor.hosts = (*visitor.hosts, front)
    return visitor


def fill(page: Page) -> None:
    page.get_by_label("Puja").select_option(index=0)
    page.get_by_label("Date").fill((timezone.localdate() + timedelta(days=3)).isoformat())
    page.get_by_label("Name").fill("Asha Rao")
    page.get_by_label("Email").fill("asha@example.com")
    page.get_by_label("Mobile").fill("98765 43210")
    page.get_by_label("Address").fill("12 MG Road, Bengaluru 560001")


def test_pages_of_the_document_lead_a_guest_to_the_booking_without_a_cookie(
    browser: Browser, shop: Shop, front: str, api: str
) -> None:
    visitor = guest(browser, shop, front, api)
    page = visitor.page
    page.goto(f"{front}/book")
    fill(page)
    press(page, "Pay")
    page.wait_for_url(f"{shop.sandbox.url}/**")

    press(page, "Cancel")
    page.wait_for_url(f"{front}/payment-failed/*")
    expect(page.get_by_role("status")).to_have_text("The payment did not go through.")
    press(page, "Try again")
    page.wait_for_url(f"{shop.sandbox.url}/**")

    press(page, "Pending")
    page.wait_for_url(f"{front}/payment-pending/*")
    expect(page.get_by_role("status")).to_contain_text("We are waiting for PhonePe.")
    second = PaymentOrder.objects.latest("pk")
    shop.sandbox.decide(second.merchant_order_id, "success", webhook=True)
    page.wait_for_url(f"{front}/booking-success/BK-*")

    assert page.url.endswith(Booking.objects.get().booking_id)
    assert visitor.context.cookies(api) == visitor.context.cookies(front) == []
    visitor.assert_nothing_odd()


def test_page_of_the_document_shows_what_the_api_refuses(
    browser: Browser, shop: Shop, front: str, api: str
) -> None:
    visitor = guest(browser, shop, front, api)
    visitor.page.goto(f"{front}/book")
    fill(visitor.page)
    visitor.page.get_by_label("Mobile").fill("12")

    press(visitor.page, "Pay")

    expect(visitor.page.get_by_role("alert")).to_contain_text("Please enter an Indian mobile number")


def test_page_of_the_document_says_that_the_time_is_over(
    browser: Browser, shop: Shop, front: str, api: str
) -> None:
    order = make.order(Status.EXPIRED, cart_id=str(cart_rows.cart().cart_id), next_check_at=None)
    visitor = guest(browser, shop, front, api)

    visitor.page.goto(f"{front}/payment-failed/{order.cart_id}")

    expect(visitor.page.get_by_role("status")).to_contain_text("If you have paid, do not pay again")
    expect(visitor.page.get_by_role("button", name="Try again")).to_be_visible()
    visitor.assert_nothing_odd()


def test_page_of_the_document_leaves_money_that_buys_nothing_to_the_sites_own_page(
    browser: Browser, shop: Shop, front: str, api: str
) -> None:
    cart_id = str(cart_rows.cart().cart_id)
    make.paid_order(cart_id=cart_id, fulfilment=Fulfilment.UNFULFILLABLE, attention="unfulfillable")
    visitor = guest(browser, shop, front, api)

    visitor.page.goto(f"{front}/payment-failed/{cart_id}")

    visitor.page.wait_for_url(f"{api}/payment-failed/{cart_id}")
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text(
        "We have your payment and will contact you"
    )


def test_waiting_page_of_the_document_leads_on_when_a_paid_order_stays_without_a_booking(
    browser: Browser, shop: Shop, front: str, api: str
) -> None:
    cart_id = str(cart_rows.cart().cart_id)
    make.paid_order(cart_id=cart_id, fulfilment=Fulfilment.UNFULFILLABLE, attention="unfulfillable")
    page = guest(browser, shop, front, api).page
    page.clock.install()

    page.goto(f"{front}/payment-pending/{cart_id}")
    expect(page.get_by_role("status")).to_have_text("Paid. We are booking your puja.")
    page.clock.fast_forward("00:10")

    page.wait_for_url(f"{api}/payment-failed/{cart_id}")
    expect(page.get_by_role("heading", level=1)).to_have_text("We have your payment and will contact you")


def test_screen_of_the_document_says_of_each_status_what_it_means() -> None:
    [words] = re.findall(r"^function words.*?^}", FILES["PaymentScreen.tsx"], re.DOTALL | re.MULTILINE)
    script = words.replace("status?: PaymentStatus", "status")
    asked = (
        f"for (const payment_status of {json.dumps(list(Status))}) console.log(words({{ payment_status }}))"
    )

    said = subprocess.run(
        [needed("node"), "-e", f"{script}\n{asked}"], capture_output=True, text=True, timeout=20, check=True
    ).stdout.splitlines()

    firsts = {status: text.split(".")[0] for status, text in zip(list(Status), said, strict=True)}
    assert firsts == {
        "PENDING": "We are waiting for PhonePe",
        "INITIATED": "We are waiting for PhonePe",
        "SUCCESS": "Paid",
        "FAILED": "The payment did not go through",
        "CANCELLED": "This payment was closed",
        "EXPIRED": "The time to pay is over",
    }


def test_page_of_an_origin_that_is_not_listed_can_neither_read_nor_order(
    browser: Browser, shop: Shop, front: str, api: str, order: PaymentOrder
) -> None:
    stranger = front.replace("localhost", "127.0.0.1")
    visitor = guest(browser, shop, stranger, api)
    visitor.page.goto(f"{stranger}/stranger")

    told = visitor.page.evaluate(TRY_ALL, [api, order.cart_id])

    assert told == ["TypeError", "TypeError", "closed"]
    assert PaymentOrder.objects.count() == 1
    assert len([text for text in visitor.complaints if "blocked by CORS policy" in text]) == 3


def test_script_where_there_is_no_document_and_no_stream_polls_to_the_booking(
    shop: Shop, order: PaymentOrder
) -> None:
    node = needed("node")
    arguments = [node, "-e", f"delete globalThis.EventSource; {WATCH}", str(SCRIPT), shop.url, order.cart_id]

    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout
        first = watching.stdout.readline()
        shop.sandbox.decide(order.merchant_order_id, "success", webhook=True)
        rest, _ = watching.communicate(timeout=20)

    booking = wait_until(lambda: Booking.objects.first())
    assert first + rest == f"change INITIATED\nchange SUCCESS\nsuccess {booking.booking_id}\n"


def test_script_can_be_imported_where_there_is_no_browser():
    arguments = [needed("node"), "-e", IMPORTED, str(SCRIPT.with_suffix(".mjs"))]

    done = subprocess.run(arguments, capture_output=True, text=True, timeout=20, check=True)

    assert done.stdout == "function\n"


def test_answer_in_the_document_has_the_fields_of_the_real_one(shop: Shop, order: PaymentOrder) -> None:
    example = json.loads(re.search(r"```json\n(.*?)```", TEXT, re.DOTALL)[1])
    with urlopen(f"{shop.url}/api/payments/cart/{order.cart_id}/status/") as answer:
        real = json.load(answer)

    assert list(real) == list(example)
    assert list(real["data"]) == list(example["data"])
    assert {type(value) for value in real["data"].values()} <= {str, bool, type(None)}


def needed(program: str) -> str:
    """Where a program is; a failure in CI and a skip elsewhere when it is nowhere."""
    found = shutil.which(program)
    if found is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"no {program}")
    return found
