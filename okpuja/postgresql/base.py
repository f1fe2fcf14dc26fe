"""Django's PostgreSQL backend, which sees a connection's end without asking the server."""

from __future__ import annotations

from select import select

from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    """For `CONN_HEALTH_CHECKS`, which else costs every request a question of its own."""

    def is_usable(self) -> bool:
        """Whether nothing has arrived on the idle connection: what a server says unasked is its farewell."""
        if self.connection is None or self.connection.closed:
            return False
        arrived, _, _ = select([self.connection.fileno()], [], [], 0)
        return not arrived
