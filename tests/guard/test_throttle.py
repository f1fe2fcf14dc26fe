"""Public doors under a hail of calls: 429 with `Retry-After`, shared by all processes, and never for PhonePe."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import NoReverseMatch, get_resolver, reverse

from guard import buckets, middleware
from guard.rules import DEFAULTS, WATCHED, rules
from tests import make
from tests.cart import rows as cart_rows
from tests.journeys import customer
from tests.ports import free_port
from tests.processes import web

pytestmark = pytest.mark.django_db

STRANGER = {"X-Forwarded-For": "198.51.100.1"}
OTHER = {"X-Forwarded-For": "198.51.100.2"}


@pytest.fixture
def limit(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Set some rules' numbers in this process, which has let nothing pass yet."""
    monkeypatch.setattr(middleware, "WINDOW_S", 1e9)  # no minute ends meanwhile

    def change(**calls: int) -> None:
        settings.THROTTLES = rules(calls)
        middleware._free.__init__()

    return change


def statuses(*responses: Any) -> list[int]:
    return [response.status_code for response in responses]


def poll(cart_id: object, **headers: str) -> Any:
    return Client().get(f"/api/payments/cart/{cart_id}/status/", headers=headers)


def pay(cart_id: object, **headers: str) -> Any:
    body = json.dumps({"cart_id": str(cart_id)})
    return Client().post("/api/payments/cart/", body, content_type="application/json", headers=headers)


def sign_in(username: str, password: str = "wrong", path: str = "/accounts/login/", **headers: str) -> Any:
    return Client().post(path, {"username": username, "password": password}, headers=headers)


# -- who is counted ------------------------------------------------------------------------


def test_status_of_one_cart_too_often_is_refused_as_the_contract_says_and_other_carts_are_not(limit):
    limit(status_per_cart=2)
    one, other = uuid4(), uuid4()

    first, second, third, fourth = [poll(one) for _ in range(4)]

    assert statuses(first, second, third, fourth) == [404, 404, 404, 429]  # 1 of 2 is free in each process
    assert fourth.json() == {
        "success": False,
        "code": "too_many_requests",
        "message": "Too many requests. Please wait a moment.",
    }
    assert 1 <= int(fourth["Retry-After"]) <= 30
    assert poll(other).status_code == 404


def test_status_asked_too_often_from_one_address_is_refused_and_other_addresses_are_not(limit):
    limit(status_per_address=2)

    answers = [poll(uuid4(), **STRANGER) for _ in range(3)]

    assert statuses(*answers) == [404, 404, 429]
    assert poll(uuid4(), **OTHER).status_code == 404
    assert poll(uuid4()).status_code == 404  # nobody knows whose call it is


def test_a_browser_that_comes_back_from_phonepe_too_often_is_shown_a_page(limit):
    limit(return_per_address=1)
    browser = Client(headers={"accept": "text/html,application/xhtml+xml,*/*;q=0.8"} | STRANGER)

    answers = [browser.get("/api/payments/return/OKP-nobody/") for _ in range(2)]

    assert statuses(*answers) == [404, 429]
    assert "Please wait a moment" in answers[1].content.decode()


def test_payment_started_too_often_for_a_cart_is_refused_whoever_asks(limit):
    limit(pay_per_cart=2)
    cart_id = uuid4()

    answers = [pay(cart_id, **{"X-Forwarded-For": f"198.51.100.{n}"}) for n in range(1, 4)]

    assert statuses(*answers) == [404, 404, 429]
    assert pay(uuid4(), **STRANGER).status_code == 404


@pytest.mark.parametrize(
    "body", [b"[]", b"{", b'{"cart_id": "\\ud800"}', b"[" * 4000, b'{"cart_id": "\\u0000"}']
)
def test_a_body_that_names_no_cart_is_left_to_the_view(limit, body):
    limit(pay_per_cart=1)

    response = Client().post("/api/payments/cart/", body, content_type="application/json")

    assert response.status_code in (400, 404, 422)


def test_a_forged_address_does_not_help(limit, settings):
    limit(carts_per_address=1)

    answers = [
        Client(REMOTE_ADDR="203.0.113.9").post(
            "/api/cart/",
            "{}",
            content_type="application/json",
            headers={"X-Forwarded-For": f"198.51.100.{n}"},
        )
        for n in range(3)
    ]

    assert statuses(*answers) == [422, 429, 429]


def test_the_normal_poller_is_counted_without_a_query(limit):
    limit()
    order = make.order(cart_id=str(cart_rows.cart().cart_id), age_s=0)

    with CaptureQueriesContext(connection) as queries:
        answers = [poll(order.cart_id, **STRANGER) for _ in range(30)]

    assert statuses(*answers) == [200] * 30
    assert queries.captured_queries
    assert [query["sql"] for query in queries if "guard_bucket" in query["sql"]] == []


def test_a_table_that_cannot_be_asked_refuses_nobody(limit, monkeypatch):
    def broken(*args: object, **kwargs: object) -> float:
        raise DatabaseError("no such table")

    limit(pay_per_cart=1)
    monkeypatch.setattr(buckets, "take", broken)
    cart_id = uuid4()

    assert statuses(pay(cart_id), pay(cart_id), pay(cart_id)) == [404] * 3


def test_the_webhook_is_never_refused_for_being_many(limit):
    limit(**dict.fromkeys(DEFAULTS, 1))
    headers = {"Authorization": customer.CREDENTIAL} | STRANGER

    answers = [
        Client().post(
            "/api/payments/webhook/phonepe/",
            json.dumps({"event": "x", "payload": {"n": n}}),
            content_type="application/json",
            headers=headers,
        )
        for n in range(10)
    ]

    assert statuses(*answers) == [200] * 10


def test_every_watched_door_is_a_view_and_every_rule_watches_one():
    names = set(WATCHED)
    known = {f"{space}:{name}" for space in get_resolver().namespace_dict for name in _names(space)}

    assert names - known == set()
    assert {rule for door in WATCHED.values() for rule in door} == set(DEFAULTS)
    with pytest.raises(NoReverseMatch):
        reverse("api:no_such_view")


def _names(space: str) -> set[str]:
    _, resolver = get_resolver().namespace_dict[space]
    return {name for name in resolver.reverse_dict if isinstance(name, str)}


# -- signing in ----------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/accounts/login/", "/admin/login/"])
def test_sign_in_tried_too_often_is_refused_even_with_the_right_password(limit, path):
    limit(sign_in_per_account=3)
    User.objects.create_user("asha", password="secret-123", is_staff=True)

    tries = [sign_in("asha", path=path) for _ in range(3)]
    right = sign_in("ASHA ", "secret-123", path=path)
    other = sign_in("ravi", path=path)

    assert statuses(*tries) == [200] * 3
    assert (right.status_code, other.status_code) == (429, 200)
    assert "Please wait a moment" in right.content.decode()
    assert int(right["Retry-After"]) > 200


def test_sign_in_of_one_address_does_not_lock_the_account_for_others(limit):
    limit(sign_in_per_account_and_address=3)
    User.objects.create_user("asha", password="secret-123")

    tries = [sign_in("asha", **STRANGER) for _ in range(4)]
    owner = sign_in("asha", "secret-123", **OTHER)

    assert statuses(*tries) == [200, 200, 200, 429]
    assert owner.status_code == 302


def test_sign_in_to_many_accounts_from_one_address_is_refused(limit):
    limit(sign_in_per_address=3)

    tries = [sign_in(f"user-{n}", **STRANGER) for n in range(4)]

    assert statuses(*tries) == [200, 200, 200, 429]


def test_the_sign_in_page_itself_may_be_read_as_often_as_wanted(limit):
    limit(sign_in_per_address=1)

    assert statuses(*[Client().get("/accounts/login/", headers=STRANGER) for _ in range(4)]) == [200] * 4


def test_neither_addresses_nor_accounts_stand_in_the_table(limit):
    sign_in("asha", **STRANGER)

    with connection.cursor() as cursor:
        cursor.execute("SELECT key FROM guard_bucket")
        keys = " ".join(key for (key,) in cursor.fetchall())

    assert keys.count("sign_in") == 3
    assert "asha" not in keys
    assert "198.51" not in keys


# -- several processes -----------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_two_web_processes_share_one_limit(tmp_path: Path) -> None:
    settings = {"THROTTLES": "pay_per_cart=10", "ALLOWED_HOSTS": "*"}
    body, another = {"cart_id": str(uuid4())}, {"cart_id": str(uuid4())}
    one = web(log=tmp_path / "1.log", port=free_port(), interface="wsgi", **settings)
    two = web(log=tmp_path / "2.log", port=free_port(), interface="asgi", **settings)
    with one as first, two as second, ThreadPoolExecutor(8) as pool:
        for site in (first, second):
            customer.call(
                "POST", f"{site}/api/payments/cart/", another
            )  # a site's first answer takes its time
        sites = [first, second] * 20
        answers = list(
            pool.map(lambda site: customer.call("POST", f"{site}/api/payments/cart/", body), sites)
        )

    assert Counter(answer.status for answer in answers) == {404: 10, 429: 30}
    assert all("Retry-After" in answer.headers for answer in answers if answer.status == 429)
    assert DEFAULTS["pay_per_cart"].window == timedelta(minutes=1)
