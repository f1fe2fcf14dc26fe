"""The Content-Security-Policy as Chromium enforces it: every page works, and an injected script does not."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import Shop, visit
from tests.browser.customer import go_to_pay
from tests.browser.test_ops import a_busy_day, sign_in
from tests.browser.test_pages import pages  # noqa: F401  a fixture

pytestmark = pytest.mark.browser


def test_admin_and_api_pages_break_no_rule_of_the_policy(browser: Browser, pages: Shop) -> None:  # noqa: F811
    order = a_busy_day()
    visitor = visit(browser, pages)
    sign_in(visitor, pages, superuser=True)
    page = visitor.page

    page.goto(f"{pages.url}/admin/")
    lists = [link.get_attribute("href") for link in page.locator("#content-main th a").all()]
    for path in [*lists, f"/admin/payments/paymentorder/{order.pk}/change/", "/admin/password_change/"]:
        page.goto(pages.url + path)
        expect(page.locator("#content")).to_be_visible()
        assert visitor.complaints == [], path
    visitor.screenshot("admin")
    page.goto(f"{pages.url}/api/docs")
    expect(page.get_by_text("/api/payments/cart/{cart_id}/status/")).to_be_visible()
    visitor.screenshot("api-docs")

    assert len(lists) > 8
    assert (visitor.complaints, visitor.foreign) == ([], [])


def test_admin_login_page_breaks_no_rule_of_the_policy(browser: Browser, pages: Shop) -> None:  # noqa: F811
    visitor = visit(browser, pages)

    visitor.page.goto(f"{pages.url}/admin/login/")

    expect(visitor.page.locator("#login-form")).to_be_visible()
    assert (visitor.complaints, visitor.foreign) == ([], [])


def test_an_injected_script_and_a_foreign_frame_are_refused_by_the_browser(
    browser: Browser,
    pages: Shop,  # noqa: F811
) -> None:
    visitor = visit(browser, pages)
    visitor.page.goto(pages.url)

    ran = visitor.page.evaluate(
        """async () => {
            const script = document.createElement('script');
            script.textContent = 'window.ran = true';
            document.body.append(script);
            const image = document.createElement('img');
            image.setAttribute('onerror', 'window.ran = true');
            image.src = 'data:,';
            document.body.append(image);
            await new Promise((done) => image.addEventListener('error', done));
            return Boolean(window.ran);
        }"""
    )

    assert ran is False
    assert sum("Content Security Policy" in text for text in visitor.complaints) == 2


def test_a_form_may_lead_to_the_pay_page_and_nowhere_else(browser: Browser, pages: Shop) -> None:  # noqa: F811
    visitor = visit(browser, pages)
    go_to_pay(visitor.page, pages)
    assert visitor.complaints == []
    visitor.page.goto(pages.url)

    visitor.page.evaluate(
        """() => {
            const form = document.createElement('form');
            form.action = 'https://elsewhere.example/';
            document.body.append(form);
            form.submit();
        }"""
    )

    visitor.page.wait_for_timeout(100)
    assert visitor.page.url.startswith(pages.url)
    (complaint,) = visitor.complaints
    assert re.search("form-action", complaint)
