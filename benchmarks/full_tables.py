"""Copies of `payments_order` with millions of rows, each in a schema of its own, for as long as a measurement lasts.

All columns, constraints, indexes and storage options are the table's own; its triggers are left out (they
guard columns that a claim does not touch) and so is autovacuum, which would begin in the middle. A row is as
wide as a booked order's, without its snapshot.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql

from benchmarks import running

DUE = 10_000
HOT = 20 * DUE  # the due orders lie among the newest, as those of the last days do: every twentieth
HANDS = 2  # connections that fill at once
TABLE = "payments_order"

FILL = """
INSERT INTO payments_order (
    id, merchant_order_id, cart_id, amount, status, created_at, completed_at, expires_at, snapshot,
    gateway_order_id, gateway_state, pay_page_url, failure_code, payment_mode, utr, completed_by, fulfilment,
    fulfilment_reference, fulfil_attempts, attention, nudged_by, asks, next_check_at
)
SELECT
    n, 'OKP-' || to_char(at, 'YYMMDD') || '-' || substr(code, 1, 20), code || substr(code, 1, 4), 149900,
    CASE WHEN due THEN 'INITIATED' ELSE 'SUCCESS' END, at, CASE WHEN due THEN NULL ELSE at END,
    at + interval '15 min', '{}', 'OMO' || n, CASE WHEN due THEN 'PENDING' ELSE 'COMPLETED' END, '', '', 'UPI_QR',
    '405554491450', 'checker', CASE WHEN due THEN '' ELSE 'BOOKED' END,
    CASE WHEN due THEN '' ELSE 'BK-' || substr(code, 1, 8) END, 0, '', '', 3,
    CASE WHEN due THEN now() - random() * interval '10 min' END
FROM (
    SELECT n, md5(n::text) AS code, now() - (%(rows)s - n) * interval '3 s' AS at,
        n > %(rows)s - %(hot)s AND n %% (%(hot)s / %(due)s) = 0 AS due
    FROM generate_series(%(first)s::bigint, %(last)s) AS n
) AS made
"""


@contextmanager
def filled(sizes: Sequence[int]) -> Iterator[None]:
    """A schema `bench_ROWS` for each size; all of them are dropped afterwards."""
    with running.schemas(*map(schema, sizes)):
        for rows in sizes:
            _make(rows)
        yield


def schema(rows: int) -> str:
    """Where the table of so many rows is."""
    return f"bench_{rows}"


def _make(rows: int) -> None:
    with running.database() as connection:
        checks, indexes, options = _definitions(connection)
        _run(connection, "DROP SCHEMA IF EXISTS {0} CASCADE", rows)
        _run(connection, "CREATE SCHEMA {0}", rows)
        _run(
            connection,
            "CREATE TABLE {0}.payments_order (LIKE public.payments_order INCLUDING DEFAULTS)",
            rows,
        )
        for option in (*options, "autovacuum_enabled=off"):
            _run(connection, f"ALTER TABLE {{0}}.payments_order SET ({option})", rows)
        _fill(rows)
        connection.execute("SET maintenance_work_mem = '512MB'")
        for definition in indexes:
            connection.execute(definition.replace(f" ON public.{TABLE} ", f" ON {schema(rows)}.{TABLE} "))
        for name, definition in checks:
            _run(
                connection,
                f"ALTER TABLE {{0}}.payments_order ADD CONSTRAINT {name} {definition} NOT VALID",
                rows,
            )
        _run(connection, "ANALYZE {0}.payments_order", rows)


def _definitions(connection: psycopg.Connection[Any]) -> tuple[list[Any], list[str], list[str]]:
    """The real table's check constraints, indexes and storage options."""
    checks = connection.execute(
        "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE conrelid = 'public.payments_order'::regclass AND contype = 'c'"
    ).fetchall()
    indexes = connection.execute(
        "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename = 'payments_order'"
    ).fetchall()
    options = connection.execute(
        "SELECT unnest(reloptions) FROM pg_class WHERE oid = 'public.payments_order'::regclass"
    ).fetchall()
    return checks, [row[0] for row in indexes], [row[0] for row in options]


def _fill(rows: int) -> None:
    share = -(-rows // HANDS)
    with ThreadPoolExecutor(HANDS) as hands:
        list(
            hands.map(
                lambda first: _fill_some(rows, first, min(first + share - 1, rows)), range(1, rows + 1, share)
            )
        )


def _fill_some(rows: int, first: int, last: int) -> None:
    with running.database() as connection:
        _run(connection, "SET search_path = {0}, public", rows)
        connection.execute(
            FILL, {"rows": rows, "hot": min(HOT, rows), "due": DUE, "first": first, "last": last}
        )


def _run(connection: psycopg.Connection[Any], statement: str, rows: int) -> None:
    connection.execute(sql.SQL(statement).format(sql.Identifier(schema(rows))))  # type: ignore[arg-type]
