"""Django's PostgreSQL backend, which sees a connection's end without asking the server."""

from __future__ import annotations

from select import POLLIN, poll

from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    """For `CONN_HEALTH_CHECKS`, which else costs every request a question of its own."""

    def is_usable(self) -> bool:
        """Whether nothing has arrived on the idle connection: what a server says unasked is its farewell."""
        if self.connection is None or self.connection.closed:
            return False
        waiting = poll()  # not select(), which knows no descriptor beyond 1023
        waiting.register(self.connection.fileno(), POLLIN)
        return not waiting.poll(0)
