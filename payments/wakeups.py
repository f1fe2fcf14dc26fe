"""`NOTIFY` and `LISTEN`: a reason to look sooner. Nothing depends on a notice being heard."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import psycopg
import structlog
from django.db import connection, connections

log = structlog.get_logger(__name__)

DUE = "payments_due"  # an order was created or hurried: checkers
CHANGED = "payments_changed"  # payload: the cart_id whose order moved: event streams
RECONNECT_S = 1.0


def notify(channel: str, payload: str = "") -> None:
    """Send a notice when the running transaction commits (at once without one)."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", [channel, payload])


def notify_many(channel: str, payloads: Sequence[str]) -> None:
    """As `notify`, once for each payload."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_notify(%s, payload) FROM unnest(%s::text[]) AS payload", [channel, list(payloads)]
        )


def connect_parameters() -> dict[str, Any]:
    """psycopg's arguments for a connection of one's own to Django's database."""
    parameters = connections["default"].get_connection_params()
    return {k: v for k, v in parameters.items() if k not in ("cursor_factory", "context")}


class Listener(threading.Thread):
    """Calls `on_notice` for every notice, from its own thread and connection, until stopped.

    A lost connection is made again after a second; whoever relies on notices alone has misread this module.
    """

    def __init__(self, channel: str, on_notice: Callable[[], None]) -> None:
        super().__init__(name=f"listen-{channel}", daemon=True)
        self._channel = channel
        self._on_notice = on_notice
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Ask the thread to end; it does within half a second."""
        self._stopping.set()

    def run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._listen()
            except psycopg.Error as error:
                log.warning("listening was interrupted", channel=self._channel, error=str(error).strip())
                self._stopping.wait(RECONNECT_S)

    def _listen(self) -> None:
        with psycopg.connect(**connect_parameters(), autocommit=True) as listening:
            listening.execute(f"LISTEN {self._channel}")
            self._on_notice()  # whatever was said while nobody listened
            while not self._stopping.is_set():
                for _ in listening.notifies(timeout=0.5):
                    self._on_notice()
