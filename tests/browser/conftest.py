"""Chromium against real processes: web site, checker and emulator on the test database."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.core.management import call_command
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.processes import ROOT, checker, free_port, web
from tests.sandbox import Sandbox

SCREENSHOTS = ROOT / "var" / "screenshots"
WIDTHS = {"phone": (360, 740), "desktop": (1280, 900)}
# Without these Chromium talks to its maker's hosts at every start.
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass(frozen=True)
class Shop:
    """Where the site is, its emulator, and the logs of its processes."""

    url: str
    sandbox: Sandbox
    logs: Path


@pytest.fixture
def shop(sandbox: Sandbox, transactional_db: None, tmp_path: Path) -> Iterator[Shop]:
    call_command("seed_catalog", verbosity=0)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    sandbox.settings(webhook_url=f"{url}/api/payments/webhook/phonepe/")
    settings = {"PHONEPE_BASE_URL": sandbox.base_url, "PUBLIC_URL": url, "DEBUG": "0", "ALLOWED_HOSTS": "*"}
    with (
        web(log=tmp_path / "web.log", port=port, **settings),
        checker(log=tmp_path / "checker.log", **settings),
    ):
        yield Shop(url, sandbox, tmp_path)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        message = "no Chromium: apt-get install chromium"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    # Playwright runs a loop in the tests' own thread, and Django would take their queries for async code.
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        started = playwright.chromium.launch(executable_path=chromium, args=list(QUIET))
        yield started
        started.close()


@dataclass
class Visitor:
    """A browser window, and what went wrong in it."""

    page: Page
    context: BrowserContext
    complaints: list[str]
    foreign: list[str]

    def screenshot(self, name: str) -> None:
        """Keep the page as it is, at phone and at desktop width, under var/screenshots."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        for width, (x, y) in WIDTHS.items():
            self.page.set_viewport_size({"width": x, "height": y})
            self.page.screenshot(path=SCREENSHOTS / f"{name}-{width}.png", full_page=True)


def visit(browser: Browser, shop: Shop, *, javascript: bool = True) -> Visitor:
    """A fresh phone-sized window that notes console errors and requests to other hosts."""
    context = browser.new_context(viewport={"width": 360, "height": 740}, java_script_enabled=javascript)
    context.set_default_timeout(10_000)
    visitor = Visitor(context.new_page(), context, [], [])

    def note_console(message: object) -> None:
        if getattr(message, "type", "") == "error":
            visitor.complaints.append(str(getattr(message, "text", "")))

    def note_host(request: object) -> None:
        url = str(getattr(request, "url", ""))
        if not url.startswith((shop.url, shop.sandbox.url, "data:")):
            visitor.foreign.append(url)

    visitor.page.on("console", note_console)
    visitor.page.on("pageerror", lambda error: visitor.complaints.append(str(error)))
    visitor.page.on("request", note_host)
    return visitor
