"""What is said about wrong settings: by `check`, and by `payments_doctor`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import ClassVar

import pytest
from django.core.checks import run_checks
from django.db import connection
from django.test import modify_settings
from django.utils import timezone

from payments import checks, doctor
from payments.models import Checker, WebhookDelivery


def said(*found: object) -> list[tuple[str, str]]:
    return [(message.id, message.msg) for message in found]


@pytest.mark.parametrize("name", ["PHONEPE_CLIENT_ID", "PHONEPE_CLIENT_SECRET", "PHONEPE_CLIENT_VERSION"])
def test_check_without_a_credential_warns_and_refuses_deployment(settings, name):
    setattr(settings, name, "")

    plain = said(*checks.credentials_are_set(None))
    deploy = said(*checks.credentials_are_set_for_deployment(None))

    assert plain == [("payments.W001", f"{name} is not set: no payment can be made or checked.")]
    assert deploy == [("payments.E001", f"{name} is not set.")]


@pytest.mark.parametrize(
    ("name", "value", "identity"),
    [
        ("PHONEPE_WEBHOOK_USERNAME", "", "payments.W002"),
        ("PHONEPE_WEBHOOK_PASSWORD", "", "payments.W002"),
        ("PHONEPE_WEBHOOK_USERNAME", "abcd", "payments.W003"),
        ("PHONEPE_WEBHOOK_USERNAME", "with space", "payments.W003"),
        ("PHONEPE_WEBHOOK_USERNAME", "नमस्ते", "payments.W003"),
        ("PHONEPE_WEBHOOK_PASSWORD", "onlyletters", "payments.W003"),
        ("PHONEPE_WEBHOOK_PASSWORD", "12345678", "payments.W003"),
        ("PHONEPE_WEBHOOK_PASSWORD", "a1" * 11, "payments.W003"),
    ],
)
def test_check_of_webhook_credentials_that_phonepe_would_not_take_warns(settings, name, value, identity):
    setattr(settings, name, value)

    found = checks.webhook_credentials_are_set(None)

    assert [message.id for message in found] == [identity]
    assert name in found[0].msg
    assert not value or value not in found[0].msg


@pytest.mark.parametrize(
    ("env", "pg", "oauth", "identities"),
    [
        ("sandbox", "", "", []),
        ("production", "", "", []),
        ("sandbox", "http://127.0.0.1:8900/apis/pg-sandbox", "", []),
        ("production", "http://127.0.0.1:8900/apis/pg-sandbox", "", []),
        ("production", "https://api-preprod.phonepe.com/apis/pg-sandbox", "", ["payments.E002"]),
        ("sandbox", "https://api.phonepe.com/apis/pg", "", ["payments.E002"]),
        ("sandbox", "https://api-preprod.phonepe.com/apis/pg-sandbox", "", []),
        ("production", "", "https://api-preprod.phonepe.com/apis/pg-sandbox", ["payments.E002"]),
        (
            "sandbox",
            "https://api.phonepe.com/apis/pg",
            "https://api-preprod.phonepe.com/x",
            ["payments.E002"],
        ),
        ("sandbox", "", "http://127.0.0.1:8900", ["payments.E002"]),
        ("sandbox", "ftp://example.org", "", ["payments.E006"]),
        ("sandbox", "http://", "", ["payments.E006"]),
        ("production", "https://api.phonepe.com/apis/pg", "", ["payments.E021"]),
        ("sandbox", "https://api-preprod.phonepe.com/apis/pgsandbox", "", ["payments.E021"]),
        (
            "production",
            "https://api.phonepe.com/apis/pg/",
            "https://api.phonepe.com/apis/identity-manager",
            [],
        ),
        ("prod", "", "", ["payments.E006"]),
        ("prod", "https://api.phonepe.com/apis/pg", "", ["payments.E006"]),
    ],
)
def test_check_of_hosts_finds_mixed_environments_and_bad_addresses(settings, env, pg, oauth, identities):
    settings.PHONEPE_ENV, settings.PHONEPE_BASE_URL, settings.PHONEPE_OAUTH_URL = env, pg, oauth

    found = checks.hosts_are_of_one_environment(None)

    assert [message.id for message in found] == identities


@pytest.mark.parametrize(
    ("env", "url", "base", "identities"),
    [
        ("sandbox", "https://shop.example", "", ["payments.E014"]),
        ("production", "https://shop.example", "", []),
        ("sandbox", "https://shop.example", "https://api-preprod.phonepe.com/apis/pg-sandbox", []),
        ("sandbox", "https://shop.example", "http://127.0.0.1:8900/apis/pg-sandbox", []),
        ("sandbox", "http://shop.example", "", []),
        ("sandbox", "https://localhost:8443", "", []),
        ("sandbox", "https://127.0.0.1", "", []),
    ],
)
def test_check_deploy_of_a_public_shop_that_takes_play_money_is_an_error(
    settings, env, url, base, identities
):
    settings.PHONEPE_ENV, settings.PUBLIC_URL, settings.PHONEPE_BASE_URL = env, url, base

    assert [message.id for message in checks.public_shop_takes_money(None)] == identities


def test_check_of_an_environment_that_is_none_names_the_two_there_are(settings):
    settings.PHONEPE_ENV, settings.PHONEPE_BASE_URL = "prod", ""

    (found,) = checks.hosts_are_of_one_environment(None)

    assert found.msg == "PHONEPE_ENV must be sandbox or production; it is 'prod'."
    assert found.hint == "Set PHONEPE_ENV=production to take money."


@pytest.mark.parametrize("version", ["abc", "v1", "1.0", "-1", " 1"])
def test_check_of_a_client_version_that_is_no_number_warns(settings, version):
    settings.PHONEPE_CLIENT_VERSION = version

    found = said(*checks.client_version_is_a_number(None))

    assert found == [("payments.W005", "PHONEPE_CLIENT_VERSION is no whole number.")]


@pytest.mark.parametrize(
    ("url", "identities"),
    [
        ("", []),
        ("https://shop.example", []),
        ("https://shop.example/pay", []),
        ("shop.example", ["payments.E018"]),
        ("https://shop.example/", ["payments.E018"]),
        (None, ["payments.E018"]),
        (7, ["payments.E018"]),
    ],
)
def test_check_of_a_front_end_that_no_path_can_be_put_behind_is_an_error(settings, url, identities):
    settings.FRONTEND_URL = url

    assert [found.id for found in checks.front_end_can_be_reached(None)] == identities


@pytest.mark.parametrize(
    ("policy", "identities"),
    [
        ("strict-origin-when-cross-origin", []),
        ("no-referrer-when-downgrade", []),
        ("no-referrer, strict-origin", []),
        (None, []),
        ("same-origin", ["payments.W006"]),
        ("no-referrer", ["payments.W006"]),
        ("strict-origin, same-origin", ["payments.W006"]),
        (["strict-origin", "no-referrer"], ["payments.W006"]),
    ],
)
def test_check_of_a_referrer_policy_that_hides_the_shop_from_phonepe_warns(settings, policy, identities):
    settings.SECURE_REFERRER_POLICY = policy

    found = checks.pay_page_is_told_where_customers_come_from(None)

    assert [message.id for message in found] == identities


def test_check_of_a_project_that_sends_no_referrer_policy_is_silent(settings):
    settings.SECURE_REFERRER_POLICY, settings.MIDDLEWARE = "same-origin", []

    assert checks.pay_page_is_told_where_customers_come_from(None) == []


def test_check_of_a_urlconf_without_our_namespace_is_an_error(settings):
    assert checks.pages_are_where_they_are_looked_for(None) == []

    settings.ROOT_URLCONF = "payments.urls"  # the same addresses, in no namespace

    assert [found.id for found in checks.pages_are_where_they_are_looked_for(None)] == ["payments.E019"]


def test_check_with_times_without_a_zone_is_an_error(settings):
    settings.USE_TZ = False

    assert [found.id for found in checks.project_has_what_is_needed(None)] == ["payments.E020"]


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("", "PUBLIC_URL is not set."),
        ("shop.example", "PUBLIC_URL is not an http(s) address that ends without a slash."),
        ("https://shop.example/", "PUBLIC_URL is not an http(s) address that ends without a slash."),
    ],
)
def test_check_without_a_public_address_is_an_error_that_names_it(settings, url, sentence):
    settings.PUBLIC_URL = url

    assert said(*checks.address_is_set(None)) == [("payments.E008", sentence)]


@pytest.mark.parametrize(
    ("name", "value", "limits"),
    [
        ("PAYMENT_EXPIRE_AFTER", 299, "300 and 3600"),
        ("STATUS_VERIFY_AFTER", -1, "0 and 3600"),
        ("LATE_WATCH_HOURS", "72", "1 and 720"),
        ("PHONEPE_MAX_RPS", 0, "1 and 100000"),
    ],
)
def test_check_of_a_number_out_of_its_range_says_the_range(settings, name, value, limits):
    setattr(settings, name, value)

    message = f"{name} must be a whole number between {limits}; it is {value!r}."
    assert said(*checks.numbers_are_within_their_ranges(None)) == [("payments.E011", message)]


def test_check_without_procrastinate_says_what_to_install():
    with modify_settings(INSTALLED_APPS={"remove": ["procrastinate.contrib.django"]}):
        found = said(*checks.project_has_what_is_needed(None))

    assert found == [("payments.E010", "'procrastinate.contrib.django' is not installed.")]


def test_check_with_a_transaction_around_every_request_is_an_error(monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)

    assert [found.id for found in checks.project_has_what_is_needed(None)] == ["payments.E012"]


def test_check_deploy_with_the_tests_settings_finds_nothing_of_ours(sandbox):
    found = run_checks(include_deployment_checks=True)

    assert [message for message in found if message.id.startswith("payments.")] == []


# -- payments_doctor ----------------------------------------------------------------------


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
