"""What claims and put-backs leave behind in `payments_order`, by its autovacuum settings and fill factor.

5,000 due orders among 100,000 are claimed and put back again and again, by `claims` itself. The table is
vacuumed whenever autovacuum's own rule asks for it (`threshold + scale factor × rows` dead ones), at once and in
this process, so that the outcome does not depend on when the daemon wakes up. The settings take turns with rounds.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from benchmarks import full_tables, running
from benchmarks.tables import Table, show

ROWS, DUE, BATCH = 100_000, 5_000, 200
ROUNDS = 4 if running.QUICK else 16
THRESHOLD = 50  # autovacuum's own


@dataclass(slots=True)
class Setting:
    """One way to keep the table, and what was seen of it."""

    name: str
    fill: int
    scale: float
    claim_s: list[float] = field(default_factory=list)
    put_back_s: list[float] = field(default_factory=list)
    vacuum_s: list[float] = field(default_factory=list)
    dead: int = 0
    dead_most: int = 0

    @property
    def schema(self) -> str:
        return f"bench_vacuum_{self.fill}_{round(self.scale * 1000)}"


def settings() -> list[Setting]:
    """PostgreSQL's own, ours, and their neighbours."""
    return [
        Setting("PostgreSQL's defaults", 100, 0.2),
        Setting("scale factor 0.02", 100, 0.02),
        Setting("fill factor 80, 0.02", 80, 0.02),
        Setting("fill factor 50, 0.02", 50, 0.02),
    ]


def main() -> dict[str, Any]:
    """Fill a table for each setting, wear them all, and look at what is left."""
    running.prepare_database()
    running.use_django()
    tried = settings()
    with _tables(tried):
        _wear(tried)
        figures = {setting.schema: _figures(setting) for setting in tried}
    show(*tables(figures))
    return figures


def tables(figures: dict[str, Any]) -> list[Table]:
    """One line per setting."""
    heads = (
        "setting", "HOT updates", "most dead rows", "table MB", "due index MB", "claim of 200, ms", "put back, ms",
        "vacuums", "of ms",
    )  # fmt: skip
    rows = [
        (
            one["name"], f"{one['hot_share']:.0%}", f"{one['dead_most']:,}", f"{one['table_mb']:.1f}",
            f"{one['index_mb']:.2f}", f"{one['claim_ms']:.1f}", f"{one['put_back_ms']:.1f}", f"{one['vacuums']}",
            f"{one['vacuum_ms']:.0f}",
        )
        for one in figures.values()
    ]  # fmt: skip
    asks = ROUNDS * DUE
    return [Table(heads, rows, f"{asks:,} asks; the table began with {ROWS:,} rows, {DUE:,} of them due.")]


@contextmanager
def _tables(tried: list[Setting]) -> Iterator[None]:
    with running.schemas(*(setting.schema for setting in tried)):
        for setting in tried:
            _make(setting)
        yield


def _make(setting: Setting) -> None:
    with running.database() as connection:
        run: Any = connection.execute
        run(f"DROP SCHEMA IF EXISTS {setting.schema} CASCADE")
        run(f"CREATE SCHEMA {setting.schema}")
        run(f"SET search_path = {setting.schema}, public")
        for table in ("payments_order", "payments_event"):
            run(f"CREATE TABLE {setting.schema}.{table} (LIKE public.{table} INCLUDING ALL)")
            run(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
        run(f"ALTER TABLE payments_order SET (fillfactor = {setting.fill})")
        run(full_tables.FILL, {"rows": ROWS, "first": 1, "last": ROWS, "hot": 20 * DUE, "due": DUE})
        run("VACUUM (ANALYZE, FREEZE) payments_order")


def _wear(tried: list[Setting]) -> None:
    from django.utils import timezone

    begin = timezone.now() + timedelta(hours=1)
    for nth in range(ROUNDS * DUE // BATCH):
        now = begin + timedelta(hours=1, seconds=nth)
        for setting in tried:
            _ask_about_some(setting, now)
            if setting.dead > THRESHOLD + setting.scale * ROWS:
                _vacuum(setting)


def _ask_about_some(setting: Setting, now: datetime) -> None:
    from payments import claims
    from payments.states import Source

    _look_into(setting)
    began = time.perf_counter()
    claimed = claims.claim_due(now=now, limit=BATCH)
    taken = time.perf_counter()
    again = now + timedelta(seconds=DUE // BATCH)
    waiting = [claims.Waiting(order, _pending(now), Source.CHECKER, again) for order in claimed]
    begun = time.perf_counter()
    claims.put_back(waiting, now=now)
    setting.put_back_s.append(time.perf_counter() - begun)
    setting.claim_s.append(taken - began)
    setting.dead += 2 * len(claimed)
    setting.dead_most = max(setting.dead_most, setting.dead)


def _pending(now: datetime) -> Any:
    from payments.answers import Answer
    from phonepe_pg import OrderStatus

    body = {
        "state": "PENDING",
        "amount": 149900,
        "orderId": "OMO1",
        "expireAt": 1764000000000,
        "paymentDetails": [],
    }
    status = OrderStatus(
        order_id="OMO1", state="PENDING", amount_paise=149900, expire_at=None, detailed_error_code="", attempts=(),
        raw=body,
    )  # fmt: skip
    return Answer(asked_at=now, took_ms=50, status=status)


def _vacuum(setting: Setting) -> None:
    with running.database() as connection:
        run: Any = connection.execute
        began = time.perf_counter()
        run(f"VACUUM {setting.schema}.payments_order")
        setting.vacuum_s.append(time.perf_counter() - began)
    setting.dead = 0


def _figures(setting: Setting) -> dict[str, Any]:
    table = f"{setting.schema}.payments_order"
    with running.database() as connection:
        run: Any = connection.execute
        updated, hot = run(
            "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_all_tables WHERE relid = %s::regclass", [table]
        ).fetchone()
        (table_bytes,) = run("SELECT pg_relation_size(%s)", [table]).fetchone()
        (index_bytes,) = run(
            "SELECT pg_relation_size(indexrelid) FROM pg_index WHERE indrelid = %s::regclass"
            " AND pg_get_indexdef(indexrelid) LIKE '%%next_check_at%%WHERE%%'",
            [table],
        ).fetchone()
    late = len(setting.claim_s) // 2  # the second half: worn
    return {
        "name": setting.name,
        "hot_share": hot / max(1, updated),
        "dead_most": setting.dead_most,
        "table_mb": table_bytes / 2**20,
        "index_mb": index_bytes / 2**20,
        "claim_ms": median(setting.claim_s[late:]) * 1000,
        "put_back_ms": median(setting.put_back_s[late:]) * 1000,
        "vacuums": len(setting.vacuum_s),
        "vacuum_ms": sum(setting.vacuum_s) * 1000,
    }


def _look_into(setting: Setting) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(f"SET search_path = {setting.schema}, public")
