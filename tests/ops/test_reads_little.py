"""Staff who look for one order among many have PostgreSQL read no table from end to end."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from benchmarks.audit import fill
from bookings.models import Booking
from cart.models import Cart
from ops import reconcile
from ops.timeline import timeline
from payments.models import PaymentOrder
from tests import make
from tests.cart import rows as shop
from tests.ops import rows
from tests.plans import read_whole

pytestmark = [pytest.mark.django_db, pytest.mark.okpuja]
ORDERS = 20_000
ADMIN = "/admin/payments/paymentorder/"
UTR, MAIL, PHONE = "999912345678", "bina@example.com", "+919000000001"

WEBHOOKS = """
    INSERT INTO payments_webhook (body_sha256, received_at, deliveries, event, merchant_order_id, merchant_refund_id,
        state, body)
    SELECT n, now(), 1, '', 'OKP-' || n, 'OKR-' || n, 'nudged', '{}' FROM generate_series(1, %(rows)s) AS n;
    ANALYZE payments_webhook;
"""


@pytest.fixture
def order() -> PaymentOrder:
    """One among many: booked, refunded, and with a UTR and a customer of its own."""
    package = shop.package()
    with connection.cursor() as cursor:
        fill(cursor.execute, ORDERS, puja=package.puja_id, package=package.pk)
        cursor.execute(WEBHOOKS, {"rows": ORDERS})
    order = PaymentOrder.objects.get(pk=ORDERS // 2)
    with make.unguarded():
        PaymentOrder.objects.filter(pk=order.pk).update(utr=UTR)
        for table in (Booking, Cart):
            table.objects.filter(cart_id=order.cart_id).update(email=MAIL, phone=PHONE)
    rows.refund(order, 100)
    return order


def whole_tables(captured: CaptureQueriesContext) -> list[tuple[str, list[str]]]:
    """Each captured question that reads a table whole, and which."""
    all_sql = [query["sql"].strip() for query in captured.captured_queries]
    asked = [sql for sql in all_sql if sql.startswith(("SELECT", "WITH"))]
    assert asked
    return [(sql, sorted(read)) for sql in asked if (read := read_whole(sql))]


def test_search_by_whatever_names_an_order_or_its_customer_reads_no_table_from_end_to_end(boss, order):
    named = [
        order.merchant_order_id, order.cart_id, order.fulfilment_reference, order.gateway_order_id, UTR,
        order.refunds.get().merchant_refund_id, MAIL.upper(), PHONE,
    ]  # fmt: skip

    with CaptureQueriesContext(connection) as captured:
        found = [boss.get("/ops/search/", {"q": text}).headers.get("Location") for text in [*named, "nobody"]]

    assert found == [f"/ops/orders/{order.merchant_order_id}/"] * len(named) + [None]
    assert whole_tables(captured) == []


def test_an_orders_timeline_reads_no_table_from_end_to_end(order):
    with CaptureQueriesContext(connection) as captured:
        timeline(order, None)

    assert whole_tables(captured) == []


def test_the_admins_search_finds_an_order_by_each_of_its_ids_and_reads_no_table_from_end_to_end(
    admin_client: Client, order: PaymentOrder
):
    refund = order.refunds.get().merchant_refund_id
    named = [order.merchant_order_id, order.cart_id, order.gateway_order_id, UTR, refund]

    with CaptureQueriesContext(connection) as captured:
        told = [admin_client.get(ADMIN, {"q": text}).content.decode() for text in named]

    assert [f">{order.merchant_order_id}</a>" in text for text in told] == [True] * len(named)
    assert whole_tables(captured) == []


def test_an_old_days_account_reads_that_days_payments_alone_and_finds_what_we_heard_of_days_later(order):
    noon = timezone.localtime().replace(hour=12) - timedelta(days=9)
    with make.unguarded():
        PaymentOrder.objects.filter(pk=order.pk).update(paid_at=noon)

    with CaptureQueriesContext(connection) as captured:
        report = reconcile.report(noon.date())

    assert [payment.merchant_order_id for payment in report.payments] == [order.merchant_order_id]
    assert whole_tables(captured) == []
