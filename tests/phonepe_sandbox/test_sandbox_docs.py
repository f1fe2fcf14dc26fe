"""docs/sandbox.md against the code: every fault and switch is in it, every test it names exists."""

import ast
import re

from phonepe_sandbox import effects, webhooks
from phonepe_sandbox.faults import CALL_FAULTS, ORDER_FAULTS, WEBHOOK_FAULTS
from phonepe_sandbox.settings import RULES
from tests.phonepe_sandbox.processes import ROOT

TEXT = (ROOT / "docs" / "sandbox.md").read_text()


def rows(heading):
    """The cells of a section's table rows, without the head."""
    section = TEXT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [re.split(r" ?\| ?", line.strip("| ")) for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line] for line in lines[1:]]


def names_in(file):
    tree = ast.parse((ROOT / "tests" / "phonepe_sandbox" / file).read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_fault_table_holds_every_kind_once():
    told = [re.findall(r"`(\w+)`", row[0])[0] for row in rows("Faults")]
    of_webhooks = {
        re.findall(r"`(\w+)`", row[0])[0] for row in rows("Faults") if row[0].startswith("webhook:")
    }

    assert sorted(told) == sorted([*CALL_FAULTS, *ORDER_FAULTS, *WEBHOOK_FAULTS])
    assert of_webhooks == set(WEBHOOK_FAULTS)


def test_fault_table_names_the_fields_of_every_kind():
    fields = CALL_FAULTS | ORDER_FAULTS | WEBHOOK_FAULTS
    missing = [
        (kind, name)
        for row in rows("Faults")
        for kind in re.findall(r"`(\w+)`", row[0])
        for name in fields[kind]
        if f"`{name}`" not in row[1]
    ]

    assert missing == []


def test_fault_table_names_tests_that_exist_in_every_row():
    named = [re.findall(r"`(test_\w+\.py)::(test_\w+)`", row[-1]) for row in rows("Faults")]
    absent = [(file, name) for row in named for file, name in row if name not in names_in(file)]

    assert (absent, [row for row in named if not row]) == ([], [])


def test_every_kind_has_an_effect():
    in_api = {"token_life"}  # it decides how the token is made, not what becomes of the answer

    assert {*effects.INSTEAD, *effects.SPOILT} | in_api == set(CALL_FAULTS)
    assert set(webhooks.SPOILT) == set(WEBHOOK_FAULTS)


def test_switch_table_holds_every_switch():
    told = {name for row in rows("Switches") for name in re.findall(r"`(\w+)`", " ".join(row[1:]))}

    assert set(RULES) - told == set()
