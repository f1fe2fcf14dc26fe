"""How long an audit takes among many orders: of everything, and of what was touched since the last one.

All tables that the engine's and the shop's questions read are filled: each order was paid and booked, one in
three seconds, up to this moment, with five events. Triggers and foreign keys are looked away from meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from statistics import median
from typing import Any

from benchmarks import running
from benchmarks.tables import Table, show

SIZES = (100_000,) if running.QUICK else (100_000, 1_000_000)
ROUNDS = 3
TABLES = (
    "payments_order", "payments_event", "cart_cart", "cart_slot", "cart_slothold", "bookings_booking",
)  # fmt: skip

# Each order has a slot of its own, which is one half hour of a puja.
MADE = """
WITH made AS (
    SELECT n, now() - (%(rows)s - n) * interval '3 s' AS at, md5(n::text)::uuid AS cart, 'OKP-' || md5(n::text) AS name,
        date '2026-01-01' + n / 48 AS day,
        time '00:00' + n %% 48 * interval '30 min' AS hour
    FROM generate_series(1, %(rows)s) AS n
)"""
FILL = (
    """INSERT INTO cart_cart (id, cart_id, package_id, date, time, name, email, phone, address, status, price_paise,
        created_at)
    SELECT n, cart, %(package)s, day, hour, 'Asha Rao', 'asha@example.com', '+919876543210', '12 Temple Road', 'BOOKED',
        149900, at FROM made""",
    """INSERT INTO cart_slot (id, puja_id, date, time, capacity, taken)
    SELECT n, %(puja)s, day, hour, 5, 1 FROM made""",
    """INSERT INTO cart_slothold (id, cart_id, slot_id, state, created_at, changed_at)
    SELECT n, cart::text, n, 'TAKEN', at, at FROM made""",
    """INSERT INTO bookings_booking (id, booking_id, cart_id, merchant_order_id, puja, package, date, time, name,
        email, phone, address, amount, created_at, confirmation_sent_at)
    SELECT n, 'BK-' || upper(lpad(to_hex(n), 8, '0')), cart::text, name, 'Ganesh Puja', 'Standard', day, hour,
        'Asha Rao', 'asha@example.com', '+919876543210', '12 Temple Road', 149900, at, at FROM made""",
    """INSERT INTO payments_order (id, merchant_order_id, cart_id, amount, status, created_at, completed_at, expires_at,
        snapshot, gateway_order_id, gateway_state, pay_page_url, failure_code, payment_mode, utr, completed_by,
        fulfilment, fulfilment_reference, fulfil_attempts, attention, nudged_by, asks)
    SELECT n, name, cart::text, 149900, 'SUCCESS', at, at, at + interval '15 min',
        jsonb_build_object('puja_id', %(puja)s::bigint, 'date', day, 'time', hour), 'OMO' || n, 'COMPLETED', '', '',
        'UPI_QR', '405554491450', 'checker', 'BOOKED', 'BK-' || upper(lpad(to_hex(n), 8, '0')), 0, '', '', 2
    FROM made""",
    """INSERT INTO payments_event (order_id, at, kind, source, from_status, to_status, detail)
    SELECT n, at, kind, 'checker', '', to_status, '{"state": "PENDING", "took_ms": 50}' FROM made
    CROSS JOIN (VALUES ('created', ''), ('moved', 'INITIATED'), ('answered', ''), ('moved', 'SUCCESS'),
        ('fulfilled', '')) AS told (kind, to_status) ORDER BY n""",
)


def fill(execute: Callable[..., Any], rows: int, *, puja: int, package: int) -> None:
    """So many booked orders in empty tables, by a database role that may look away from triggers."""
    execute("SET session_replication_role = replica")
    for statement in FILL:
        execute(MADE + statement, {"rows": rows, "puja": puja, "package": package})
    execute("SET session_replication_role = DEFAULT")
    execute("ANALYZE " + ", ".join(TABLES))


def main() -> dict[str, Any]:
    """At each size: fill the tables, then ask, all and lately in turn."""
    running.prepare_database()
    running.use_django()
    figures = {f"at_{rows}_rows": _at(rows) for rows in SIZES}
    show(*tables(figures))
    return figures


def _at(rows: int) -> dict[str, float]:
    try:
        with running.database() as connection:
            run: Any = connection.execute
            package, puja = run("SELECT id, puja_id FROM catalog_package ORDER BY id").fetchone()
            fill(run, rows, puja=puja, package=package)
            run("VACUUM " + ", ".join(TABLES))
        return _measured()
    finally:
        running.empty_database()


def _measured() -> dict[str, float]:
    from django.utils import timezone

    from payments import audit
    from payments.models import AuditRun

    took: dict[str, list[float]] = {"whole": [], "lately": []}
    for _ in range(ROUNDS):
        now = timezone.now()
        last = AuditRun(at=now - timedelta(minutes=5), broken={})
        for way, since in (("whole", None), ("lately", last)):
            began = time.perf_counter()
            assert audit.audit(repair=False, now=now, last=since) == []
            took[way].append(time.perf_counter() - began)
    whole_s, lately_s = median(took["whole"]), median(took["lately"])
    return {"whole_s": whole_s, "lately_s": lately_s, "time_ratio": lately_s / whole_s}


def tables(figures: dict[str, Any]) -> list[Table]:
    """A line for each size: both audits, and the part of the time."""
    rows = [
        (
            f"{int(name.split('_')[1]):,}",
            f"{one['whole_s']:.2f}",
            f"{one['lately_s']:.3f}",
            f"{one['time_ratio']:.2%}",
        )
        for name, one in figures.items()
    ]
    heads = ("orders, all booked", "whole audit, s", "audit of what was touched, s", "of the whole")
    note = f"Medians of {ROUNDS}; an order every 3 s, the last run 5 minutes ago."
    return [Table(heads, rows, note)]
