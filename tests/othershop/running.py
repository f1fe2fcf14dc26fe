"""The other shop's processes on the test database, and a learner's browser."""

from __future__ import annotations

import re
import shlex
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from tests.ports import free_port
from tests.processes import started
from tests.sandbox import Sandbox, wait_until

PROCFILE = Path(__file__).with_name("Procfile")


def command(name: str, **variables: str) -> list[str]:
    """A line of the Procfile, without its `python`."""
    lines = dict(line.split(": ", 1) for line in PROCFILE.read_text().splitlines())
    python, *words = shlex.split(Template(lines[name]).substitute(variables))
    assert python == "python"
    return words


def settings(sandbox: Sandbox, **changes: str) -> dict[str, str]:
    """The environment that makes a process one of the other shop's, on the emulator and the test database."""
    connection.ensure_connection()
    return {
        "DJANGO_SETTINGS_MODULE": "tests.othershop.settings",
        "PGDATABASE": connection.settings_dict["NAME"],
        "PHONEPE_BASE_URL": sandbox.base_url,
    } | changes


@contextmanager
def web(sandbox: Sandbox, log: Path) -> Iterator[str]:
    """The web site; its origin."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with started(*command("web", PORT=str(port)), log=log, **settings(sandbox, PUBLIC_URL=url)) as process:
        wait_until(lambda: process.poll() is not None or _is_up(url), within_s=30)
        assert process.poll() is None, log.read_text()
        yield url


@contextmanager
def checker(sandbox: Sandbox, log: Path, **changes: str) -> Iterator[None]:
    """A checker, ready when it has said so."""
    with started(*command("checker"), log=log, **settings(sandbox, **changes)) as process:
        wait_until(lambda: process.poll() is not None or "checker started" in log.read_text(), within_s=30)
        assert process.poll() is None, log.read_text()
        yield


def _is_up(url: str) -> bool:
    try:
        return browse("GET", f"{url}/metrics").status == 200
    except OSError:
        return False


@dataclass(frozen=True, slots=True)
class Page:
    status: int
    body: str
    headers: Any


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


_browser = urllib.request.build_opener(_NoRedirect)


def browse(method: str, url: str, form: dict[str, str] | None = None, **headers: str) -> Page:
    """One request of a browser that follows no redirect."""
    data = urlencode(form).encode() if form is not None else None
    request = urllib.request.Request(url, method=method, data=data, headers=headers)
    try:
        answer = _browser.open(request, timeout=20)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        return Page(answer.status, answer.read().decode(), answer.headers)


class Learner:
    """Somebody who is signed in to the web site at `site`."""

    def __init__(self, site: str, user: User) -> None:
        client = Client()
        client.force_login(user)
        self.site, self.user = site, user
        self.cookies = f"sessionid={client.cookies['sessionid'].value}"

    def press_enrol(self, course_id: int) -> Page:
        """Open the course and press its button."""
        url = f"{self.site}/courses/{course_id}/enrol/"
        page = browse("GET", url, Cookie=self.cookies)
        (token,) = re.findall(r"csrftoken=(\w+)", page.headers["Set-Cookie"])
        cookies = f"{self.cookies}; csrftoken={token}"
        return browse("POST", url, {}, Cookie=cookies, **{"X-CSRFToken": token})

    def go_to_pay(self, course_id: int) -> Page:
        """Press the button and go where it leads, telling what the page's policy lets a browser tell."""
        left = self.press_enrol(course_id)
        tells = left.headers["Referrer-Policy"] == "strict-origin-when-cross-origin"
        return browse("GET", left.headers["Location"], **{"Referer": f"{self.site}/"} if tells else {})

    def standing(self, reference: str) -> Page:
        return browse("GET", f"{self.site}/api/payments/cart/{reference}/status/", Cookie=self.cookies)


def pay_and_close_the_tab(pay_page: str) -> None:
    """On PhonePe's page; nobody comes back from there."""
    page = browse("POST", pay_page, {"outcome": "close_paid", "paymentMode": "UPI_QR"})
    assert page.status == 200, page.body
