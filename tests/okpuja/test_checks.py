"""What `manage.py check` says about settings that start, and are wrong all the same."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core.checks import run_checks

from tests.processes import ROOT, manage
from tests.sandbox import Sandbox

PRODUCTION = {
    "DEBUG": "0",
    "PUBLIC_URL": "https://shop.example",
    "ALLOWED_HOSTS": "shop.example",
    "FRONTEND_URL": "https://www.shop.example",
    "CORS_ALLOWED_ORIGINS": "https://www.shop.example",
    "CSRF_TRUSTED_ORIGINS": "https://www.shop.example",
    "EMAIL_URL": "smtp+tls://user:password@mail.example:587",
    "DEFAULT_FROM_EMAIL": "OkPuja <bookings@shop.example>",
    "PHONEPE_ENV": "production",
    "PHONEPE_CLIENT_SECRET": "of-production-0123456789",
}


def found(*, deploy: bool = True) -> list[str]:
    return sorted(m.id for m in run_checks(tags=["okpuja"], include_deployment_checks=deploy))


@pytest.fixture
def production(settings: Any) -> Any:
    """Settings of this process as in production; nothing is found wrong with them."""
    for name in ("PUBLIC_URL", "EMAIL_URL", "DEFAULT_FROM_EMAIL", "PHONEPE_ENV", "PHONEPE_CLIENT_SECRET"):
        setattr(settings, name, PRODUCTION[name])
    settings.ALLOWED_HOSTS = ["shop.example"]
    settings.DATABASE_IS_EMBEDDED = False
    settings.PHONEPE_BASE_URL = settings.FRONTEND_URL = ""
    assert found() == []
    return settings


@pytest.mark.parametrize(
    ("name", "value", "identities"),
    [
        ("DEBUG", True, ["okpuja.E001"]),
        ("PHONEPE_CLIENT_SECRET", "sandbox-secret", ["okpuja.E002"]),
        ("PHONEPE_WEBHOOK_PASSWORD", "demo12345", ["okpuja.E002"]),
        ("PUBLIC_URL", "http://shop.example", ["okpuja.E003"]),
        ("PUBLIC_URL", "https://localhost", ["okpuja.E003", "okpuja.E004"]),
        ("PUBLIC_URL", "https://192.168.1.2", ["okpuja.E003", "okpuja.E004"]),
        ("PUBLIC_URL", "https://8.8.8.8", ["okpuja.E003", "okpuja.E004"]),
        ("PUBLIC_URL", "https://shop.example:8443", ["okpuja.E003"]),
        ("PUBLIC_URL", "https://shop.example:443", []),
        ("ALLOWED_HOSTS", ["other.example"], ["okpuja.E004"]),
        ("ALLOWED_HOSTS", [], ["okpuja.E004"]),
        ("ALLOWED_HOSTS", [".example"], []),
        ("ALLOWED_HOSTS", ["Shop.example"], []),
        ("ALLOWED_HOSTS", ["*"], ["okpuja.W001"]),
        ("PHONEPE_BASE_URL", "http://phonepe.example/apis/pg", ["okpuja.W002"]),
        ("PHONEPE_OAUTH_URL", "http://10.0.0.1", ["okpuja.W002"]),
        ("PHONEPE_BASE_URL", "http://127.0.0.1:8900/apis/pg", []),
        ("PHONEPE_BASE_URL", "http://localhost:8900/apis/pg", []),
        ("FRONTEND_URL", "http://shop.example", ["okpuja.W002", "okpuja.W003"]),
        ("FRONTEND_URL", "https://www.shop.example", ["okpuja.W003"]),
        ("FRONTEND_URL", "https://shop.example/app", []),
        ("DATABASE_IS_EMBEDDED", True, ["okpuja.W004"]),
        ("EMAIL_URL", "console:", ["okpuja.W005"]),
        ("EMAIL_URL", "file:///var/mail", ["okpuja.W005"]),
        ("DEFAULT_FROM_EMAIL", "OkPuja <bookings@localhost>", ["okpuja.W006"]),
        ("DEFAULT_FROM_EMAIL", "bookings", ["okpuja.W006"]),
        ("DEFAULT_FROM_EMAIL", "", ["okpuja.W006"]),
        ("DEFAULT_FROM_EMAIL", "bookings@shop.example", []),
    ],
)
def test_check_of_production_finds_a_wrong_setting_and_shows_no_secret(production, name, value, identities):
    setattr(production, name, value)

    messages = run_checks(tags=["okpuja"], include_deployment_checks=True)

    assert sorted(m.id for m in messages) == identities
    assert all(any(word in m.msg for word in (name, "PUBLIC_URL", "DATABASE_URL")) for m in messages)
    assert "sandbox-secret" not in str(messages)


def test_check_of_a_developers_settings_finds_nothing_without_deploy(settings):
    settings.DEBUG = True

    assert found(deploy=False) == []


def test_every_check_has_a_case_here():
    ids = set(re.findall(r"okpuja\.[EW]\d+", (ROOT / "okpuja/checks.py").read_text()))

    cases = test_check_of_production_finds_a_wrong_setting_and_shows_no_secret.pytestmark[0].args[1]
    assert {identity for *_, identities in cases for identity in identities} == ids


@pytest.mark.django_db(transaction=True)
def test_check_deploy_of_production_settings_is_clean() -> None:
    phonepe = Sandbox("--client-secret", PRODUCTION["PHONEPE_CLIENT_SECRET"])
    try:
        settings = PRODUCTION | {"PHONEPE_BASE_URL": phonepe.base_url}
        done = manage("check", "--deploy", "--fail-level", "WARNING", **settings)
    finally:
        phonepe.close()

    clean = "System check identified no issues (0 silenced).\n"
    assert (done.returncode, done.stdout) == (0, clean), done.stderr
