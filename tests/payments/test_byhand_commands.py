"""What a person does at the command line about an order that needs one."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from payments.management.commands import verify_payment
from payments.models import GatewayThrottle, PaymentEvent, PaymentOrder
from payments.states import Attention, Status
from tests import make

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def shop(plug):
    plug("delivers")


def paid(**fields: Any) -> PaymentOrder:
    values = {"completed_at": timezone.now(), "fulfilment": "BOOKED", "next_check_at": None} | fields
    return make.order(Status.SUCCESS, gateway_state="COMPLETED", **values)


def settle(order_id: str, by: str = "asha", reason: str = "The bank returned it.", **more: str) -> str:
    out = StringIO()
    call_command("settle_attention", order_id, by=by, reason=reason, stdout=out, **more)
    return out.getvalue()


def verify(order: PaymentOrder) -> tuple[int, str, str]:
    """Exit code, output and errors."""
    out, errors = StringIO(), StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("verify_payment", order.merchant_order_id, stdout=out, stderr=errors)
    return ended.value.code, out.getvalue().strip(), errors.getvalue().strip()


# -- settle_attention ---------------------------------------------------------------------


def test_settle_attention_of_what_has_become_something_else_meanwhile_is_refused():
    order = paid(attention=Attention.AMOUNT_MISMATCH, attention_at=timezone.now())

    with pytest.raises(CommandError, match="for another reason by now"):
        settle(order.merchant_order_id, seen="still_pending")

    order.refresh_from_db()
    assert order.attention == "amount_mismatch"


def test_settle_attention_takes_the_order_from_before_people_and_says_who_did():
    order = paid(attention=Attention.REFUND_FAILED, attention_at=timezone.now())

    told = settle(order.merchant_order_id)

    order.refresh_from_db()
    assert told == f"{order.merchant_order_id}: settled by asha (a refund failed).\n"
    assert (order.attention, order.handled) == ("", Attention.REFUND_FAILED)
    assert order.events.get(kind=PaymentEvent.Kind.ATTENTION).detail == {
        "why": "", "settled": "refund_failed", "by": "asha", "reason": "The bank returned it.",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("attention", "sentence"),
    [
        ("", "This order no longer needs attention."),
        (Attention.FULFILMENT_FAILED, "The money is in and nothing is booked: try to book again, or refund"),
    ],
)
def test_settle_attention_with_nothing_to_settle_says_why_and_exits_1(attention, sentence):
    order = paid(attention=attention, attention_at=timezone.now())

    with pytest.raises(CommandError, match=sentence) as refused:
        settle(order.merchant_order_id)

    assert refused.value.returncode == 1
    assert PaymentOrder.objects.get().attention == attention


def test_settle_attention_of_no_order_names_it_and_exits_4():
    with pytest.raises(CommandError, match="There is no order OKP-nobody") as refused:
        settle("OKP-nobody")

    assert refused.value.returncode == 4


@pytest.mark.parametrize(("by", "reason"), [("", "told"), (" ", "told"), ("asha", " ")])
def test_settle_attention_wants_a_name_and_a_reason(by, reason):
    order = paid(attention=Attention.REFUND_FAILED, attention_at=timezone.now())

    with pytest.raises(CommandError, match="must say something"):
        settle(order.merchant_order_id, by, reason)

    assert PaymentOrder.objects.get().attention == Attention.REFUND_FAILED


# -- verify_payment -----------------------------------------------------------------------


def test_verify_payment_of_a_paid_order_that_is_not_delivered_says_so(plug):
    plug("raises")
    order = paid(fulfilment="DUE", fulfil_attempts=2, next_check_at=timezone.now() + timedelta(hours=1))

    code, told, errors = verify(order)

    start = f"{order.merchant_order_id}: SUCCESS, paid and NOT delivered: the shop's function raised 3 times; tried"
    assert (code, errors) == (0, "")
    assert told.startswith(start)
    assert told.endswith("needs a person: paid, but delivering raises again and again")


def test_verify_payment_of_an_order_that_the_shop_refused_says_so():
    order = paid(fulfilment="UNFULFILLABLE", attention=Attention.UNFULFILLABLE, attention_at=timezone.now())

    code, told, _ = verify(order)

    assert code == 0
    assert told == (
        f"{order.merchant_order_id}: SUCCESS, paid and refused by the shop; needs a person:"
        " paid, cannot be delivered, and the policy is to hold the money"
    )


@pytest.mark.parametrize(("status", "code"), [(Status.INITIATED, 2), (Status.SUCCESS, 0)])
def test_verify_payment_of_an_order_that_another_process_holds_does_not_blame_phonepe(
    monkeypatch, status, code
):
    monkeypatch.setattr(verify_payment, "WAIT_S", 0.1)
    until = timezone.now() + timedelta(minutes=1)
    held = {"leased_until": until, "next_check_at": until}
    order = paid(fulfilment="DUE", **held) if status == Status.SUCCESS else make.order(status, **held)

    exit_code, _, errors = verify(order)

    assert exit_code == code
    assert errors == (
        "Another process is asking about this order or delivering it just now; look again in a moment."
    )


def test_verify_payment_when_phonepe_does_not_answer_says_so():
    order = make.order()

    code, told, errors = verify(order)  # nobody listens where the tests' settings lead

    assert (code, told) == (2, f"{order.merchant_order_id}: INITIATED")
    assert errors.startswith("PhonePe did not answer (")
    assert "cannot connect" in errors


def test_verify_payment_whose_call_was_not_made_gives_no_old_reason(monkeypatch):
    monkeypatch.setattr(verify_payment, "WAIT_S", 0.1)
    order = make.order()
    verify(order)
    GatewayThrottle.objects.update(blocked_until=timezone.now() + timedelta(minutes=1))

    _, _, errors = verify(order)

    assert errors == "PhonePe did not answer; the order stays watched."
