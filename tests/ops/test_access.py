"""Who sees which page: guests sign in, customers and staff without the right are refused, others read."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from ops import urls
from payments.models import PaymentEvent, PaymentOrder, Refund
from tests.cart import rows as cart_rows
from tests.ops import rows

pytestmark = pytest.mark.django_db

NEEDS = {
    "verify": "ops.verify_payment",
    "refund": "payments.add_refund",
    "book": "ops.book_anyway",
    "settle": "ops.settle_attention",
}
PERSONAL = ("Asha", "asha@example.com", "98765", "MG Road")
OF_AN_ORDER = ("order", "evidence", "evidence_json", *NEEDS)
PAGES = [pattern.name for pattern in urls.urlpatterns]
QUERIES = {"search": "?q=nobody", "day_csv": "?day=2026-11-24"}


def path_of(page: str, order: PaymentOrder) -> str:
    arguments = [order.merchant_order_id] if page in OF_AN_ORDER else []
    return reverse(f"ops:{page}", args=arguments) + QUERIES.get(page, "")


def state() -> tuple[object, ...]:
    """Everything that a page could have changed."""
    return (
        list(PaymentOrder.objects.order_by("pk").values()),
        PaymentEvent.objects.count(),
        Refund.objects.count(),
    )


@pytest.mark.parametrize("page", PAGES)
def test_page_for_a_guest_leads_to_the_sign_in_and_back(client, page):
    path = path_of(page, rows.undelivered(attention="unfulfillable"))

    answer = client.get(path)

    assert answer.status_code == 302
    assert answer["Location"].startswith("/accounts/login/?next=/ops/")


@pytest.mark.parametrize("page", PAGES)
def test_page_for_a_customer_is_refused(client, page):
    path = path_of(page, rows.undelivered(attention="unfulfillable"))
    client.force_login(cart_rows.customer())

    answer = client.get(path)

    assert (answer.status_code, "Only staff may see it." in answer.content.decode()) == (403, True)


@pytest.mark.parametrize("page", PAGES)
def test_page_for_staff_without_the_right_is_refused(signed_in, page):
    path = path_of(page, rows.undelivered(attention="unfulfillable"))
    every_other = [r for r in rows.ALL if r != NEEDS.get(page, rows.SEE)]

    answer = signed_in(*every_other).get(path)

    assert (answer.status_code, "lacks the right" in answer.content.decode()) == (403, True)


@pytest.mark.parametrize("page", PAGES)
def test_page_for_staff_with_the_right_is_shown_uncached_and_changes_nothing(signed_in, page):
    path = path_of(page, rows.undelivered(attention="unfulfillable"))
    before = state()

    answer = signed_in(rows.SEE, *([NEEDS[page]] if page in NEEDS else [])).get(path)

    assert (answer.status_code, state()) == (200, before)
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.parametrize("page", PAGES)
def test_page_has_nothing_inline_and_nothing_from_elsewhere(boss, page):
    rows.booked()

    text = boss.get(path_of(page, rows.mismatched())).content.decode()

    for word in ("style=", "<style", "onclick", "onload", "javascript:", "http://", "https://", "<script>"):
        assert word not in text


@pytest.mark.parametrize("page", NEEDS)
def test_step_without_a_csrf_token_is_refused_and_changes_nothing(page):
    order = rows.undelivered(attention="unfulfillable")
    client = Client(enforce_csrf_checks=True)
    client.force_login(rows.staff(*rows.ALL))
    before = state()

    answer = client.post(path_of(page, order), {"reason": "Because.", "sure": "yes"})

    assert (answer.status_code, state()) == (403, before)


@pytest.mark.parametrize("page", NEEDS)
def test_step_posted_without_the_right_changes_nothing(signed_in, page):
    order = rows.undelivered(attention="unfulfillable")
    before = state()

    answer = signed_in(*[r for r in rows.ALL if r != NEEDS[page]]).post(
        path_of(page, order), {"reason": "Because.", "sure": "yes"}
    )

    assert (answer.status_code, state()) == (403, before)


@pytest.mark.parametrize("page", [p for p in PAGES if p not in NEEDS])
def test_page_that_only_shows_takes_no_post(boss, page):
    answer = boss.post(path_of(page, rows.undelivered()))

    assert answer.status_code == 405


@pytest.mark.parametrize("page", OF_AN_ORDER)
def test_page_of_no_order_is_not_found(boss, page):
    answer = boss.get(reverse(f"ops:{page}", args=["OKP-nobody"]))

    assert answer.status_code == 404


def test_the_admins_page_of_an_order_names_no_customer_and_no_key_to_the_cart(signed_in):
    order = rows.booked()

    text = signed_in(rows.SEE).get(f"/admin/payments/paymentorder/{order.pk}/change/").content.decode()

    assert order.merchant_order_id in text
    assert [word for word in (*PERSONAL, order.cart_id) if word in text] == []
    assert f"{order.cart_id[:8]}…" in text


def test_the_admin_links_here_for_those_who_may_see(signed_in, client):
    client.force_login(rows.staff(name="clerk"))

    seen = [b'href="/ops/"' in c.get("/admin/").content for c in (signed_in(rows.SEE), client)]

    assert seen == [True, False]
