"""Chromium against real processes: web site, checker and emulator on the test database."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as default_policy
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.missing import missing
from tests.ports import free_port
from tests.processes import ROOT, checker, web
from tests.sandbox import Sandbox, wait_until

SCREENSHOTS = ROOT / "var" / "screenshots"
NODE_MODULES = ROOT / "var" / "npm" / "node_modules"
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
    """Where the site is, its emulator, the logs of its processes, and the mails that were sent."""

    url: str
    sandbox: Sandbox
    logs: Path
    mails: Path

    def mail(self, subject: str, *, within_s: float = 15) -> EmailMessage:
        """The mail whose subject contains this, as soon as it was sent."""
        return wait_until(lambda: self.sent(subject), within_s=within_s)

    def sent(self, subject: str, *, saying: str = "") -> EmailMessage | None:
        """The first mail with this in its subject, and that in its text."""
        for path in sorted(self.mails.glob("*.log")):
            for text in path.read_bytes().split(b"-" * 79 + b"\n"):
                message = message_from_bytes(text.lstrip(), policy=default_policy)
                if subject in str(message["Subject"]) and saying in _text(message):
                    return message
        return None


def _text(message: EmailMessage) -> str:
    body = message.get_body(("plain",))
    return body.get_content() if body else ""


@pytest.fixture(scope="session")
def site(
    django_db_setup: Any,
    django_db_blocker: Any,
    sandbox_process: Sandbox,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """The web site's origin, for all tests; it keeps nothing in memory that one could leave to the next."""
    log, port = tmp_path_factory.mktemp("browser") / "web.log", free_port()
    with django_db_blocker.unblock():
        running = web(log=log, port=port, **process_settings(sandbox_process, f"http://127.0.0.1:{port}"))
        origin = running.__enter__()
    yield origin
    running.__exit__(None, None, None)


@pytest.fixture
def shop(site: str, sandbox: Sandbox, transactional_db: None, tmp_path: Path) -> Iterator[Shop]:
    call_command("seed_catalog", verbosity=0)
    sandbox.settings(webhook_url=f"{site}/api/payments/webhook/phonepe/")
    settings = process_settings(sandbox, site) | {"EMAIL_URL": f"file://{tmp_path}/mail"}
    with checker(log=tmp_path / "checker.log", **settings):
        yield Shop(site, sandbox, tmp_path, tmp_path / "mail")


def process_settings(sandbox: Sandbox, url: str) -> dict[str, str]:
    return {"PHONEPE_BASE_URL": sandbox.base_url, "PUBLIC_URL": url, "DEBUG": "0", "ALLOWED_HOSTS": "*"}


@pytest.fixture(scope="session")
def axe() -> Path:
    """axe-core's script, as `make npm` has installed it."""
    script = NODE_MODULES / "axe-core" / "axe.min.js"
    if not script.exists():
        missing("no axe-core: make npm")
    return script


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        missing("no Chromium: apt-get install chromium")
    # Playwright runs a loop in the tests' own thread, and Django would take their queries for async code.
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        started = playwright.chromium.launch(executable_path=chromium, args=list(QUIET))
        yield started
        started.close()


@dataclass
class Visitor:
    """A browser window, and what went wrong in it."""

    context: BrowserContext
    hosts: tuple[str, ...]
    complaints: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page = self.open()

    def open(self) -> Page:
        """Another tab, whose errors and requests are noted as well."""
        page = self.context.new_page()
        page.on("console", self._note_console)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self._note_request(request.url))
        return page

    def _note_console(self, message: Any) -> None:
        if message.type == "error":
            self.complaints.append(message.text)

    def _note_request(self, url: str) -> None:
        self.requests.append(url)
        if not url.startswith((*self.hosts, "data:")):
            self.foreign.append(url)

    def assert_nothing_odd(self) -> None:
        """No error on the console, no request to another host, nothing wider than the window."""
        assert self.complaints == []
        assert self.foreign == []

    def screenshot(self, name: str, page: Page | None = None) -> None:
        """Keep the page as it is, at phone and at desktop width, under var/screenshots."""
        page = page or self.page
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        for width, (x, y) in WIDTHS.items():
            page.set_viewport_size({"width": x, "height": y})
            page.screenshot(path=SCREENSHOTS / f"{name}-{width}.png", full_page=True)


def visit(browser: Browser, shop: Shop, *, javascript: bool = True, **how: Any) -> Visitor:
    """A fresh phone-sized window that notes console errors and requests to other hosts."""
    options = {"viewport": {"width": 360, "height": 740}, "java_script_enabled": javascript} | how
    context = browser.new_context(**options)
    context.set_default_timeout(10_000)
    return Visitor(context, (shop.url, shop.sandbox.url))


def serious(visitor: Visitor, axe: Path) -> list[str]:
    """What axe-core finds serious or critical on the page, each with the place."""
    visitor.page.evaluate(axe.read_text(encoding="utf-8"))
    found = visitor.page.evaluate("axe.run().then((result) => result.violations)")
    return [
        f"{one['id']}: {node['html']}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]
