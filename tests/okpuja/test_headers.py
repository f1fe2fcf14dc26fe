"""The headers of every answer, as a process with production's settings sends them."""

from __future__ import annotations

from pathlib import Path

import pytest

from okpuja import browser
from tests.journeys import customer
from tests.ports import free_port
from tests.processes import web

pytestmark = pytest.mark.django_db(transaction=True)

BEHIND_TLS = {"X-Forwarded-Proto": "https", "Host": "shop.example"}
EVERYWHERE = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains; preload",
}
PATHS = ("/", "/accounts/login/", "/nothing/", "/api/catalog/", "/api/nothing/", "/admin/login/", "/api/docs")


@pytest.mark.parametrize("interface", ["asgi", "wsgi"])
def test_pages_errors_and_api_bear_the_headers_and_cookies_are_kept_close(
    tmp_path: Path, interface: str
) -> None:
    port = free_port()
    settings = {"PUBLIC_URL": "https://shop.example", "ALLOWED_HOSTS": "shop.example,127.0.0.1"}
    settings |= {"PHONEPE_BASE_URL": "", "DEBUG": "0"}
    with web(log=tmp_path / "web.log", port=port, interface=interface, **settings) as site:
        answers = {path: customer.call("GET", site + path, **BEHIND_TLS) for path in PATHS}
        in_clear = customer.call("GET", f"{site}/", Host="shop.example")
        forged_host = customer.call("GET", f"{site}/", **BEHIND_TLS | {"Host": "evil.example"})

    for path, answer in answers.items():
        assert {name: answer.headers[name] for name in EVERYWHERE} == EVERYWHERE, path
        csp = dict(one.split(" ", 1) for one in answer.headers["Content-Security-Policy"].split("; "))
        assert csp["script-src"] == csp["connect-src"] == "'self'"
        assert csp["default-src"] == csp["frame-ancestors"] == csp["base-uri"] == "'none'"
        assert csp["form-action"] == "'self' https://*.phonepe.com"
        assert csp["style-src"] == ("'self' 'unsafe-inline'" if path == "/api/docs" else "'self'")
    cookie = answers["/accounts/login/"].headers["Set-Cookie"]
    assert cookie.startswith("csrftoken=")
    assert {"Secure", "SameSite=Lax"} <= set(cookie.split("; "))
    assert (in_clear.status, in_clear.headers["Location"]) == (301, "https://shop.example/")
    assert forged_host.status == 400


@pytest.mark.parametrize(
    ("gateway", "targets"),
    [
        ("", ["'self'", "https://*.phonepe.com"]),
        ("https://api-preprod.phonepe.com/apis/pg-sandbox", ["'self'", "https://*.phonepe.com"]),
        ("http://127.0.0.1:8900/apis/pg-sandbox", ["'self'", "http://127.0.0.1:8900"]),
        ("https://phonepe.com.evil.example/apis/pg", ["'self'", "https://phonepe.com.evil.example"]),
    ],
)
def test_forms_may_lead_to_the_pay_pages_of_the_gateway_that_is_asked(
    gateway: str, targets: list[str]
) -> None:
    assert browser.policy(gateway)["form-action"] == targets


def test_session_cookie_is_secure_behind_tls_and_never_read_by_scripts(settings) -> None:
    assert settings.SESSION_COOKIE_HTTPONLY
    assert settings.SESSION_COOKIE_SAMESITE == "Lax"
