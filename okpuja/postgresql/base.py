"""Django's PostgreSQL backend, which sees a connection's end without asking the server."""

from __future__ import annotations

from datetime import UTC, datetime
from select import POLLIN, poll
from typing import Any

import psycopg
from django.db.backends.postgresql import base
from django.db.backends.postgresql.psycopg_any import BaseTzLoader
from psycopg.abc import Buffer
from psycopg.adapt import AdaptersMap


class Instants(BaseTzLoader):
    """Reads a `timestamptz` by Python's own parser, which is C; Django's takes ten times as long."""

    timezone = UTC

    def load(self, data: Buffer) -> datetime:
        try:
            return datetime.fromisoformat(str(data, "ascii"))
        except ValueError:
            return super().load(data)  # not as ISO writes it, or out of Python's range: its error says so


class DatabaseWrapper(base.DatabaseWrapper):
    """Connections whose health costs no question: kept ones by `CONN_HEALTH_CHECKS`, those of a pool when taken."""

    def is_usable(self) -> bool:
        """Whether the connection is open and quiet."""
        return self.connection is not None and _lives(self.connection)

    def get_connection_params(self) -> dict[str, Any]:
        params = super().get_connection_params()
        if self.timezone is UTC:
            params["context"] = AdaptersMap(params["context"])  # a copy: the original is everybody's
            params["context"].register_loader("timestamptz", Instants)
        return params

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """A living connection, from the pool where there is one.

        psycopg_pool's own check waits 1, 2, 4 … s after each dead connection that it meets, so after a restart of
        PostgreSQL a request that met two would run out of time. Raises psycopg.OperationalError when none can be had.
        """
        while True:
            connection = super().get_new_connection(conn_params)
            if self.pool is None or _lives(connection):
                return connection
            connection.close()
            self.pool.putconn(connection)  # which has another made in its place


def _lives(connection: psycopg.Connection[Any]) -> bool:
    """Whether nothing has arrived on an idle connection: what a server says unasked is its farewell."""
    if connection.closed:
        return False
    waiting = poll()  # not select(), which knows no descriptor beyond 1023
    waiting.register(connection.fileno(), POLLIN)
    return not waiting.poll(0)
