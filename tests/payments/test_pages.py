"""The return page, health and metrics."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from payments import audit, checkers, completion
from payments.models import Checker, PaymentOrder
from payments.states import Source, Status
from tests import make
from tests.at_once import at_once

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def shop(plug):
    plug("delivers")


def come_back(order: PaymentOrder, **how: Any) -> Any:
    return Client().get(f"/api/payments/return/{order.merchant_order_id}/", **how)


def settled(status: Status, **fields: Any) -> PaymentOrder:
    """An order that was asked about just now, so that nobody asks again."""
    paid = {"completed_at": timezone.now(), "fulfilment": "DUE"} if status == Status.SUCCESS else {}
    return make.order(status, **(paid | {"asked_at": timezone.now() + timedelta(seconds=2)} | fields))


@pytest.mark.parametrize("frontend", ["", "https://front.example"])
def test_return_of_a_customer_who_paid_books_and_leads_to_the_booking(sandbox, settings, frontend):
    settings.FRONTEND_URL = frontend
    order = make.order(gateway_order_id="")
    sandbox.register(
        {"merchantOrderId": order.merchant_order_id, "amount": order.amount, "state": "COMPLETED"}
    )

    response = come_back(order)

    order.refresh_from_db()
    assert (order.status, order.completed_by) == ("SUCCESS", "return")
    assert (response.status_code, response["Location"]) == (
        302,
        f"{frontend}/booking-success/{order.fulfilment_reference}",
    )
    assert "no-store" in response["Cache-Control"]


@pytest.mark.parametrize(
    ("status", "fields", "page"),
    [
        (Status.PENDING, {}, "payment-pending"),
        (Status.INITIATED, {}, "payment-pending"),
        (Status.SUCCESS, {"fulfilment": "DUE"}, "payment-pending"),
        (Status.SUCCESS, {"fulfilment": "UNFULFILLABLE"}, "payment-failed"),
        (Status.FAILED, {}, "payment-failed"),
        (Status.EXPIRED, {}, "payment-failed"),
        (Status.CANCELLED, {}, "payment-failed"),
    ],
)
def test_return_leads_to_the_page_that_tells_the_truth(status, fields, page):
    order = settled(status, **fields)

    response = come_back(order)

    assert (response.status_code, response["Location"]) == (302, f"/{page}/{order.cart_id}")


@pytest.mark.parametrize(
    ("status", "fields", "page"),
    [
        (Status.SUCCESS, {"fulfilment": "BOOKED", "fulfilment_reference": "ENR/1 ?#ज"}, "booking-success"),
        (Status.INITIATED, {"cart_id": "ENR/1 ?#ज"}, "payment-pending"),
        (Status.FAILED, {"cart_id": "ENR/1 ?#ज"}, "payment-failed"),
    ],
)
def test_return_quotes_what_the_shop_calls_it(status, fields, page):
    response = come_back(settled(status, **fields))

    assert response["Location"] == f"/{page}/ENR%2F1%20%3F%23%E0%A4%9C"


def test_return_is_open_to_anybody_and_leads_nowhere_else():
    order = settled(Status.FAILED)

    response = come_back(
        order,
        data={"next": "https://evil.example", "url": "//evil.example"},
        headers={"Host": "evil.example"},
    )

    assert response["Location"] == f"/payment-failed/{order.cart_id}"


@pytest.mark.okpuja
@pytest.mark.parametrize("unknown", ["OKP-nobody", "%00", "a%0Ab", "x" * 500])
def test_return_of_no_order_answers_404_in_the_contracts_shape(unknown):
    response = Client().get(f"/api/payments/return/{unknown}/")

    assert (response.status_code, response.json()["code"]) == (404, "not_found")


BROWSER = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"}


@pytest.mark.okpuja
def test_return_of_no_order_shows_a_browser_a_page():
    response = Client(headers=BROWSER).get("/api/payments/return/OKP-nobody/")

    assert (response.status_code, response["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert '<a class="button" href="/">' in response.text


@pytest.mark.okpuja
def test_return_by_another_method_says_so_to_a_browser_as_well():
    response = Client(headers=BROWSER).post("/api/payments/return/OKP-nobody/")

    assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")


def test_return_three_times_at_once_asks_once(sandbox):
    order = make.order(gateway_order_id="")
    sandbox.register({"merchantOrderId": order.merchant_order_id, "amount": order.amount})
    sandbox.fault("status", "latency", seconds=0.7)

    pages = [answer["Location"] for answer in at_once(*[lambda: come_back(order)] * 3)]

    assert pages == [f"/payment-pending/{order.cart_id}"] * 3
    assert sandbox.calls(order.merchant_order_id)["status"] == 1


def test_return_of_who_paid_since_another_page_has_asked_leads_to_the_booking(sandbox):
    order = make.order(gateway_order_id="")
    sandbox.register({"merchantOrderId": order.merchant_order_id, "amount": order.amount})
    completion.verify(order, source=Source.STATUS, within_s=5)
    sandbox.decide(order.merchant_order_id)

    response = come_back(order)

    order.refresh_from_db()
    assert response["Location"] == f"/booking-success/{order.fulfilment_reference}"


# -- health -------------------------------------------------------------------------------


@pytest.mark.okpuja
def test_healthz_answers_without_a_checker():
    assert Client().get("/healthz").status_code == 200


@pytest.mark.okpuja
@pytest.mark.parametrize(("seen_s", "status"), [(0, 200), (119, 200), (121, 503), (None, 503)])
def test_readyz_wants_a_checker_seen_in_its_last_two_intervals(seen_s, status):
    now = timezone.now()
    if seen_s is not None:
        seen_at = now - timedelta(seconds=seen_s)
        Checker.objects.create(name="host:1", started_at=now, seen_at=seen_at, interval_s=60)

    response = Client().get("/readyz")

    assert response.status_code == status
    assert response.json()["checker"] is (status == 200)


def test_beat_keeps_one_row_per_process_and_sign_off_removes_it():
    for _ in range(3):
        checkers.beat(interval_s=60, now=timezone.now())
    alive = len(checkers.alive(timezone.now()))

    checkers.sign_off()

    assert (alive, Checker.objects.count()) == (1, 0)


def test_metrics_tell_what_is_in_the_database():
    make.order(next_check_at=timezone.now() - timedelta(seconds=90))
    make.order(Status.EXPIRED, next_check_at=None, attention="still_pending")
    make.order(
        Status.SUCCESS,
        completed_at=timezone.now(),
        fulfilment="DUE",
        next_check_at=None,
    )

    text = Client().get("/metrics").content.decode()

    found = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert found['payments_orders{status="INITIATED"}'] == "1.0"
    assert found['payments_orders{status="CANCELLED"}'] == "0.0"
    assert found['payments_attention{why="still_pending"}'] == "1.0"
    assert (found["payments_due"], found["payments_checkers"]) == ("1.0", "0.0")
    assert 90 <= float(found["payments_overdue_seconds"]) < 100


def test_metrics_tell_what_the_last_audit_found():
    audit.run(now=timezone.now() - timedelta(minutes=4))
    make.order(Status.EXPIRED)  # moved without an event
    audit.run(now=timezone.now() - timedelta(minutes=2))

    text = Client().get("/metrics").content.decode()

    found = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert found['payments_audit_findings{question="moved_without_event"}'] == "1.0"
    assert found['payments_audit_findings{question="two_deliveries_of_one_cart"}'] == "0.0"
    assert 120 <= float(found["payments_audit_age_seconds"]) < 180


def test_metrics_on_an_empty_database_answer():
    text = Client().get("/metrics").content.decode()

    assert "payments_due 0.0" in text
