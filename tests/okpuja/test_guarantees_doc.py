"""`docs/guarantees.md` names tests; each of them exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.processes import ROOT

TEXT = (ROOT / "docs" / "guarantees.md").read_text()


def all_tests() -> str:
    return "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))


def test_every_test_function_that_the_guarantees_name_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", TEXT))

    defined = set(re.findall(r"def (test_\w+)\(", all_tests()))
    assert len(named) > 8
    assert named - defined == set()


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`([\w/]+\.py)`", TEXT))))
def test_every_file_that_the_guarantees_name_exists(path: str) -> None:
    assert Path(ROOT, path).exists()


def test_every_number_of_an_invariant_in_the_model_is_explained() -> None:
    used = set(re.findall(r'"(G\d+)\b', (ROOT / "tests/model/invariants.py").read_text()))

    assert used - set(re.findall(r"\| (G\d+) \|", TEXT)) == set()
