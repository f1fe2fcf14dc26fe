"""The emulator's books as tables beside ours, so that one SQL question can look at both."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import connection

TABLES = """
DROP TABLE IF EXISTS gateway_order, gateway_refund;
CREATE TEMP TABLE gateway_order (
    merchant_order_id text PRIMARY KEY, order_id text, state text, amount bigint, paid_paise bigint
);
CREATE TEMP TABLE gateway_refund (
    merchant_refund_id text PRIMARY KEY, merchant_order_id text, amount bigint, state text
);
"""


def lay_open(book: Iterable[dict[str, Any]]) -> None:
    """Fill `gateway_order` and `gateway_refund` (temporary, of this connection) with what the control API told.

    `paid_paise` is what the gateway says that it took; 0 when it took nothing.
    """
    orders, refunds = [], []
    for one in book:
        name = one["merchantOrderId"]
        paid = one["reportedAmount"] if one["state"] == "COMPLETED" else 0
        orders.append((name, one["orderId"], one["state"], one["amount"], paid))
        refunds += [(r["merchantRefundId"], name, r["amount"], r["state"]) for r in one["refunds"]]
    with connection.cursor() as cursor:
        cursor.execute(TABLES)
        cursor.executemany("INSERT INTO gateway_order VALUES (%s, %s, %s, %s, %s)", orders)
        cursor.executemany("INSERT INTO gateway_refund VALUES (%s, %s, %s, %s)", refunds)
        cursor.execute("ANALYZE gateway_order, gateway_refund")
