"""One item's trouble never stops the next; the database's own trouble is the caller's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import structlog
from django.db import InterfaceError, OperationalError, connection

T = TypeVar("T")
log = structlog.get_logger(__name__)


def attempt(trouble: str, work: Callable[[], T], **facts: Any) -> T | None:
    """What `work` returns; None when it raised, which is logged as `trouble` with these `facts`.

    Raises OperationalError or InterfaceError when the connection is gone: then it would be so for every item.
    """
    try:
        return work()
    except (OperationalError, InterfaceError):
        if connection.connection is None or connection.connection.closed:
            raise
        log.exception(trouble, **facts)  # a limit or a time-out: the connection is good for the next
    except Exception:
        log.exception(trouble, **facts)
    return None
