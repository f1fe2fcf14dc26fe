"""Orders for load tests."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from cart.models import Cart
from payments.models import PaymentOrder
from tests.cart import rows

pytestmark = pytest.mark.django_db


def make(*arguments):
    said = StringIO()
    call_command("make_orders", *arguments, stdout=said)
    return said.getvalue().splitlines()


def test_unregistered_orders_are_due_at_once_and_as_old_as_asked():
    rows.package()
    before = timezone.now()

    said = make("1001", "--unregistered", "--age", "600")

    assert said == ["1000 of 1001", "1001 orders made: INITIATED, 600 s old, known to nobody."]
    assert Cart.objects.count() == 1001
    assert set(PaymentOrder.objects.values_list("status", "amount", "gateway_order_id", "pay_page_url")) == {
        ("INITIATED", 149900, "", "")
    }
    order = PaymentOrder.objects.order_by("pk").first()
    cart = Cart.objects.get(cart_id=order.cart_id)
    assert order.expires_at - order.created_at == timedelta(seconds=900)
    assert abs(order.created_at - (before - timedelta(seconds=600))) < timedelta(seconds=10)
    assert PaymentOrder.objects.due(timezone.now()).count() == 1001
    assert (order.snapshot["email"], order.snapshot["date"]) == (cart.email, cart.date.isoformat())


def test_closed_orders_are_not_due():
    rows.package()

    make("3", "--unregistered", "--status", "EXPIRED")

    assert list(PaymentOrder.objects.values_list("status", "next_check_at")) == [("EXPIRED", None)] * 3


def test_registered_orders_are_known_to_the_emulator(sandbox):
    rows.package()

    make("5", "--age", "30")

    ids = dict(PaymentOrder.objects.values_list("merchant_order_id", "gateway_order_id"))
    assert len(ids) == 5
    assert {name: sandbox.order(name)["orderId"] for name in ids} == ids
    assert {sandbox.order(name)["amount"] for name in ids} == {149900}


@pytest.mark.parametrize(
    ("changes", "arguments", "why"),
    [
        ({"PHONEPE_ENV": "production"}, ["2", "--unregistered"], "PHONEPE_ENV is production"),
        ({}, ["0", "--unregistered"], "at least 1"),
        ({}, ["2", "--unregistered", "--age", "-1"], "from 0 to"),
        ({}, ["2", "--unregistered", "--age", "99999999999"], "from 0 to"),
        ({"PHONEPE_BASE_URL": ""}, ["2"], "does not name the emulator"),
        ({"PHONEPE_BASE_URL": "https://api-preprod.phonepe.com/apis/pg-sandbox"}, ["2"], "does not name"),
        ({"PHONEPE_BASE_URL": "http://127.0.0.1:1/apis/pg-sandbox"}, ["2"], "Connection refused"),
    ],
)
def test_a_refusal_says_why_and_makes_nothing(settings, changes, arguments, why):
    rows.package()
    for name, value in changes.items():
        setattr(settings, name, value)

    with pytest.raises(CommandError, match=why):
        make(*arguments)

    assert (Cart.objects.count(), PaymentOrder.objects.count()) == (0, 0)


def test_an_empty_catalogue_is_explained():
    with pytest.raises(CommandError, match="seed_catalog"):
        make("1", "--unregistered")
