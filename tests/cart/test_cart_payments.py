"""The payment endpoints with real carts: whose they are, and which there are."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from cart import payable
from payments.models import PaymentOrder
from tests import make
from tests.cart import rows

pytestmark = pytest.mark.django_db(transaction=True)


def start(cart_id: str, client: Client) -> tuple[int, str]:
    answer = client.post("/api/payments/cart/", {"cart_id": cart_id}, content_type="application/json")
    return answer.status_code, answer.json().get("code", "")


@pytest.mark.parametrize("cart_id", ["nobody", "", "é", "a\0b", "../..", "x" * 64])
def test_start_for_no_cart_answers_404_and_makes_nothing(cart_id):
    assert start(cart_id, Client()) == (404, "not_found")
    assert PaymentOrder.objects.count() == 0


@pytest.mark.parametrize(
    ("owner", "caller", "status"),
    [
        (None, None, 200),
        (None, "other", 200),
        ("owner", None, 404),
        ("owner", "other", 404),
        ("owner", "owner", 200),
        ("owner", "staff", 200),
    ],
)
@pytest.mark.parametrize("frozen", ["as checkout freezes it", "by another system"])
def test_status_of_a_cart_is_shown_to_those_whose_cart_it_is(owner, caller, status, frozen):
    users = {
        name: User.objects.create_user(name, is_staff=name == "staff") for name in ("owner", "other", "staff")
    }
    cart = rows.cart(owner=users[owner] if owner else None)
    snapshot = payable.snapshot(cart) if frozen.startswith("as") else make.SNAPSHOT
    make.order(cart_id=str(cart.cart_id), age_s=5, snapshot=snapshot)
    client = Client()
    if caller:
        client.force_login(users[caller])

    answers = [
        client.get(f"/api/payments/cart/{cart.cart_id}/status/").status_code,
        start(str(cart.cart_id), client)[0],
    ]

    assert answers == [status, status]


@pytest.mark.parametrize("spelt", [str, lambda cart_id: str(cart_id).upper()])
def test_status_of_a_booked_guests_cart_costs_one_query_and_tells_all(spelt, django_assert_num_queries):
    cart = rows.cart()
    done = {"fulfilment": "BOOKED", "fulfilment_reference": "BK-12345678"}
    make.order(cart_id=str(cart.cart_id), snapshot=payable.snapshot(cart))
    PaymentOrder.objects.update(status="SUCCESS", completed_at=timezone.now(), **done)
    client = Client()
    client.get(f"/api/payments/cart/{cart.cart_id}/status/")  # compiles the query

    with django_assert_num_queries(1 if spelt is str else 4):
        told = client.get(f"/api/payments/cart/{spelt(cart.cart_id)}/status/").json()["data"]

    assert (told["payment_status"], told["booking_id"], told["cart_status"]) == (
        "SUCCESS",
        "BK-12345678",
        "BOOKED",
    )


def test_verify_of_an_order_that_lost_its_cart_to_another_tells_the_carts_own_status():
    cart = rows.cart()
    frozen = {"cart_id": str(cart.cart_id), "snapshot": payable.snapshot(cart)}
    loser = make.paid_order(**frozen)
    PaymentOrder.objects.filter(pk=loser.pk).update(fulfilment="UNFULFILLABLE")
    winner = make.paid_order(**frozen)
    PaymentOrder.objects.filter(pk=winner.pk).update(fulfilment="BOOKED", fulfilment_reference="BK-12345678")

    told = Client().post(
        "/api/payments/verify-and-complete/",
        {"merchant_order_id": loser.merchant_order_id},
        content_type="application/json",
    )

    assert (told.status_code, told.json()["data"]["cart_status"]) == (200, "BOOKED")
