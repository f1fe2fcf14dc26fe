"""Let old records go: audit trails of orders that are over, and webhooks; to a file first, if wanted.

A trail goes as a whole or not at all, and only when its order is closed, unwatched, undisputed and has not been
touched since the day in question; the order itself, its refunds and its booking stay for ever. The database
refuses to delete an event except here, and checks the order again itself (`payments_event_append_only`).

Each batch is a transaction of some milliseconds, so that nobody waits for it, and a run that was broken off is
simply run again. The file is written, and on the disk, before the batch is committed: a crash between the two
leaves a batch in the file twice (`id` tells), never nowhere.
"""

from __future__ import annotations

import fcntl
import gzip
import json
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, transaction
from django.db.models import Max, Min

from payments import inbox
from payments.models import PaymentEvent, WebhookDelivery

KEEP_WEBHOOK_DAYS = 90
WINDOW = 500  # orders whose trails are looked at in one transaction
GZIP, PIECE = 31, 1 << 18  # zlib's number for gzip; bytes that are looked at at once

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


class DamagedArchive(Exception):
    """The archive is no gzip file from some byte on: what lies behind may be all that is left of some records."""


class Archive:
    """A `.jsonl.gz` to which each batch is added as a gzip member of its own. Raises OSError, or DamagedArchive.

    What is there is read once, here: in a transaction it could take longer than one may rest.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._whole = _end_of_members(path, start=0) if path.exists() else 0  # bytes of whole members

    def keep(self, table: str, rows: Sequence[dict[str, Any]]) -> None:
        """Add rows of a table, a JSON object with `table` and its columns each; on the disk when this returns.

        Raises OSError, with the file as it was before, and DamagedArchive. A member that a crash broke off is cut
        away first: readers would stop at it, and its batch was not committed.
        """
        text = "".join(
            json.dumps({"table": table, **row}, cls=DjangoJSONEncoder, ensure_ascii=False) + "\n"
            for row in rows
        )
        with self._path.open("ab", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # what another run is just writing is not broken off
            if os.fstat(file.fileno()).st_size < self._whole:
                self._whole = 0  # the file was moved away, and this is another
            self._whole = _end_of_members(self._path, start=self._whole)
            file.truncate(self._whole)
            try:
                _write(file, gzip.compress(text.encode()))
            except BaseException:
                file.truncate(self._whole)
                raise


def _write(file: BinaryIO, member: bytes) -> None:
    rest = memoryview(member)
    while rest:  # a disk that is nearly full takes a part
        rest = rest[file.write(rest) :]
    os.fsync(file.fileno())


def _end_of_members(path: Path, *, start: int) -> int:
    """Where the last whole gzip member ends, looking from byte `start`, the end of one. Raises DamagedArchive."""
    end, member = start, zlib.decompressobj(wbits=GZIP)
    with path.open("rb") as file:
        file.seek(start)
        while piece := file.read(PIECE):
            while piece:
                try:
                    member.decompress(piece)
                except zlib.error as error:
                    raise DamagedArchive(f"{path} is no gzip file behind byte {end}: {error}") from error
                if not member.eof:
                    break
                piece = member.unused_data
                end, member = file.tell() - len(piece), zlib.decompressobj(wbits=GZIP)
    return end


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


def webhook_days() -> int:
    """For how many days webhooks are kept: `PAYMENTS["KEEP_WEBHOOK_DAYS"]`, 90 unless set."""
    return int(settings.PAYMENTS.get("KEEP_WEBHOOK_DAYS", KEEP_WEBHOOK_DAYS))


def ignore_parked(*, now: datetime) -> int:
    """Wait no longer for the orders that callbacks named before the late watch; how many callbacks.

    `inbox.catch_up` passes them over, and yet every checker would come by them at every tick until they are pruned.
    `replay_webhooks --order` still finds them.
    """
    watched_since = now - timedelta(hours=settings.LATE_WATCH_HOURS)
    parked = WebhookDelivery.objects.filter(
        state=WebhookDelivery.State.PARKED, received_at__lte=watched_since
    )
    return parked.update(state=WebhookDelivery.State.IGNORED)


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
