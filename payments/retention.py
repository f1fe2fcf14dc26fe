"""Let old records go: audit trails of orders that are over, and webhooks; to a file first, if wanted.

A trail goes as a whole or not at all, and only when its order is closed, unwatched, undisputed and has not been
touched since the day in question; the order itself, its refunds and its booking stay for ever. The database
refuses to delete an event except here, and checks the order again itself (`payments_event_append_only`).

Each batch is a transaction of some milliseconds, so that nobody waits for it, and a run that was broken off is
simply run again. The file is written, and on the disk, before the batch is committed: a crash between the two
leaves a batch in the file twice (`id` tells), never nowhere.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, transaction
from django.db.models import Max, Min

from payments import inbox
from payments.models import PaymentEvent, WebhookDelivery

WINDOW = 500  # orders whose trails are looked at in one transaction

# FOR NO KEY UPDATE: nobody makes a move, and with it an event, of an order whose trail is just leaving.
OVER = """
SELECT o.id FROM payments_order o
WHERE o.id BETWEEN %(first)s AND %(last)s
    AND payments_order_is_over(o) AND o.created_at < %(before)s
    AND NOT EXISTS (SELECT FROM payments_event e WHERE e.order_id = o.id AND e.at >= %(before)s)
ORDER BY o.id FOR NO KEY UPDATE SKIP LOCKED
"""
LET_GO = """
DELETE FROM payments_event WHERE order_id = ANY (%(orders)s)
RETURNING id, order_id, at, kind, source, from_status, to_status, detail::text
"""
COUNT = f"SELECT count(*) FROM payments_event WHERE order_id IN ({OVER.replace('FOR NO KEY UPDATE SKIP LOCKED', '')})"  # noqa: S608
COLUMNS = ("id", "order_id", "at", "kind", "source", "from_status", "to_status", "detail")

Keep = Callable[[str, Sequence[dict[str, Any]]], None]


class Archive:
    """A `.jsonl.gz` to which each batch is added as a gzip member of its own, and is safe when `keep` returns."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def keep(self, table: str, rows: Sequence[dict[str, Any]]) -> None:
        text = "".join(
            json.dumps({"table": table, **row}, cls=DjangoJSONEncoder, ensure_ascii=False) + "\n"
            for row in rows
        )
        with self._path.open("ab") as file:
            file.write(gzip.compress(text.encode()))
            file.flush()
            os.fsync(file.fileno())


def forget(table: str, rows: Sequence[dict[str, Any]]) -> None:
    """In place of an archive."""


def prune_events(*, before: datetime, keep: Keep = forget) -> Iterator[tuple[int, float]]:
    """Delete old trails; after each batch, how many events it had and the share of orders looked through."""
    for first, last, share in _windows():
        yield _prune_window(first, last, before=before, keep=keep), share


def count_events(*, before: datetime) -> int:
    """How many events `prune_events` would delete now."""
    counted = 0
    for first, last, _ in _windows():
        with connection.cursor() as cursor:
            cursor.execute(COUNT, {"first": first, "last": last, "before": before})
            counted += cursor.fetchone()[0]
    return counted


def prune_webhooks(*, before: datetime, keep: Keep = forget) -> int:
    """Delete old callbacks as `inbox.prune` does; how many."""
    return inbox.prune(before=before, keep=lambda rows: keep(WebhookDelivery._meta.db_table, rows))


def _windows() -> Iterator[tuple[int, int, float]]:
    """Ranges of order ids that have events, in order; what was let go before is jumped over by the index."""
    ends = PaymentEvent.objects.aggregate(first=Min("order_id"), last=Max("order_id"))
    first, highest = ends["first"], ends["last"]
    while first is not None and first <= highest:
        last = min(first + WINDOW - 1, highest)
        yield first, last, last / highest
        following = PaymentEvent.objects.filter(order_id__gt=last).order_by("order_id", "id")
        first = following.values_list("order_id", flat=True).first()


@transaction.atomic(durable=True)
def _prune_window(first: int, last: int, *, before: datetime, keep: Keep) -> int:
    with connection.cursor() as cursor:
        cursor.execute(OVER, {"first": first, "last": last, "before": before})
        orders = [order_id for (order_id,) in cursor.fetchall()]
        if not orders:
            return 0
        cursor.execute("SELECT set_config('payments.may_prune', 'on', true)")
        cursor.execute(LET_GO, {"orders": orders})
        rows = [dict(zip(COLUMNS, row, strict=True)) for row in cursor.fetchall()]
        cursor.execute("SELECT set_config('payments.may_prune', '', true)")
    for row in rows:
        row["detail"] = json.loads(row["detail"])
    if rows:
        keep(PaymentEvent._meta.db_table, rows)
    return len(rows)
