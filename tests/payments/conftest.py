"""Fixtures of the engine's tests: logs to read."""

from __future__ import annotations

import logging
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest


class Logs:
    """What was logged: each line's sentence and facts."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog

    @property
    def lines(self) -> list[dict[str, Any]]:
        found = (record.msg for record in self._caplog.records)
        return [line if isinstance(line, dict) else {"event": str(line)} for line in found]

    @property
    def text(self) -> str:
        return repr(self.lines) + self._caplog.text

    def count(self, sentence: str) -> int:
        return sum(line["event"] == sentence for line in self.lines)


@pytest.fixture
def logs(caplog: pytest.LogCaptureFixture) -> Logs:
    caplog.set_level(logging.INFO)
    return Logs(caplog)


@pytest.fixture
def plug(settings: Any) -> Callable[..., None]:
    """`plug("refuses", policy="hold")`: use functions of `tests.payments.shop`; `more` by the setting's key."""

    def plug(name: str, *, policy: str = "refund", after_watch: str = "release", **more: str) -> None:
        settings.PAYMENTS = {
            "FULFIL": f"tests.payments.shop.{name}",
            "PAYABLE": "tests.payments.shop.find",
            "UNFULFILLABLE": policy,
            "AFTER_WATCH": after_watch,
        } | {key: f"tests.payments.shop.{function}" for key, function in more.items()}

    return plug


@pytest.fixture
def own_shop(settings: Any) -> ModuleType:
    """The project in which the tests run: `own_shop.order(…)` its own fulfilment delivers, `own_shop.delivered(…)`."""
    return import_module(settings.TEST_SHOP)
