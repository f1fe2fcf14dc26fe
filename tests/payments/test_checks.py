"""What `check` says about wrong settings."""

from __future__ import annotations

import pytest
from django.core.checks import run_checks
from django.db import connection
from django.test import modify_settings

from payments import checks


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
