"""What PostgreSQL means to read for a question."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from django.db import connection

from benchmarks.audit import TABLES

MANY_ROWS = (*TABLES, "payments_webhook")


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
        if node.get("Relation Name") in MANY_ROWS
        and node["Node Type"] != "Bitmap Heap Scan"  # the index scan below it says how much
        and "Index Cond" not in node
        and node.get("Index Name") not in of_some_rows
    }


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for below in node.get("Plans", ()):
        if not _takes_its_first(node, below):
            yield from _nodes(below)


def _takes_its_first(node: dict[str, Any], below: dict[str, Any]) -> bool:
    """The highest or lowest of an index: one row is read, though the plan names no bound."""
    is_one = (node["Node Type"], node["Plan Rows"]) == ("Limit", 1)
    return is_one and "Index" in below["Node Type"] and "Filter" not in below
