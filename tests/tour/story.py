"""What the customer and the operator of `docs/tour.md` do, and the pictures of it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from email.message import EmailMessage
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.utils import timezone
from playwright.sync_api import Browser, Page, sync_playwright

from bookings.models import Booking
from cart.models import Slot
from cart.payable import payable
from cart.slots import TIMES
from catalog.models import Package, Puja
from okpuja.demo.processes import ROOT, Places
from payments.models import PaymentOrder, Refund
from payments.states import Status
from tests import make
from tests.browser.conftest import QUIET, Shop
from tests.cart import rows as cart_rows
from tests.ops import rows
from tests.sandbox import wait_until

PICTURES = ROOT / "docs" / "tour"
PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 640}, "device_scale_factor": 1.5}
DESK: dict[str, Any] = {"viewport": {"width": 1100, "height": 700}}
HIGH = 800  # of a phone's picture, at most: the beginning says enough


@dataclass(slots=True)
class Tour:
    """A browser at the site, and where it keeps what it sees."""

    places: Places
    browser: Browser

    @contextmanager
    def visit(self, **how: Any) -> Iterator[Page]:
        """A fresh window at the site, a phone's unless told otherwise."""
        context = self.browser.new_context(**({"base_url": self.places.site} | PHONE | how))
        context.set_default_timeout(20_000)
        yield context.new_page()
        context.close()

    def picture(self, page: Page, name: str, *, high: int = HIGH) -> None:
        """Keep the page's beginning as docs/tour/<name>.jpg."""
        width = page.viewport_size["width"] if page.viewport_size else 0
        height = min(high, page.evaluate("document.documentElement.scrollHeight"))
        page.evaluate("document.activeElement?.blur()")
        clip = {"x": 0, "y": 0, "width": width, "height": height}
        path = PICTURES / f"{name}.jpg"
        page.screenshot(path=path, full_page=True, clip=clip, animations="disabled", type="jpeg", quality=55)
        sys.stdout.write(f"{path.relative_to(ROOT)}\n")

    def decide(self, order: PaymentOrder, outcome: str = "success", **how: Any) -> None:
        """What PhonePe makes of an order, told by its webhook."""
        path = f"{self.places.sandbox}/sandbox/api/orders/{order.merchant_order_id}/outcome"
        with self.visit() as page:
            assert page.request.post(path, data={"outcome": outcome, "webhook": True} | how).ok

    def mail(self, subject: str, *, saying: str) -> EmailMessage:
        """The mail with this subject that says this."""
        shop = Shop(self.places.site, None, ROOT / "var", ROOT / "var" / "mail")  # type: ignore[arg-type]
        return wait_until(lambda: shop.sent(subject, saying=saying), within_s=30)


def prepare() -> None:
    """An empty shop with the sample pujas, in which one time of the day is full."""
    PICTURES.mkdir(exist_ok=True)
    for old in PICTURES.glob("*.jpg"):
        old.unlink()
    call_command("migrate", verbosity=0)
    call_command("flush", interactive=False, verbosity=0)
    call_command("seed_catalog", verbosity=0)
    puja = Puja.objects.get(slug="ganesh-puja")
    Slot.objects.create(puja=puja, date=day(), time=TIMES[1], capacity=0)


def play(places: Places, chromium: str) -> None:
    """The whole story."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(QUIET))
        tour = Tour(places, browser)
        books(tour)
        cancels(tour)
        pays_too_late(tour)
        lets_the_time_run_out(tour)
        reads_hindi_at_night(tour)
        operates(tour)
        browser.close()


def day() -> Any:
    """The day of all the tour's pujas."""
    return timezone.localdate() + timedelta(days=9)


# -- customers ----------------------------------------------------------------------------


def goes_to_pay(tour: Tour, page: Page, *, name: str, picture: Any = lambda page, name: None) -> PaymentOrder:
    """From the catalogue to PhonePe's page."""
    page.goto("/")
    picture(page, "catalogue")
    page.locator("a[href='/puja/ganesh-puja/']").click()
    page.locator("#id_date").fill(day().isoformat())
    page.locator("button[name=look]").click()
    page.locator(".free strong, .free span").first.wait_for()
    page.locator(".package").nth(1).click()
    for field, value in {
        "name": name,
        "email": "customer@example.com",
        "phone": "98765 43210",
        "address": "12 MG Road\nBengaluru 560001",
    }.items():
        page.locator(f"#id_{field}").fill(value)
    picture(page, "puja")
    page.locator("button.main").click()
    page.wait_for_url("**/cart/**")
    picture(page, "cart")
    page.locator("button.main").click()
    page.wait_for_url(f"{tour.places.sandbox}/**")
    return PaymentOrder.objects.latest("pk")


def press(page: Page, button: str) -> None:
    page.get_by_role("button", name=re.compile(f"^{button}", re.IGNORECASE)).first.click()


def books(tour: Tour) -> None:
    """Asha pays, her bank takes its time, and the page moves on by itself."""
    with tour.visit() as page:
        order = goes_to_pay(tour, page, name="Asha Rao", picture=tour.picture)
        tour.picture(page, "phonepe")
        press(page, "Pending")
        page.wait_for_url("**/payment-pending/**")
        tour.picture(page, "waiting")
        tour.decide(order)
        page.wait_for_url("**/booking-success/BK-*")
        tour.picture(page, "booked")
        booking = Booking.objects.get()
        mail = tour.mail("Booked:", saying=booking.booking_id)
        page.goto("about:blank")  # the shop's policy lets nobody style a page inline; mail programs do
        page.set_content(mail.get_body(("html",)).get_content())
        tour.picture(page, "mail")
        page.goto(re.search(r"Your booking: (\S+)", mail.get_body(("plain",)).get_content())[1])
        tour.picture(page, "booked-by-link")


def cancels(tour: Tour) -> None:
    """Bala changes his mind."""
    with tour.visit() as page:
        goes_to_pay(tour, page, name="Bala Iyer")
        press(page, "Cancel")
        page.wait_for_url("**/payment-failed/**")
        tour.picture(page, "cancelled")


def pays_too_late(tour: Tour) -> None:
    """Chitra's payment fails, she pays again, and then the first one arrives all the same."""
    with tour.visit() as page:
        first = goes_to_pay(tour, page, name="Chitra Nair")
        press(page, "Pending")
        page.wait_for_url("**/payment-pending/**")
        tour.decide(first, "failure")
        page.wait_for_url("**/payment-failed/**")
        tour.picture(page, "failed")
        page.locator("button.main").click()
        page.wait_for_url(f"{tour.places.sandbox}/**")
        press(page, "Success")
        page.wait_for_url("**/booking-success/BK-*")
        tour.decide(first, force=True)
        wait_until(lambda: Refund.objects.filter(order=first).exists(), within_s=60)
        tour.mail("on its way back", saying=first.merchant_order_id)
        page.reload()
        tour.picture(page, "paid-twice")


def lets_the_time_run_out(tour: Tour) -> None:
    """Esha closes the page and comes back the next day."""
    cart = cart_rows.cart(package=Package.objects.filter(puja__slug="ganesh-puja").first(), date=day())
    wanted = payable(cart)
    watched = timezone.now() + timedelta(hours=1)
    values = {"snapshot": dict(wanted.snapshot), "amount": wanted.amount_paise, "next_check_at": watched}
    order = make.order(Status.EXPIRED, cart_id=wanted.reference, age_s=86_400, **values)
    with tour.visit() as page:
        page.goto(f"/payment-failed/{order.cart_id}")
        tour.picture(page, "expired")


def reads_hindi_at_night(tour: Tour) -> None:
    """Dev reads Hindi, in the dark."""
    with tour.visit(locale="hi-IN", color_scheme="dark") as page:
        order = goes_to_pay(tour, page, name="देव शर्मा")
        press(page, "Pending")
        page.wait_for_url("**/payment-pending/**")
        tour.picture(page, "hindi-dark-waiting")
        tour.decide(order)
        page.wait_for_url("**/booking-success/BK-*")
        tour.picture(page, "hindi-dark-booked")


# -- the operator -------------------------------------------------------------------------


def operates(tour: Tour) -> None:
    """Ravi looks at a day on which more has happened than four customers can do."""
    chitras = PaymentOrder.objects.filter(refunds__isnull=False).first()
    assert chitras is not None
    rows.a_busy_day()
    get_user_model().objects.filter(username="ravi").delete()
    rows.staff(*rows.ALL)
    with tour.visit(**DESK) as page:
        page.goto("/ops/")
        page.get_by_label("Username").fill("ravi")
        page.get_by_label("Password").fill("secret-123")
        press(page, "Sign in")
        for name, path in {
            "ops-now": "",
            "ops-attention": "attention/",
            "ops-order": f"orders/{chitras.merchant_order_id}/",
            "ops-charts": "charts/",
            "ops-days": "days/",
        }.items():
            page.goto(f"/ops/{path}")
            page.wait_for_load_state("load")
            tour.picture(page, name, high=1100)
