"""What the project runs on: pinned with hashes, licensed, listed."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from itertools import chain

import pytest

from tests.processes import ROOT

REQUIREMENTS = ROOT / "requirements"
# What may be shipped with an MIT project by whoever runs it as a service.
WELCOME = re.compile(
    r"MIT|BSD|Apache|PSF|Python Software|MPL|Mozilla|ISC|LGPL|Lesser|PostgreSQL|CNRI", re.IGNORECASE
)


def inventory(what: str) -> str:
    command = [sys.executable, REQUIREMENTS / "inventory.py", what]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def pins(name: str) -> dict[str, str]:
    return dict(re.findall(r"^([A-Za-z0-9._-]+)==(\S+) \\$", (REQUIREMENTS / name).read_text(), re.MULTILINE))


@pytest.mark.parametrize("name", ["base.txt", "dev.txt", "conformance.txt", "telemetry.txt"])
def test_every_requirement_has_an_exact_version_and_hashes_and_no_address(name: str) -> None:
    text = (REQUIREMENTS / name).read_text()

    for block in re.split(r"\n(?=[A-Za-z0-9])", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)):
        assert re.match(r"[A-Za-z0-9._-]+==\S+ \\\n +--hash=sha256:[0-9a-f]{64}", block), block[:80]
    assert not re.search(r"https?://|--index-url|--find-links", text)


def test_the_page_of_licences_is_that_of_the_pins_and_each_licence_is_welcome() -> None:
    rows = re.findall(
        r"^\| (\S+) \| (\S+) \| (.*) \|$", (ROOT / "docs/licences.md").read_text(), re.MULTILINE
    )

    listed = {name: version for name, version, _ in rows if name not in ("Package", "---")}
    assert listed == pins("base.txt")
    assert [row for row in rows[1:] if not WELCOME.search(row[2])] == []
    assert inventory("licences").count("\n") == (ROOT / "docs/licences.md").read_text().count("\n")


def test_the_sbom_lists_every_pin_with_its_hashes() -> None:
    document = json.loads(inventory("sbom"))

    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    assert {one["name"]: one["version"] for one in document["components"]} == pins("base.txt")
    assert all(one["properties"] for one in document["components"])
    (root,) = document["dependencies"]
    assert sorted(root["dependsOn"]) == sorted(one["purl"] for one in document["components"])


def test_what_another_shop_installs_is_all_that_the_engine_imports() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    installed = {re.split(r"[^\w.-]", pin)[0].lower() for pin in named}
    ours = ("payments", "phonepe_pg", "phonepe_sandbox")
    imported = {
        name.partition(".")[0]
        for path in chain(*((ROOT / package).rglob("*.py") for package in ours))
        for node in ast.walk(ast.parse(path.read_text()))
        for name in _imported(node)
    }
    packages = packages_distributions()

    third = {name: packages[name] for name in imported - {*ours, *sys.stdlib_module_names}}

    # What a named package itself cannot do without comes along: asgiref with Django, yarl with aiohttp.
    along = {"asgiref", "yarl", "pydantic", "psycopg-pool", "markupsafe"}
    missing = {
        name: of
        for name, of in third.items()
        if not {one.lower().replace("_", "-") for one in of} & (installed | along)
    }
    assert missing == {}


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module] if isinstance(node, ast.ImportFrom) and node.module and not node.level else []
