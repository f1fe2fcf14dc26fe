"""What a test needs and a machine may not have."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def missing(what: str) -> NoReturn:
    """Skip the test; in CI, where `.ci/run` has installed everything, fail it. `what` says how to get it."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)
