"""The state file (`--state FILE`): an SQLite database, every change of which is one transaction.

A process that is killed leaves either all of a change or none of it. Two emulators cannot use
one file at a time.
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from phonepe_sandbox.entries import Attempt, Failure, Json, Order, Plan, Refund
from phonepe_sandbox.journal import KEPT, Exchange
from phonepe_sandbox.offer import Offer
from phonepe_sandbox.webhooks import Delivery

VERSION = "phonepe_sandbox 1"
TABLES = """
CREATE TABLE IF NOT EXISTS machine (name TEXT PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS calls (name TEXT PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS exchanges (id INTEGER PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS deliveries (id INTEGER PRIMARY KEY, body TEXT NOT NULL);
"""
UPSERT = """
INSERT INTO orders (name, body) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET body = excluded.body
"""
UNSAVED = ("ended", "overtaken")  # of a delivery: they live in one process


class StateError(Exception):
    """The state file cannot be used; its text says which file and why."""


class Store:
    """Reads all once, then writes what changed."""

    def __init__(self, path: Path) -> None:
        """Open or make the file. Raises StateError."""
        self._path = path
        try:
            self._database = sqlite3.connect(path, timeout=0.5, isolation_level=None)
            self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
            # No fsync: it survives the end of the process, which is what is promised.
            self._database.execute("PRAGMA synchronous = OFF")
            self._database.execute("BEGIN EXCLUSIVE")
            self._check_version()
            self._database.execute("COMMIT")
            self._database.executescript(TABLES)
        except sqlite3.Error as error:
            raise self._trouble(error) from error

    def _check_version(self) -> None:
        known = self._database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        if not known:
            self._database.execute("CREATE TABLE machine (name TEXT PRIMARY KEY, body TEXT NOT NULL)")
            self._database.execute("INSERT INTO machine VALUES ('version', ?)", (json.dumps(VERSION),))
            return
        found = self.read("machine").get("version")
        if found != VERSION:
            raise sqlite3.DatabaseError(f"it is {found or 'no state of this program'}")

    def _trouble(self, error: Exception) -> StateError:
        return StateError(
            f"the state file {self._path} cannot be used: {error}. Name another one or move it away."
        )

    def close(self) -> None:
        self._database.close()

    # -- reading --------------------------------------------------------------------------

    def read(self, table: str) -> dict[Any, Any]:
        """Key → JSON value of a table, in the order of writing."""
        rows = self._database.execute(f"SELECT * FROM {table}")  # noqa: S608 - our own names
        return {row[0]: json.loads(row[-1]) for row in rows}

    def machine(self) -> Json:
        return self._decoded("machine", lambda entry: entry)

    def orders(self) -> Iterator[Order]:
        return iter(self._decoded("orders", _order).values())

    def calls(self) -> dict[str, Counter[str]]:
        return self._decoded("calls", Counter)

    def exchanges(self) -> Iterator[Exchange]:
        return iter(self._decoded("exchanges", _exchange).values())

    def deliveries(self) -> Iterator[Delivery]:
        return iter(self._decoded("deliveries", _delivery).values())

    def _decoded(self, table: str, decode: Any) -> dict[Any, Any]:
        """Raises StateError on anything that this program has not written."""
        try:
            return {key: decode(entry) for key, entry in self.read(table).items()}
        except (sqlite3.Error, ValueError, TypeError, KeyError, AttributeError) as error:
            raise self._trouble(error) from error

    # -- writing --------------------------------------------------------------------------

    def write(
        self,
        *,
        machine: Json,
        orders: Iterable[Order],
        calls: dict[str, Counter[str]],
        exchanges: Iterable[Exchange],
        deliveries: Iterable[Delivery],
    ) -> None:
        """Save what changed, all or nothing. Raises StateError, for example when the disk is full."""
        rows: dict[str, list[tuple[Any, ...]]] = {
            "INSERT OR REPLACE INTO machine VALUES (?, ?)": _pairs(machine),
            UPSERT: [(order.merchant_order_id, json.dumps(asdict(order))) for order in orders],
            "INSERT OR REPLACE INTO calls VALUES (?, ?)": _pairs(calls),
            "INSERT INTO exchanges (body) VALUES (?)": [(_text(entry),) for entry in exchanges],
            "INSERT INTO deliveries (body) VALUES (?)": [(_text(entry),) for entry in deliveries],
            "DELETE FROM exchanges WHERE id <= (SELECT max(id) FROM exchanges) - ?": [(KEPT,)],
            "DELETE FROM deliveries WHERE id <= (SELECT max(id) FROM deliveries) - ?": [(KEPT,)],
        }
        self._transact(rows)

    def clear(self) -> None:
        """Forget everything but the version. Raises StateError."""
        tables = ("orders", "calls", "exchanges", "deliveries")
        wiped: dict[str, list[tuple[Any, ...]]] = {f"DELETE FROM {table}": [()] for table in tables}  # noqa: S608
        self._transact({"DELETE FROM machine WHERE name <> 'version'": [()], **wiped})

    def _transact(self, statements: Mapping[str, Sequence[tuple[Any, ...]]]) -> None:
        try:
            self._database.execute("BEGIN")
            for statement, rows in statements.items():
                self._database.executemany(statement, rows)
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            self._database.rollback()
            raise self._trouble(error) from error


def _pairs(entries: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    return [(name, json.dumps(value)) for name, value in entries.items()]


def _text(entry: Exchange | Delivery) -> str:
    """Bytes go as latin-1, which knows every byte."""
    named = {f.name: getattr(entry, f.name) for f in fields(entry) if f.name not in UNSAVED}
    return json.dumps({k: v.decode("latin-1") if isinstance(v, bytes) else v for k, v in named.items()})


def _exchange(entry: Json) -> Exchange:
    raw = {name: entry[name].encode("latin-1") for name in ("request", "response")}
    return Exchange(**(entry | raw))


def _delivery(entry: Json) -> Delivery:
    return Delivery(**(entry | {"body": entry["body"].encode("latin-1"), "held_s": 0.0}))


def _order(entry: Json) -> Order:
    offer = Offer(**{name: tuple(values) for name, values in entry["offer"].items()})
    parts = {
        "offer": offer,
        "failure": _failure(entry["failure"]),
        "plan": entry["plan"] and Plan(*entry["plan"]),
        "attempts": [Attempt(**(one | {"failure": _failure(one["failure"])})) for one in entry["attempts"]],
        "refunds": [Refund(**one) for one in entry["refunds"]],
    }
    return Order(**(entry | parts))


def _failure(entry: list[str] | None) -> Failure | None:
    return None if entry is None else Failure(*entry)
