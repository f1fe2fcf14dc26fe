"""Statements that must stand committed when the next line runs."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from django.db import connection, transaction


def one_statement() -> AbstractContextManager[object]:
    """A block of one statement that commits by itself; RuntimeError inside a transaction, as `durable` says it.

    BEGIN and COMMIT are two more round trips, and after each the thread waits for the interpreter's lock while
    another asks the gateway: of a sweep's turn they were half.
    """
    return transaction.atomic(durable=True) if connection.in_atomic_block else nullcontext()
