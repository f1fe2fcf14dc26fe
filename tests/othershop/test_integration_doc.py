"""The guide's two pages quote this shop and name every setting."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from payments.defaults import DEFAULTS
from tests.processes import ROOT

PAGES = ("integration.md", "integration-running.md")
DOC = "\n".join((ROOT / "docs" / page).read_text() for page in PAGES)
SHOP = ROOT / "tests/othershop"
BLOCKS = re.findall(r"^```\w+\n(.*?)^```$", DOC, flags=re.MULTILINE | re.DOTALL)


def sources() -> list[Path]:
    return [file for file in SHOP.rglob("*") if file.is_file() and file.suffix in ("", ".py", ".sh")]


def test_every_block_is_found():
    assert len(BLOCKS) == DOC.count("```") // 2 >= 15


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.strip().splitlines()[0][:40])
def test_every_block_of_code_stands_in_this_shop_word_for_word(block):
    lines = block.rstrip("\n")

    assert [file for file in sources() if f"\n{lines}\n" in f"\n{file.read_text()}\n"] != []


def test_the_table_names_every_setting_and_its_default():
    rows = [row.split(" | ") for row in re.findall(r"^\| (`[A-Z].*)$", DOC, flags=re.MULTILINE)]
    named = {name: row[1] for row in rows for name in re.findall(r"`([A-Z_]+)`", row[0])}

    assert set(named) == set(DEFAULTS)
    for name, default in DEFAULTS.items():
        if default:
            assert named[name] == f"`{json.dumps(default)}`"


@pytest.mark.parametrize("target", re.findall(r"\]\(([^)#]+)[^)]*\)", DOC))
def test_every_link_leads_somewhere(target):
    assert (ROOT / "docs" / target).resolve().exists()
