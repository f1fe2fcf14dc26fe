"""What `payments_doctor` says about a set-up, sentence by sentence."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import ClassVar

import pytest
from django.utils import timezone

from payments import checks, doctor
from payments.models import Checker, WebhookDelivery


class Web(BaseHTTPRequestHandler):
    """Stands for the web service or PhonePe: answers everything with `status` and `date`."""

    status, date, location = 200, "", ""
    asked: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_HEAD()

    def do_GET(self) -> None:
        self.do_HEAD()

    def do_HEAD(self) -> None:
        self.asked.append(self.path)
        self.send_response_only(self.status)
        if self.location:
            self.send_header("Location", self.location)
        if self.date:
            self.send_header("Date", self.date)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def web() -> Iterator[str]:
    Web.status, Web.date, Web.location = 200, "", ""
    Web.asked.clear()
    server = HTTPServer(("127.0.0.1", 0), Web)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.django_db(transaction=True)
def test_doctor_of_a_sound_installation_has_no_advice(sandbox, settings, web):
    settings.PUBLIC_URL = web
    now = timezone.now()
    Checker.objects.create(name="host:1", started_at=now, seen_at=now, interval_s=60)

    found = {diagnosis.subject: diagnosis for diagnosis in doctor.examine()}

    assert [subject for subject, diagnosis in found.items() if not diagnosis.is_well] == []
    assert list(found) == [
        "settings", "hosts", "database", "migrations", "credentials", "clock", "webhook", "checker", "time zone",
    ]  # fmt: skip
    assert found["checker"].sentence == "1 alive: host:1."


@pytest.mark.django_db(transaction=True)
def test_doctor_of_a_broken_installation_advises_on_each_thing(settings):
    settings.PHONEPE_CLIENT_ID = ""
    settings.PHONEPE_OAUTH_URL = "https://api.phonepe.com/apis/identity-manager"
    settings.PUBLIC_URL = "http://127.0.0.1:1"

    ill = {diagnosis.subject: diagnosis for diagnosis in doctor.examine() if not diagnosis.is_well}

    assert set(ill) == {"settings", "hosts", "credentials", "clock", "webhook", "checker"}
    assert ill["settings"].sentence == "PHONEPE_CLIENT_ID not set."
    assert ill["credentials"].sentence == "PhonePe gave no token: PHONEPE_CLIENT_ID is not set."


@pytest.mark.parametrize(
    ("env", "base", "advice"),
    [
        ("sandbox", "", "Set PHONEPE_ENV=production"),
        ("production", "https://api-preprod.phonepe.com/apis/pg-sandbox", "Leave PHONEPE_BASE_URL"),
        ("production", "https://api.phonepe.com/apis/pg", "Leave PHONEPE_BASE_URL"),
    ],
)
def test_doctor_of_a_public_shop_names_the_play_money(settings, env, base, advice):
    settings.PUBLIC_URL, settings.PHONEPE_ENV, settings.PHONEPE_BASE_URL = "https://shop.example", env, base

    found = doctor._hosts()

    assert not found.is_well
    assert found.advice.startswith(advice)


@pytest.mark.django_db(transaction=True)
def test_doctor_when_phonepe_refuses_the_credentials_says_so_without_the_secret(sandbox, settings):
    settings.PHONEPE_CLIENT_SECRET = ""
    settings.PHONEPE_CLIENT_ID = "WRONG_CLIENT"

    found = doctor._credentials()

    assert not found.is_well


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (204, "Something else answers"),
        (302, "PhonePe follows no redirect"),
        (401, "another PHONEPE_WEBHOOK_USERNAME or PHONEPE_WEBHOOK_PASSWORD"),
        (404, "another site"),
        (500, "its log says why"),
        (502, "The proxy does not reach"),
        (503, "without PHONEPE_WEBHOOK_USERNAME"),
        (504, "its log says why"),
    ],
)
def test_doctor_when_the_webhook_is_refused_says_which_answer_came(settings, web, status, advice):
    settings.PUBLIC_URL, Web.status = web, status

    found = doctor._webhook()

    assert (found.is_well, f"answered {status}" in found.sentence) == (False, True)
    assert advice in found.advice


def test_doctor_does_not_carry_the_credential_to_where_a_redirect_leads(settings, web):
    settings.PUBLIC_URL, Web.status, Web.location = web, 302, f"{web}/elsewhere"

    doctor._webhook()

    assert Web.asked == ["/api/payments/webhook/phonepe/"]


@pytest.mark.django_db
def test_doctor_where_phonepe_has_no_tokens_names_the_address_and_not_the_credentials(sandbox, settings):
    """A lone production base: its tokens come from another prefix (wire reference §1)."""
    settings.PHONEPE_BASE_URL = f"{sandbox.url}/apis/pg"

    found = doctor._credentials()
    (checked,) = checks.credentials_are_accepted(None)

    nothing_there = f"There is no token of PhonePe's for us at {sandbox.url}/apis/pg"
    assert nothing_there in found.sentence
    assert nothing_there in checked.msg
    assert "PHONEPE_OAUTH_URL" in found.advice
    assert checked.hint == found.advice
    assert "PHONEPE_CLIENT" not in found.sentence + found.advice


@pytest.mark.parametrize(
    ("date", "is_well"),
    [
        ("", True),
        ("Tue, 24 Nov 2020 06:00:00 GMT", False),
        ("Tue, 24 Nov 2020 06:00:00 -0000", False),
        ("yesterday", True),
    ],
)
def test_doctor_compares_the_clock_with_whatever_date_comes(settings, web, date, is_well):
    settings.PHONEPE_BASE_URL, Web.date = web, date

    assert doctor._clock().is_well is is_well


def test_doctor_of_a_site_without_time_zones_says_so(settings, web):
    settings.USE_TZ, settings.PHONEPE_BASE_URL = False, web
    Web.date = "Tue, 24 Nov 2020 06:00:00 GMT"

    found = [doctor._time_zone(), doctor._clock()]

    assert [diagnosis.is_well for diagnosis in found] == [False, False]
    assert (found[0].sentence, found[0].advice) == ("USE_TZ is off.", "Set USE_TZ = True.")


def test_doctor_of_a_urlconf_without_our_namespace_says_so(settings):
    settings.ROOT_URLCONF = "payments.urls"

    found = doctor._webhook()

    assert not found.is_well
    assert found.sentence == "It has no address: the namespace 'payments' is not in the URLconf."


def test_doctor_with_an_address_that_is_none_says_so(settings):
    settings.PHONEPE_BASE_URL = "ftp://example.org"

    found = [doctor._hosts(), doctor._clock()]

    assert [diagnosis.is_well for diagnosis in found] == [False, False]


@pytest.mark.django_db
def test_doctor_sees_no_checker_that_has_not_been_seen_lately():
    now = timezone.now()
    Checker.objects.create(name="host:1", started_at=now, seen_at=now - timedelta(seconds=121), interval_s=60)

    assert not doctor._checker().is_well


@pytest.mark.django_db(transaction=True)
def test_doctors_webhook_is_recorded_and_ignored(live_server, settings):
    settings.PUBLIC_URL = live_server.url

    found = doctor._webhook()

    assert found.is_well
    assert WebhookDelivery.objects.values_list("event", "state").get() == ("okpuja.doctor", "ignored")
