"""Every step that a crash can fall between: each commit, each write outside a transaction, each call of PhonePe.

The engine is watched, not changed: Django's outermost `atomic` and single statements are wrapped, and the
pretend PhonePe announces its calls. `in_source` reads the same steps from the code, so that a step which no
scenario reaches is noticed.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from django.db import connection, transaction

T = TypeVar("T")

PAYMENTS = Path(__file__).resolve().parents[2] / "payments"
GATEWAY_CALLS = ("create_payment", "ask", "submit_ask", "refund", "refund_status")
WRITES = ("INSERT", "UPDATE", "DELETE", "WITH")
ONE_STATEMENT = "one_statement"  # `payments.durable`: commits without a transaction's `atomic`


class Crash(BaseException):
    """The process ends here, as by `kill -9`: no `except Exception` sees it."""


class Steps:
    """Notes each step that is passed and, when told to, dies at one of them."""

    def __init__(self) -> None:
        self.passed: list[str] = []
        self._left: int | None = None

    def die_at(self, number: int) -> None:
        """Crash at the `number`th step from now (0: the next)."""
        self._left = number

    def live(self) -> None:
        """Forget the wish to die."""
        self._left = None

    def around(self, site: str, what: str, action: Callable[[], T]) -> T:
        """Do it, with a step before and one after."""
        self._pass(f"{site}: before {what}")
        result = action()
        self._pass(f"{site}: after {what}")
        return result

    def _pass(self, name: str) -> None:
        self.passed.append(name)
        if self._left is None:
            return
        if self._left == 0:
            self._left = None
            raise Crash(name)
        self._left -= 1

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Announce commits and lone writes of this thread's connection while the block runs."""
        leave = transaction.Atomic.__exit__

        def watched(atomic: Any, kind: Any, error: Any, trace: Any) -> Any:
            if kind is not None or connection.savepoint_ids:
                return leave(atomic, kind, error, trace)
            site = _site(sys._getframe(1))
            try:
                self._pass(f"{site}: before commit")
            except Crash as crash:
                leave(atomic, Crash, crash, crash.__traceback__)
                raise
            leave(atomic, kind, error, trace)
            self._pass(f"{site}: after commit")
            return None

        transaction.Atomic.__exit__ = watched
        try:
            with connection.execute_wrapper(self._statement):
                yield
        finally:
            transaction.Atomic.__exit__ = leave

    def _statement(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if connection.in_atomic_block or not str(sql).lstrip().startswith(WRITES):
            return execute(sql, params, many, context)
        site = next(_sites_of_ours(), "")
        if not site:
            return execute(sql, params, many, context)
        return self.around(site, "write", lambda: execute(sql, params, many, context))


def in_source() -> set[str]:
    """The sites that the code of `payments` has: functions with a transaction of their own, and gateway calls."""
    found: set[str] = set()
    for path in sorted(PAYMENTS.glob("*.py")):
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef) and function.name != ONE_STATEMENT:
                name = f"payments.{path.stem}.{function.name}"
                found |= {name} if _has_durable(function) else set()
                found |= {f"gateway.{call}" for call in _gateway_calls(function)}
    return found


def _has_durable(function: ast.FunctionDef) -> bool:
    within = [*function.decorator_list, *(item for node in function.body for item in ast.walk(node))]
    calls = [node for node in within if isinstance(node, ast.Call)]
    return any(
        any(keyword.arg == "durable" for keyword in call.keywords)
        or (isinstance(call.func, ast.Attribute) and call.func.attr == ONE_STATEMENT)
        for call in calls
    )


def _gateway_calls(function: ast.FunctionDef) -> Iterator[str]:
    for node in ast.walk(function):
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id == "gateway"
            and node.attr in GATEWAY_CALLS
        ):
            yield node.attr


def _site(frame: Any) -> str:
    """Whose transaction ends: the decorated function's, or the one with the `with` block."""
    function = frame.f_locals.get("func")
    if frame.f_code.co_name == "inner" and function is not None:
        return f"{function.__module__}.{function.__qualname__}"
    return f"{frame.f_globals['__name__']}.{frame.f_code.co_qualname}"


def _sites_of_ours() -> Iterator[str]:
    frame: Any = sys._getframe(2)
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        if name.startswith("payments."):
            yield f"{name}.{frame.f_code.co_qualname}"
        frame = frame.f_back
