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


def sources_in(file):
    """Name → source of a file's tests, with their parameters."""
    text = (ROOT / "tests" / "phonepe_sandbox" / file).read_text()
    lines = text.splitlines()
    found = [
        node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return {node.name: "\n".join(lines[_first_line(node) - 1 : node.end_lineno]) for node in found}


def _first_line(function):
    return min(part.lineno for part in (function, *function.decorator_list))


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


def test_fault_table_names_tests_in_every_row_and_each_uses_the_fault():
    for row in rows("Faults"):
        kind = re.findall(r"`(\w+)`", row[0])[0]
        named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", row[-1])
        sources = [sources_in(file).get(name, "") for file, name in named]

        assert (kind, named != []) == (kind, True)
        assert (
            kind,
            [name for (_, name), source in zip(named, sources, strict=True) if not _uses(source, kind)],
        ) == (
            kind,
            [],
        )


def _uses(source, kind):
    """Whether a test adds a rule of the kind, or sets the switch that the row offers in its place."""
    switches = {"rps_limit": "max_rps", "wrong_credential": "webhook_auth", "flat": "refund_webhook_shape"}
    said = re.search(rf'"{kind}"', source)
    return bool(said) or f"{switches.get(kind)}=" in source


def test_every_kind_has_an_effect():
    in_api = {"token_life"}  # it decides how the token is made, not what becomes of the answer

    assert {*effects.INSTEAD, *effects.SPOILT} | in_api == set(CALL_FAULTS)
    assert set(webhooks.SPOILT) == set(WEBHOOK_FAULTS)


def test_switch_table_holds_every_switch():
    told = {name for row in rows("Switches") for name in re.findall(r"`(\w+)`", " ".join(row[1:]))}

    assert set(RULES) - told == set()
