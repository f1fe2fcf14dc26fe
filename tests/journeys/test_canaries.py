"""Secrets and personal data are planted, everything goes wrong, and then all that was written is searched for them."""

from __future__ import annotations

import hashlib
import http.cookiejar
import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.contrib.auth.models import User
from django.db import connection

from bookings.models import Booking
from payments.models import PaymentEvent, PaymentOrder, WebhookDelivery
from tests.journeys import customer
from tests.mailserver import MailServer
from tests.ports import free_port
from tests.processes import checker, database_url, manage, web
from tests.sandbox import Sandbox, wait_until

pytestmark = pytest.mark.django_db(transaction=True)

SECRET_KEY = "canary-key-" + "0123456789abcdef" * 4
CLIENT_SECRET = "canary-client-secret-77"
HOOK_PASSWORD = "canaryhook77"
CREDENTIAL = hashlib.sha256(f"okpuja_test:{HOOK_PASSWORD}".encode()).hexdigest()
SECRETS = {
    "secret key": SECRET_KEY,
    "client secret": CLIENT_SECRET,
    "webhook password": HOOK_PASSWORD,
    "webhook credential": CREDENTIAL,
    "database password": "canary-database-77",
    "mail password": "canary-mail-77",
    "staff password": "canary-staff-77",
    "gateway token or pay page": "eyJ",  # both are JWTs
    "token header": "O-Bearer",
}
A_FORMS = re.compile(
    r'(name="csrfmiddlewaretoken" value=")\w{64}"'
)  # by chance any three letters stand in one
PERSONAL = {"mail": "asha.canary@", "phone": "9812345670", "address": "Canary Lane", "name": "Asha Canary"}
WISH = {
    "name": "Asha Canary",
    "email": "asha.canary@example.com",
    "phone": "+919812345670",
    "address": "7 Canary Lane, Bengaluru 560001",
}


def with_password(url: str, password: str) -> str:
    return f"{url}&password={password}"


@pytest.fixture
def phonepe() -> Iterator[Sandbox]:
    sandbox = Sandbox(
        "--client-secret", CLIENT_SECRET, "--webhook-username", "okpuja_test", "--webhook-password", HOOK_PASSWORD
    )  # fmt: skip
    yield sandbox
    sandbox.close()


@pytest.fixture
def mails() -> Iterator[MailServer]:
    server = MailServer(refuses=True)
    yield server
    server.close()


class Staff:
    """Somebody signed in over HTTP, who reads pages."""

    def __init__(self, site: str) -> None:
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self._browser, self._site = urllib.request.build_opener(cookies), site
        token = re.search(r'csrfmiddlewaretoken" value="(\w+)"', self.read("/admin/login/"))
        assert token
        fields = {"username": "ravi", "password": SECRETS["staff password"], "csrfmiddlewaretoken": token[1]}
        data = urllib.parse.urlencode(fields | {"next": "/admin/"}).encode()
        assert "Site administration" in self.read("/admin/login/", data)

    def read(self, path: str, data: bytes | None = None) -> str:
        request = urllib.request.Request(self._site + path, data, {"Referer": self._site})
        try:
            answer = self._browser.open(request, timeout=20)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            return answer.read().decode()


def test_nothing_that_is_written_holds_a_secret_or_what_is_only_the_customers(
    phonepe: Sandbox, mails: MailServer, tmp_path: Path
) -> None:
    port = free_port()
    settings = {
        "DJANGO_SETTINGS_MODULE": "tests.journeys.canary_settings",
        "SECRET_KEY": SECRET_KEY,
        "PHONEPE_CLIENT_SECRET": CLIENT_SECRET,
        "PHONEPE_WEBHOOK_PASSWORD": HOOK_PASSWORD,
        "PHONEPE_BASE_URL": phonepe.base_url,
        "DATABASE_URL": with_password(database_url(), SECRETS["database password"]),
        "EMAIL_URL": f"smtp://shop:{SECRETS['mail password']}@127.0.0.1:{mails.port}",
        "LOG_FILE": str(tmp_path / "okpuja.log"),
        "LOG_LEVEL": "DEBUG",
        "STATUS_VERIFY_AFTER": "0",
        "DEBUG": "0",
    }
    dead = settings | {
        "DATABASE_URL": f"postgresql://shop:{SECRETS['database password']}@127.0.0.1:1/okpuja",
        "LOG_FILE": str(tmp_path / "dead.log"),
    }
    phonepe.settings(webhook_url=f"http://127.0.0.1:{port}/api/payments/webhook/phonepe/")
    User.objects.create(
        username="ravi", is_staff=True, is_superuser=True,
        password=PBKDF2PasswordHasher().encode(SECRETS["staff password"], "salt", 1),
    )  # fmt: skip
    seen: dict[str, str] = {}

    with ExitStack() as running:
        site = running.enter_context(web(log=tmp_path / "web.log", port=port, interface="wsgi", **settings))
        with checker(log=tmp_path / "crashing.log", CRASH="1", **settings):
            crashed = pay(site, phonepe)
            raised = PaymentEvent.objects.filter(order=crashed, kind=PaymentEvent.Kind.FULFILMENT_RAISED)
            wait_until(raised.exists, within_s=15)
        running.enter_context(checker(log=tmp_path / "checker.log", **settings))
        pay(site, phonepe, time="10:30")
        mailing = "from bookings import jobs, models; b = models.Booking.objects.first(); print(b, repr(b));"
        mailing += "jobs.send_confirmation(booking_id=b.booking_id)"
        wait_until(lambda: Booking.objects.exists())
        seen["mail"] = manage("shell", "-v0", "-c", mailing, **settings).stderr
        seen |= everything_goes_wrong(site, phonepe)
        seen |= pages_of_staff(site, crashed)
        seen |= commands(settings, crashed)
        wait_until(lambda: mails.refused, within_s=15)
    with DeadSite(tmp_path / "dead-web.log", dead) as site:
        seen |= {
            f"dead {path}": customer.call("GET", site + path).body for path in ("/", "/readyz", "/metrics")
        }
        seen |= {"dead status": customer.call("GET", f"{site}/api/payments/cart/x/status/").body}
        seen |= {"dead page": customer.call("GET", f"{site}/cart/{crashed.cart_id}/").body}
    seen |= {path.name: path.read_text() for path in tmp_path.glob("*.log")}

    written = seen | {f"table {name}": text for name, text in tables().items()}
    written = {where: A_FORMS.sub(r'\1"', text) for where, text in written.items()}
    assert PaymentEvent.objects.filter(order=crashed).count() > 4
    assert WebhookDelivery.objects.exists()
    assert "RuntimeError: the shop crashed" in written["crashing.log"]
    assert "MailRefused: The mail server refused the recipient: [550]" in written["mail"]
    assert '"status": 500' in written["dead-web.log"]
    assert len(written) > 40
    assert [
        (where, what) for where, text in written.items() for what, it in SECRETS.items() if it in text
    ] == []
    to_staff = [name for name in seen if name.startswith(("/admin/", "/ops/"))]
    elsewhere = {where: text for where, text in written.items() if where not in to_staff}
    assert [(w, what) for w, text in elsewhere.items() for what, it in PERSONAL.items() if it in text] == []


class DeadSite:
    """The web site on a database that is not there; /healthz answers all the same."""

    def __init__(self, log: Path, settings: dict[str, str]) -> None:
        self._running = web(log=log, port=free_port(), interface="wsgi", **settings)

    def __enter__(self) -> str:
        return self._running.__enter__()

    def __exit__(self, *error: Any) -> None:
        self._running.__exit__(*error)


def pay(site: str, phonepe: Sandbox, *, time: str = "09:30") -> PaymentOrder:
    """A customer pays; PhonePe's webhook tells, with personal data of its own."""
    body = WISH | {"package_id": customer.package().pk, "date": customer.a_day(), "time": time}
    cart_id = customer.call("POST", f"{site}/api/cart/", body).json["data"]["cart_id"]
    name = customer.start_payment(site, cart_id)["merchant_order_id"]
    phonepe.decide(name, webhook=True)
    wait_until(WebhookDelivery.objects.exists)
    return PaymentOrder.objects.get(merchant_order_id=name)


def everything_goes_wrong(site: str, phonepe: Sandbox) -> dict[str, str]:
    """The gateway refuses, fails and talks nonsense; strangers send nonsense. What they were answered."""
    answers = {}
    url = f"{site}/api/payments/verify-and-complete/"
    for on, kind in (
        ("status", "unauthorized"), ("status", "server_error"), ("status", "html_200"), ("status", "truncated_json"),
        ("status", "reset"), ("token", "server_error"), ("token", "refused"),
    ):  # fmt: skip
        (order,) = customer.orders_known_to(phonepe, state="PENDING", due_in_s=600)
        phonepe.fault(on, kind, count=2)
        body = {"merchant_order_id": order.merchant_order_id}
        answers[f"verify, {on} {kind}"] = customer.call("POST", url, body).body
        phonepe.call("DELETE", "faults")
    hook = f"{site}/api/payments/webhook/phonepe/"
    for n, (credential, body) in enumerate(
        [("wrong", b"{}"), (CREDENTIAL, b"{"), (CREDENTIAL, b"[" * 70_000), (HOOK_PASSWORD, b"{}")]
    ):
        answers[f"webhook {n}"] = customer.call("POST", hook, body, Authorization=credential).body
    personal = {"event": "checkout.order.completed", "payload": {"merchantOrderId": "OKP-1"} | WISH}
    answers["webhook"] = customer.call("POST", hook, personal, Authorization=CREDENTIAL).body
    for path in (
        "/api/cart/",
        "/api/payments/cart/",
        "/api/payments/verify-and-complete/",
        "/api/payments/x/refunds/",
    ):
        for n, body in enumerate((b"{", b"[]", b"\xff\xfe", json.dumps(WISH).encode())):
            answers[f"POST {path} {n}"] = customer.call("POST", site + path, body).body
    for path in ("/metrics", "/readyz", "/api/openapi.json", "/nothing/", "/api/nothing/", "/admin/login/"):
        answers[path] = customer.call("GET", site + path).body
    return answers


def pages_of_staff(site: str, order: PaymentOrder) -> dict[str, str]:
    """The admin's pages and those of the operator about an order, as a superuser reads them."""
    staff = Staff(site)
    front = staff.read("/admin/")
    lists = sorted(set(re.findall(r'href="(/admin/\w+/\w+/)"', front)))
    paths = [*lists, f"/admin/payments/paymentorder/{order.pk}/change/", "/ops/", "/ops/attention/"]
    paths += [f"/ops/orders/{order.merchant_order_id}/{page}" for page in ("", "evidence/", "evidence.json")]
    pages = {path: staff.read(path) for path in paths}
    rows = [
        path for text in pages.values() for path in re.findall(r'href="(/admin/\w+/\w+/\d+/change/)', text)
    ]
    assert len(lists) > 6
    return pages | {path: staff.read(path) for path in sorted(set(rows))[:30] if "/auth/" not in path}


def commands(settings: dict[str, str], order: PaymentOrder) -> dict[str, str]:
    """What the operator's commands print, also of settings and clients themselves."""
    show = (
        "from django.conf import settings; from payments import gateway; from phonepe_pg import Client\n"
        "gateway.check_credentials(); door = gateway._door\n"
        "print(settings, repr(door), repr(door.client), door.client._credentials)\n"
        "print(door.client._tokens, vars(door.client._tokens), vars(door.client._transport))\n"
    )
    wanted = [
        ("check", "--deploy"), ("payments_doctor",), ("payment_status",), ("payment_status", order.merchant_order_id),
        ("payment_status", order.merchant_order_id, "--json"), ("payment_audit",),
        ("verify_payment", order.merchant_order_id), ("shell", "-v0", "-c", show),
    ]  # fmt: skip
    done = {" ".join(one): manage(*one, **settings) for one in wanted}
    wrong = manage("auto_complete_payments", **settings | {"PHONEPE_CLIENT_SECRET": CLIENT_SECRET + "-wrong"})
    return {name: one.stdout + one.stderr for name, one in (done | {"wrong secret": wrong}).items()}


def tables() -> dict[str, str]:
    """All rows of the tables that staff and strangers' actions write to, as text."""
    names = (
        "payments_event", "payments_webhook", "payments_refund", "procrastinate_jobs", "procrastinate_events",
        "guard_bucket", "django_admin_log",
    )  # fmt: skip
    found = {}
    with connection.cursor() as cursor:
        for name in names:
            cursor.execute(f"SELECT coalesce(string_agg(t::text, chr(10)), '') FROM {name} t")
            (found[name],) = cursor.fetchone()
    return found
