"""Between whole audits no question reads a table from end to end, the shop's as little as the engine's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from benchmarks.audit import TABLES, fill
from payments import audit
from payments.models import AuditRun, PaymentOrder
from tests.cart import rows

pytestmark = [pytest.mark.django_db, pytest.mark.okpuja]
ORDERS = 100_000


def read_whole(sql: str) -> set[str]:
    """Tables of many rows that PostgreSQL would read from end to end, or an index of all their rows."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_index JOIN pg_class ON oid = indexrelid WHERE indpred IS NOT NULL"
        )
        of_some_rows = {name for (name,) in cursor.fetchall()}
        cursor.execute("EXPLAIN (FORMAT JSON) " + sql.replace("%", "%%"), [])
        (told,) = cursor.fetchone()
    plan = json.loads(told)[0]["Plan"] if isinstance(told, str) else told[0]["Plan"]
    return {
        node["Relation Name"]
        for node in _nodes(plan)
        if node.get("Relation Name") in TABLES
        and node["Node Type"] != "Bitmap Heap Scan"  # the index scan below it says how much
        and "Index Cond" not in node
        and node.get("Index Name") not in of_some_rows
    }


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for below in node.get("Plans", ()):
        yield from _nodes(below)


def asked(last: AuditRun | None) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        found = audit.audit(repair=False, now=timezone.now(), last=last)
    assert found == []
    return [query["sql"] for query in captured.captured_queries]


def test_an_audit_of_what_was_touched_reads_no_table_from_end_to_end():
    package = rows.package()
    with connection.cursor() as cursor:
        fill(cursor.execute, ORDERS, puja=package.puja_id, package=package.pk)
    assert PaymentOrder.objects.count() == ORDERS

    whole = asked(None)
    lately = asked(AuditRun(at=timezone.now() - timedelta(minutes=5), broken={}))

    assert set().union(*map(read_whole, whole)) == set(TABLES)
    assert [(sql[:200], sorted(read)) for sql in lately if (read := read_whole(sql))] == []
    assert len(lately) > len(audit.questions())
