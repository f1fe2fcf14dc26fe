"""One item's trouble never stops the next; the database's own trouble is the caller's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import structlog
from django.db import InterfaceError, OperationalError, connection

T = TypeVar("T")
log = structlog.get_logger(__name__)

LOCK_TIMEOUT = "2s"


def attempt(trouble: str, work: Callable[[], T], **facts: Any) -> T | None:
    """What `work` returns; None when it raised, which is logged as `trouble` with these `facts`.

    Raises OperationalError or InterfaceError when the connection is gone: then it would be so for every item.
    """
    try:
        return work()
    except (OperationalError, InterfaceError):
        if connection_is_gone():
            raise
        log.exception(trouble, **facts)  # a limit or a time-out: the connection is good for the next
    except Exception:
        log.exception(trouble, **facts)
    return None


def connection_is_gone() -> bool:
    """Whether this thread's connection to the database was lost; inside a transaction nothing of it stands then."""
    return connection.connection is None or connection.connection.closed


@contextmanager
def limited_waiting() -> Iterator[None]:
    """No statement in the block waits longer than `LOCK_TIMEOUT` for a lock. For a savepoint: raising undoes it."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    yield
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout TO DEFAULT")
