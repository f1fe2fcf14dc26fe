"""How long from the booking in the database to the page that shows it: by the stream, and by polling, in turns.

Emulator, web site, checker, PostgreSQL and Chromium are real processes on this machine. A payment is decided at the
emulator, its webhook hurries the checker, the checker books. The time runs from the booking's `created_at`, which is
taken before its transaction commits, so every figure is a little too large; it ends when the page has changed, by
the same machine's clock.
"""

from __future__ import annotations

import os
import random
import re
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any

from benchmarks.figures import Figures
from benchmarks.tables import Table
from benchmarks.tables import show as show_table
from okpuja.demo.processes import Places, Processes

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parents[1]
ROUNDS = 3 if os.environ.get("BENCH_QUICK") == "1" else int(os.environ.get("BENCH_ROUNDS", "15"))
BAR_MS = 300
WAIT_S = 6.0  # at most so long a customer waits before the money comes, at random
PORTS = (8078, 8978)
# When the words on the waiting page changed, and when the booking's page stood.
NOTE = """
addEventListener('DOMContentLoaded', () => {
  const state = document.getElementById('payment-state');
  const note = () => { sessionStorage.changed ??= Date.now(); };
  if (state) new MutationObserver(note).observe(state, { childList: true, characterData: true, subtree: true });
  if (location.pathname.startsWith('/booking-success/')) sessionStorage.shown ??= Date.now();
});
"""
WISH = {
    "time": "09:30",
    "name": "Asha Rao",
    "email": "asha@example.com",
    "phone": "9876543210",
    "address": "12 MG Road, Bengaluru 560001",
}

Way = Callable[["Page", str], None]
Lags = dict[str, list[tuple[float, float]]]
ENVIRONMENT = {
    "EMBEDDED_POSTGRES_DIR": str(ROOT / "var" / "bench-postgres"),
    "DATABASE_URL": "",
    "DJANGO_SETTINGS_MODULE": "okpuja.settings",
    "DJANGO_ALLOW_ASYNC_UNSAFE": "true",  # Playwright runs a loop in this thread
    "LOG_LEVEL": "ERROR",
}


def by_stream(page: Page, cart_id: str) -> None:
    """The waiting page as it is."""
    page.goto(f"/payment-pending/{cart_id}")


def by_polling(page: Page, cart_id: str) -> None:
    """The same page where there is no EventSource: payment-status.js polls."""
    page.add_init_script("delete window.EventSource")
    page.goto(f"/payment-pending/{cart_id}")


def by_ten_lines(page: Page, cart_id: str) -> None:
    """The README's polling every 5 s instead of our scripts."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.search(r"```javascript\n(const checkPaymentStatus.*?)```", readme, re.DOTALL)
    assert found
    page.route("**/*.js", lambda route: route.abort())
    page.goto(f"/payment-pending/{cart_id}")
    page.evaluate(f"{found[1]} checkPaymentStatus('{cart_id}'); undefined")


WAYS: dict[str, Way] = {
    "the stream": by_stream,
    "payment-status.js without a stream": by_polling,
    "ten lines of polling (5 s)": by_ten_lines,
}


def main() -> Figures:
    """Measure the ways in turns; milliseconds, and each way's ratio to the stream."""
    places = Places(*PORTS)
    before = dict(os.environ)
    os.environ |= places.environment() | ENVIRONMENT
    try:
        import django

        django.setup()
        from okpuja.demo import show

        show.prepare()
        measured = _figures(_measured(places))
    finally:
        os.environ.clear()
        os.environ |= before
    for table in tables(measured):
        show_table(table)
    return measured


def tables(measured: Figures) -> list[Table]:
    """One table: a row for each way."""
    rows = [
        (
            name,
            *(f"{way[key]:,.0f} ms" for key in ("changed_ms", "changed_p95_ms", "shown_ms", "shown_p95_ms")),
            f"{way['time_ratio']:.1f} ×",
        )
        for name, way in measured.items()
    ]
    verdict = "met" if measured["the stream"]["changed_p95_ms"] < BAR_MS else "NOT met"
    note = f"Medians of {ROUNDS} turns. Bar: changed within {BAR_MS} ms by the stream (p95): {verdict}."
    return [Table(("Way", "the words change", "p95", "the booking is shown", "p95", "ratio"), rows, note)]


def _measured(places: Places) -> Lags:
    processes = Processes(places)
    try:
        processes.start()
        return _measure(places)
    finally:
        processes.stop()


def _figures(lags: Lags) -> Figures:
    base = median(shown for _, shown in lags["the stream"])
    figures: Figures = {}
    for name, pairs in lags.items():
        changed, shown = zip(*pairs, strict=True)
        figures[name] = {
            "changed_ms": median(changed),
            "changed_p95_ms": _p95(changed),
            "shown_ms": median(shown),
            "shown_p95_ms": _p95(shown),
            "time_ratio": median(shown) / base,
        }
    return figures


def _measure(places: Places) -> Lags:
    from playwright.sync_api import sync_playwright

    lags: Lags = {name: [] for name in WAYS}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        for _ in range(ROUNDS):
            for name, way in WAYS.items():
                lags[name].append(_turn(browser, places, way))
        browser.close()
    return lags


def _turn(browser: Browser, places: Places, way: Way) -> tuple[float, float]:
    """Milliseconds from the booking to the changed words, and to the booking's page."""
    from bookings.models import Booking

    context = browser.new_context(base_url=places.site)
    context.add_init_script(NOTE)
    page = context.new_page()
    order = _order(page)
    way(page, order["cart_id"])
    page.wait_for_timeout(random.uniform(0.5, WAIT_S) * 1000)
    outcome = {"outcome": "success", "webhook": True}
    page.request.post(
        f"{places.sandbox}/sandbox/api/orders/{order['merchant_order_id']}/outcome", data=outcome
    )
    page.wait_for_url("**/booking-success/BK-*")
    page.wait_for_function("sessionStorage.shown")
    shown = float(page.evaluate("sessionStorage.shown"))
    changed = float(page.evaluate("sessionStorage.changed ?? sessionStorage.shown"))
    context.close()
    booked = Booking.objects.get(cart_id=order["cart_id"]).created_at.timestamp() * 1000
    return changed - booked, shown - booked


def _order(page: Page) -> dict[str, Any]:
    from django.utils import timezone

    catalog = page.request.get("/api/catalog/").json()["data"]
    package = random.choice([package for puja in catalog for package in puja["packages"]])
    date = timezone.localdate() + timedelta(days=random.randrange(2, 360))
    wish = WISH | {"package_id": package["id"], "date": date.isoformat()}
    cart = page.request.post("/api/cart/", data=wish).json()["data"]
    started = page.request.post("/api/payments/cart/", data={"cart_id": cart["cart_id"]}).json()
    order: dict[str, Any] = started["data"]["payment_order"]
    return order


def _p95(values: Any) -> float:
    return quantiles(values, n=20, method="inclusive")[-1]
