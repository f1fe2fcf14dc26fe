"""What strangers send and operators type: clear answers, and nothing lost."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.test import Client

from payments import checks, gateway
from payments.models import PaymentEvent, PaymentOrder, Refund
from payments.states import Status
from tests import make
from tests.sandbox import Sandbox

pytestmark = pytest.mark.django_db


def post(client: Client, path: str, body: str) -> tuple[int, Any]:
    answer = client.post(path, body, content_type="application/json")
    return answer.status_code, answer.json()


@pytest.mark.okpuja
@pytest.mark.parametrize("path", ["/api/cart", "/api/payments/cart", "/api/payments/verify-and-complete"])
def test_post_without_the_last_slash_is_answered_like_the_address_itself(client, path):
    assert post(client, path, "{}") == post(client, f"{path}/", "{}")


@pytest.mark.okpuja
def test_post_that_is_too_large_is_413_in_the_contracts_shape(client):
    status, told = post(client, "/api/cart/", "a" * 3_000_000)

    assert (status, told["success"], told["code"]) == (413, False, "too_large")


@pytest.mark.okpuja
@pytest.mark.parametrize("path", ["/api/payments/cart/x/events/", "/api/payments/return/x/"])
def test_post_to_an_address_that_is_only_read_is_405(path):
    answer = Client(enforce_csrf_checks=True).post(path)

    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")


def test_refund_is_refused_by_who_asks_before_what_is_asked(django_user_model):
    order = make.order()
    path = f"/api/payments/{order.merchant_order_id}/refunds/"
    customer = django_user_model.objects.create_user("asha")
    staff = django_user_model.objects.create_superuser("ravi")
    answers = []

    for user in (None, customer, staff):
        client = Client(enforce_csrf_checks=True)
        if user:
            client.force_login(user)
        status, told = post(client, path, json.dumps({"reason": ""}))
        answers.append((status, told["code"]))

    assert answers == [(401, "not_signed_in"), (403, "not_permitted"), (403, "not_permitted")]
    assert Refund.objects.count() == 0


@pytest.mark.parametrize(
    ("content_type", "body"),
    [("multipart/form-data", "{}"), ("application/x-www-form-urlencoded", "a&" * 1001)],
)
def test_refund_whose_body_is_a_broken_form_is_400(django_user_model, content_type, body):
    client = Client(enforce_csrf_checks=True)
    client.force_login(django_user_model.objects.create_superuser("ravi"))
    client.cookies["csrftoken"] = "0123456789abcdef" * 2  # without the header it is looked for in the body
    path = f"/api/payments/{make.order().merchant_order_id}/refunds/"

    answer = client.post(path, body, content_type=content_type)

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


@pytest.mark.parametrize("interval", ["nan", "inf", "0", "-1", "86401"])
def test_checker_with_an_interval_that_is_none_is_refused(interval):
    with pytest.raises(CommandError, match="--interval must be more than 0"):
        call_command("auto_complete_payments", "--continuous", "--interval", interval)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("table", ["payments_order", "payments_event", "payments_refund"])
def test_record_of_money_when_truncated_is_refused(table):
    order = make.order(Status.INITIATED)

    with pytest.raises(IntegrityError, match="never emptied") as refused:
        truncate_as_anybody(table)

    assert 'PGOPTIONS="-c payments.may_truncate=on -c payments.may_seed=on"' in str(refused.value)
    assert PaymentOrder.objects.filter(pk=order.pk).exists()
    assert PaymentEvent.objects.filter(order=order).exists()


def truncate_as_anybody(table: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL payments.may_truncate = 'off'")
        cursor.execute(f"TRUNCATE {table} CASCADE")


def test_deploy_check_names_the_credentials_that_phonepe_refuses(sandbox: Sandbox, settings):
    settings.PHONEPE_CLIENT_SECRET = "another-secret"

    found = checks.credentials_are_accepted(None)

    assert [error.id for error in found] == ["payments.E007"]
    assert "PHONEPE_CLIENT_ID, PHONEPE_CLIENT_SECRET or PHONEPE_CLIENT_VERSION" in found[0].msg
    assert "another-secret" not in found[0].msg


def test_deploy_check_is_content_with_credentials_that_phonepe_accepts(sandbox: Sandbox):
    assert checks.credentials_are_accepted(None) == []


def test_deploy_check_only_warns_when_phonepe_cannot_be_reached(settings):
    settings.PHONEPE_BASE_URL = "http://127.0.0.1:1"
    gateway.close()

    assert [found.id for found in checks.credentials_are_accepted(None)] == ["payments.W004"]
