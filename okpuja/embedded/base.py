"""Django's PostgreSQL backend on the embedded server, started by whoever connects first."""

from __future__ import annotations

from typing import Any

import psycopg

from okpuja.embedded import server
from okpuja.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    """Connections that know where the embedded server's socket is, and start it when it is not there."""

    def get_connection_params(self) -> dict[str, Any]:
        self.settings_dict["HOST"] = server.start()
        return super().get_connection_params()

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        try:
            return super().get_new_connection(conn_params)
        except psycopg.OperationalError:
            # It ended between our look and our call, or a pool kept an old address.
            return super().get_new_connection({**conn_params, "host": server.start()})
