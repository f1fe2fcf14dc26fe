"""The refund endpoint, as staff and everybody else meet it."""

from __future__ import annotations

from functools import partial

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from payments.models import PaymentOrder, Refund
from payments.states import Status
from tests import make
from tests.payments.calls import data, post, refusal

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def shop(plug):
    plug("delivers")


def staff(*permissions: str, is_staff: bool = True) -> Client:
    user = User.objects.create_user("staff", is_staff=is_staff)
    user.user_permissions.add(*Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def paid() -> PaymentOrder:
    return make.order(Status.SUCCESS, completed_at=timezone.now(), fulfilment="BOOKED", next_check_at=None)


def test_refund_by_staff_answers_201_with_the_refund():
    order = paid()

    made = data(
        post(f"{order.merchant_order_id}/refunds/", {"amount": 5000, "reason": "ill"}, staff("add_refund")),
        201,
    )

    refund = Refund.objects.get()
    assert made == {
        "merchant_refund_id": refund.merchant_refund_id,
        "merchant_order_id": order.merchant_order_id,
        "amount": 5000,
        "state": "DUE",
        "reason": "ill",
    }
    assert refund.requested_by == "staff"


def test_refund_that_is_asked_for_again_with_its_idempotency_key_is_made_once():
    order, boss = paid(), staff("add_refund")
    asked = partial(post, f"{order.merchant_order_id}/refunds/", {"amount": 5000, "reason": "ill"}, boss)

    first = data(asked(headers={"idempotency-key": "k1"}), 201)
    Refund.objects.update(state="COMPLETED")
    again, other = data(asked(headers={"idempotency-key": "k1"}), 201), data(asked(), 201)

    assert again == first | {"state": "COMPLETED"}
    assert other["merchant_refund_id"] != first["merchant_refund_id"]
    assert Refund.objects.count() == 2


@pytest.mark.parametrize(
    ("who", "answer"),
    [
        (None, (401, "not_signed_in")),
        ({"is_staff": False}, (403, "not_permitted")),
        ({}, (403, "not_permitted")),
    ],
)
def test_refund_by_anybody_else_is_refused_and_makes_nothing(who, answer):
    client = Client() if who is None else staff(**who)
    if who == {"is_staff": False}:
        User.objects.get().user_permissions.add(Permission.objects.get(codename="add_refund"))

    assert refusal(post(f"{paid().merchant_order_id}/refunds/", {"reason": "ill"}, client)) == answer
    assert Refund.objects.count() == 0


def test_refund_from_another_sites_page_is_refused_by_csrf():
    allowed = staff("add_refund")
    checking = Client(enforce_csrf_checks=True)
    checking.cookies = allowed.cookies

    assert refusal(post(f"{paid().merchant_order_id}/refunds/", {"reason": "ill"}, checking))[0] == 403
    assert Refund.objects.count() == 0


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ({"amount": 149901, "reason": "ill"}, (409, "not_refundable")),
        ({"amount": 0, "reason": "ill"}, (409, "not_refundable")),
        ({"amount": -1, "reason": "ill"}, (409, "not_refundable")),
        ({"amount": 10**30, "reason": "ill"}, (409, "not_refundable")),
        ({"amount": 14.5, "reason": "ill"}, (422, "invalid_request")),
        ({"amount": "all", "reason": "ill"}, (422, "invalid_request")),
        ({"reason": "x"}, (422, "invalid_request")),
        ({"reason": "x" * 201}, (422, "invalid_request")),
        ({"amount": 5}, (422, "invalid_request")),
    ],
)
def test_refund_with_a_bad_body_is_refused_and_makes_nothing(body, answer):
    assert refusal(post(f"{paid().merchant_order_id}/refunds/", body, staff("add_refund"))) == answer
    assert Refund.objects.count() == 0


def test_refund_whose_reason_holds_odd_characters_is_taken():
    order = paid()

    data(post(f"{order.merchant_order_id}/refunds/", {"reason": "ill\0 पंडित 🙏"}, staff("add_refund")), 201)

    assert Refund.objects.get().reason == "ill पंडित 🙏"


@pytest.mark.parametrize("unknown", ["OKP-nobody", "%00"])
def test_refund_of_no_order_answers_404(unknown):
    assert refusal(post(f"{unknown}/refunds/", {"reason": "ill"}, staff("add_refund"))) == (404, "not_found")


def test_refund_by_staff_of_all_that_is_left_ends_the_attention_that_waited_for_it():
    order = paid()
    PaymentOrder.objects.filter(pk=order.pk).update(attention="refund_failed", attention_at=timezone.now())

    post(f"{order.merchant_order_id}/refunds/", {"reason": "ill"}, staff("add_refund"))

    order.refresh_from_db()
    assert (order.attention, order.refunds.count()) == ("", 1)
