"""Each question of the auditor finds the break planted for it, and repairs what is safe."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from payments import audit, completion, inbox, refunds
from payments.models import AuditRun, PaymentEvent, PaymentOrder, Refund, WebhookDelivery
from payments.states import Attention, Source, Status
from tests import make
from tests.payments.settling import refusing

pytestmark = pytest.mark.django_db
last: AuditRun | None = None


@pytest.fixture(autouse=True, params=["whole", "lately"])
def shop(plug, request):
    """Each break is found by a whole audit, and by one of what was touched since the last run."""
    global last
    plug("delivers")
    last = AuditRun(at=timezone.now(), broken={}) if request.param == "lately" else None


def paid(**fields: Any) -> PaymentOrder:
    values = {
        "completed_at": timezone.now(),
        "fulfilment": "BOOKED",
        "next_check_at": None,
        "gateway_state": "COMPLETED",
    } | fields
    order = make.order(Status.SUCCESS, **values)
    PaymentEvent.objects.create(order=order, kind="moved", from_status="INITIATED", to_status="SUCCESS")
    return order


def opened(**fields: Any) -> PaymentOrder:
    order = make.order(**fields)
    PaymentEvent.objects.create(order=order, kind="moved", from_status="PENDING", to_status="INITIATED")
    return order


def refund(order: PaymentOrder, amount: int) -> Refund:
    return Refund.objects.create(order=order, amount=amount, reason="r", requested_by="t", state="COMPLETED")


def findings(*, repair: bool = False) -> list[tuple[str, str, str]]:
    found = audit.audit(repair=repair, now=timezone.now(), last=last)
    return sorted((f.question, f.merchant_order_id, f.repaired) for f in found)


def test_audit_of_healthy_orders_finds_nothing():
    now = timezone.now()
    opened(), paid(), paid(fulfilment="DUE", next_check_at=now)
    opened(status=Status.PENDING)
    refund(paid(fulfilment="UNFULFILLABLE"), 149900)
    paid(fulfilment="UNFULFILLABLE", attention=Attention.UNFULFILLABLE)
    completion.settle(opened().pk, make.answer("COMPLETED"), source=Source.CHECKER, now=now)
    completion.settle(opened().pk, make.answer("COMPLETED", amount=1), source=Source.CHECKER, now=now)

    assert findings() == []


def test_audit_finds_paid_without_delivery_and_delivers():
    order = paid(fulfilment="DUE", completed_at=timezone.now() - timedelta(minutes=11), next_check_at=None)

    found = findings()
    repaired = findings(repair=True)

    order.refresh_from_db()
    assert found == [("paid_without_delivery", order.merchant_order_id, "")]
    assert repaired == [("paid_without_delivery", order.merchant_order_id, "fulfilled again: BOOKED")]
    assert (order.fulfilment, findings()) == ("BOOKED", [])


def test_audit_whose_repair_of_one_order_fails_goes_on_with_the_next():
    late = {
        "fulfilment": "DUE",
        "completed_at": timezone.now() - timedelta(minutes=11),
        "next_check_at": None,
    }
    bad, good = paid(**late), paid(**late)

    with refusing(bad, "23514"):
        found = {name: done for _, name, done in findings(repair=True)}

    assert found == {
        bad.merchant_order_id: "could not be repaired: the log says why",
        good.merchant_order_id: "fulfilled again: BOOKED",
    }


@pytest.mark.parametrize(("amount", "state"), [(149900, "FAILED"), (100, "COMPLETED"), (None, "")])
def test_audit_finds_undeliverable_without_refund_and_puts_it_before_a_person(amount, state):
    order = paid(fulfilment="UNFULFILLABLE")
    if amount:
        Refund.objects.create(order=order, amount=amount, reason="r", requested_by="t", state=state)
    before = Refund.objects.count()

    found = findings(repair=True)

    order.refresh_from_db()
    assert found == [("undeliverable_without_refund", order.merchant_order_id, "put before a person")]
    assert (order.attention, Refund.objects.count(), findings()) == ("audit", before, [])
    assert order.events.latest("pk").detail["question"] == "undeliverable_without_refund"


def test_audit_leaves_alone_what_a_person_has_dealt_with():
    paid(fulfilment="UNFULFILLABLE", handled=Attention.UNFULFILLABLE)
    opened(gateway_state="COMPLETED", handled=Attention.AMOUNT_MISMATCH)

    assert findings() == []


def test_audit_finds_closed_and_still_held_and_ends_the_hold():
    orders = [
        opened(status=Status.FAILED, gateway_state="FAILED", holding=True, next_check_at=None),
        paid(holding=True),
    ]
    PaymentEvent.objects.create(order=orders[0], kind="moved", to_status="FAILED")
    opened(holding=True), opened(holding=True, gateway_state="PENDING")

    found = findings(repair=True)

    assert found == sorted(
        ("closed_and_still_held", order.merchant_order_id, "no longer held") for order in orders
    )
    assert findings() == []


def test_audit_finds_refund_failed_unseen_and_puts_it_before_a_person():
    order = paid()
    Refund.objects.create(order=order, amount=100, reason="r", requested_by="t", state="FAILED")
    Refund.objects.create(order=(retried := paid()), amount=100, reason="r", requested_by="t", state="FAILED")
    refund(retried, 100)

    found = findings(repair=True)

    assert found == [("refund_failed_unseen", order.merchant_order_id, "put before a person")]
    assert findings() == []


def test_audit_finds_closed_and_still_held_when_the_watch_is_over():
    order = make.order(Status.CANCELLED, holding=True, next_check_at=None)
    PaymentEvent.objects.create(order=order, kind="moved", to_status="CANCELLED")

    assert findings(repair=True) == [("closed_and_still_held", order.merchant_order_id, "no longer held")]
    assert findings() == []


def test_audit_leaves_alone_what_was_put_right_between_its_question_and_the_lock(monkeypatch):
    order = paid(gateway_state="PENDING")
    dealt_with = audit._was_dealt_with

    def put_right(*arguments: Any) -> bool:
        PaymentOrder.objects.filter(pk=order.pk).update(gateway_state="COMPLETED")
        return dealt_with(*arguments)

    monkeypatch.setattr(audit, "_was_dealt_with", put_right)

    found = findings(repair=True)

    order.refresh_from_db()
    assert (found[0][2], order.attention) == ("put right meanwhile", "")


def test_audit_finds_refund_left_alone_and_pursues_it():
    order = paid()
    refunds.request(
        order.merchant_order_id, amount_paise=None, reason="ill", requested_by="t", now=timezone.now()
    )
    pursued = findings()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET status = 'failed'")

    found = findings(repair=True)

    assert pursued == []
    assert found == [("refund_left_alone", order.merchant_order_id, "the refund is pursued again")]
    assert findings() == []


def test_audit_finds_webhook_left_behind_and_acts_on_it():
    order = opened()
    body = (
        f'{{"event":"checkout.order.completed","payload":{{"merchantOrderId":"{order.merchant_order_id}"}}}}'
    )
    delivery = inbox.receive(body.encode(), now=timezone.now())
    WebhookDelivery.objects.filter(pk=delivery.pk).update(
        state="received", received_at=timezone.now() - timedelta(minutes=11)
    )

    found = findings(repair=True)

    assert found == [("webhook_left_behind", order.merchant_order_id, "acted on 1 webhooks")]
    assert findings() == []


def test_run_notes_what_was_found_repairs_it_and_forgets_old_runs():
    order = paid(fulfilment="DUE", completed_at=timezone.now() - timedelta(minutes=11), next_check_at=None)
    AuditRun.objects.create(at=timezone.now() - timedelta(days=31), took_ms=1)

    first, second = audit.run(now=timezone.now()), audit.run(now=timezone.now())

    order.refresh_from_db()
    assert (first.findings, second.findings) == ({"paid_without_delivery": 1}, {})
    assert (order.fulfilment, AuditRun.objects.count()) == ("BOOKED", 2)


def test_audit_finds_two_deliveries_of_one_cart():
    one = paid()
    two = paid(cart_id=one.cart_id)

    assert findings() == sorted(("two_deliveries_of_one_cart", o.merchant_order_id, "") for o in (one, two))


def test_audit_finds_refunded_more_than_paid():
    order = paid()
    with make.unguarded():
        refund(order, 149900), refund(order, 1)

    assert findings() == [("refunded_more_than_paid", order.merchant_order_id, "")]


def test_audit_finds_gateway_says_paid_and_asks_again():
    order = opened(gateway_state="COMPLETED", next_check_at=timezone.now() + timedelta(hours=1))

    repaired = findings(repair=True)

    order.refresh_from_db()
    assert repaired == [("gateway_says_paid", order.merchant_order_id, "will be asked about again now")]
    assert order.next_check_at <= timezone.now()


def test_audit_finds_paid_without_evidence():
    order = paid(gateway_state="PENDING")

    found = findings(repair=True)

    assert found == [("paid_without_evidence", order.merchant_order_id, "put before a person")]


@pytest.mark.parametrize("status", [Status.PENDING, Status.INITIATED])
def test_audit_finds_open_and_unwatched_and_asks_again(status):
    order = (
        opened(next_check_at=None) if status == Status.INITIATED else make.order(status, next_check_at=None)
    )

    repaired = findings(repair=True)

    assert repaired == [("open_and_unwatched", order.merchant_order_id, "will be asked about again now")]
    assert PaymentOrder.objects.due(timezone.now()).get() == order


def test_audit_finds_overdue():
    order = opened(next_check_at=timezone.now() - timedelta(minutes=11))

    assert findings() == [("overdue", order.merchant_order_id, "")]


def test_audit_finds_moved_without_event():
    order = make.order(Status.EXPIRED)

    assert findings() == [("moved_without_event", order.merchant_order_id, "")]


EXTRA = (audit.Question("every_order", "None may exist.", "SELECT merchant_order_id FROM payments_order"),)


def test_audit_asks_the_shops_questions_as_well(settings):
    settings.PAYMENTS = settings.PAYMENTS | {"AUDIT": "tests.payments.test_audit.EXTRA"}
    order = opened()

    assert findings(repair=True) == [("every_order", order.merchant_order_id, "")]


def test_every_question_of_the_engine_has_a_test_here():
    tested = " ".join(name for name in globals() if name.startswith("test_audit_finds_"))

    assert [q.name for q in audit.QUESTIONS if q.name not in tested] == []
