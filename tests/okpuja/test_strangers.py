"""What strangers try: to be sent elsewhere, to make the server ask elsewhere, and to guess what is another's."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import get_resolver

from payments.models import PaymentOrder
from payments.states import Status
from tests import make
from tests.cart import rows
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db

ELSEWHERE = (
    "https://evil.example/",
    "//evil.example/",
    "///evil.example/",
    "/\\evil.example/",
    "\\\\evil.example/",
    "https:evil.example",
    "http:///evil.example/",
    "\thttps://evil.example/",
    " https://evil.example/",
    "https://testserver@evil.example/",
    "https://testserver.evil.example/",
    "javascript:alert(1)",
    "data:text/html,x",
)


# -- open redirects ------------------------------------------------------------------------


@pytest.mark.parametrize("elsewhere", ELSEWHERE)
@pytest.mark.parametrize(
    ("path", "home"), [("/accounts/login/", "/"), ("/admin/login/", "/"), ("/accounts/logout/", "/")]
)
def test_signing_in_or_out_leads_to_no_other_site(path: str, home: str, elsewhere: str) -> None:
    User.objects.create_user("asha", password="secret-123", is_staff=True)
    client = Client()
    if "logout" in path:
        client.force_login(User.objects.get())

    answer = client.post(path, {"username": "asha", "password": "secret-123", "next": elsewhere})

    assert (answer.status_code, answer["Location"]) == (302, home)


@pytest.mark.parametrize("elsewhere", ELSEWHERE)
def test_changing_the_language_leads_to_no_other_site(elsewhere: str) -> None:
    answer = Client().post(
        "/language/", {"language": "hi", "next": elsewhere}, headers={"Referer": elsewhere}
    )

    assert (answer.status_code, answer["Location"]) == (302, "/")


def test_no_page_takes_an_address_in_its_path() -> None:
    """Redirects are made of our own ids: a pattern that takes anything would let a path become a host."""
    converters = {
        type(converter).__name__
        for resolver in get_resolver().url_patterns
        for pattern in (resolver, *getattr(resolver, "url_patterns", []))
        if "admin" not in str(resolver.pattern)
        for converter in pattern.pattern.converters.values()
    }

    assert converters <= {"StringConverter", "UUIDConverter", "SlugConverter", "IntConverter"}


# -- requests of ours to elsewhere --------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_the_return_address_is_ours_whatever_the_request_says(sandbox: Sandbox, settings: Any) -> None:
    cart = rows.cart()
    body = {
        "cart_id": str(cart.cart_id),
        "redirect_url": "https://evil.example/",
        "redirectUrl": "//evil.example/",
    }

    Client().post(
        "/api/payments/cart/?next=https://evil.example/",
        json.dumps(body),
        content_type="application/json",
        headers={
            "Host": "evil.example",
            "X-Forwarded-Host": "evil.example",
            "Origin": "https://evil.example",
        },
    )

    order = PaymentOrder.objects.get()
    told = json.dumps(sandbox.order(order.merchant_order_id))
    assert f"{settings.PUBLIC_URL}/api/payments/return/{order.merchant_order_id}/" in told
    assert "evil.example" not in told


# -- guessed ids -----------------------------------------------------------------------------


def ask(client: Client, method: str, path: str, body: Any = None) -> tuple[int, bytes]:
    data = "" if body is None else json.dumps(body)
    answer = client.generic(method, path, data, content_type="application/json")
    content = b"".join(answer) if answer.streaming else answer.content
    return answer.status_code, content


@pytest.mark.django_db(transaction=True)  # the stream gives its connection back
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/cart/{}/"),
        ("GET", "/api/payments/cart/{}/status/"),
        ("GET", "/api/payments/cart/{}/events/"),
        ("POST", "/api/payments/cart/"),
    ],
)
@pytest.mark.parametrize("who", ["guest", "another customer"])
def test_a_customers_cart_is_to_others_as_one_that_is_not_there(who: str, method: str, path: str) -> None:
    cart = rows.cart(owner=rows.customer())
    make.order(cart_id=str(cart.cart_id))
    client = Client()
    if who != "guest":
        client.force_login(rows.customer("ravi"))
    missing = uuid4()

    theirs = ask(client, method, path.format(cart.cart_id), {"cart_id": str(cart.cart_id)})
    nobodys = ask(client, method, path.format(missing), {"cart_id": str(missing)})

    assert theirs == nobodys
    assert theirs[0] == 404


@pytest.mark.parametrize("path", ["/cart/{}/", "/cart/{}/pay/"])
def test_a_customers_cart_page_is_to_others_not_there(path: str) -> None:
    cart = rows.cart(owner=rows.customer())
    client = Client()
    client.force_login(rows.customer("ravi"))

    assert client.post(path.format(cart.cart_id)).status_code in (404, 405)
    assert client.get(path.format(cart.cart_id), follow=True).status_code == 404
    assert not PaymentOrder.objects.exists()


def test_waiting_and_failed_pages_show_no_personal_data() -> None:
    asha = rows.customer()
    waiting = make.order(cart_id=str(rows.cart(owner=asha).cart_id))
    failed = make.order(Status.CANCELLED, cart_id=str(rows.cart(owner=asha).cart_id), next_check_at=None)

    for path in (f"/payment-pending/{waiting.cart_id}", f"/payment-failed/{failed.cart_id}"):
        page = Client().get(path)
        text = page.content.decode()
        assert page.status_code == 200
        assert [word for word in ("Asha", "asha@", "98765", "Temple Road") if word in text] == []


def test_order_ids_cannot_be_counted_up() -> None:
    ids = {make.order().merchant_order_id.rsplit("-", 1)[1] for _ in range(50)}

    assert len(ids) == 50
    assert all(len(one) == 20 for one in ids)
    assert len({one[:8] for one in ids}) == 50
