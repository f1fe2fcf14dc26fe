"""`docs/security.md` names tests and numbers; the tests exist and the numbers are those of the code."""

from __future__ import annotations

import re

from guard.rules import DEFAULTS
from tests.processes import ROOT

TEXT = (ROOT / "docs" / "security.md").read_text()
THREATS = (
    "Forged webhook", "Replay", "Guessed ids", "Scraping", "Refund abuse", "A staff account is taken", "SSRF",
    "Leakage", "A dependency",
)  # fmt: skip


def test_every_test_that_the_threats_name_exists() -> None:
    everything = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))

    named = set(re.findall(r"`(test_\w+)`", TEXT))
    assert len(named) > 40
    assert named - set(re.findall(r"def (test_\w+)\(", everything)) == set()


def test_every_threat_has_a_mechanism_and_a_test() -> None:
    rows = [row.split(" | ") for row in TEXT.splitlines() if row.startswith("| **")]

    assert all(len(row) == 3 and len(row[1]) > 40 and "`test_" in row[2] for row in rows)
    assert [threat for threat in THREATS if not any(threat in row[0] for row in rows)] == []


def test_the_throttles_are_told_with_their_numbers() -> None:
    table = TEXT.partition("| Rule |")[2].partition("\n\n")[0]
    told: dict[str, int] = {}
    for row in re.findall(r"^\| (`.*?) \| (.*?) \|", table, re.MULTILINE):
        numbers = [int(number) for number in re.findall(r"\d+", row[1].replace("15 minutes", ""))]
        told |= dict(zip(re.findall(r"`(\w+)`", row[0]), numbers, strict=True))

    assert told == {name: rule.calls for name, rule in DEFAULTS.items()}
