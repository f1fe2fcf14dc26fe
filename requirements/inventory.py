"""What the services run on, as a page of licences or as an SBOM: `python requirements/inventory.py licences|sbom`.

Reads the pins of base.txt and what the installed packages say of themselves. Prints to stdout.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

PINS = Path(__file__).with_name("base.txt")
PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+) \\$")
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Package:
    """One pinned package; `licence` is "" for one that this platform does not install."""

    name: str
    version: str
    hashes: tuple[str, ...]
    licence: str
    homepage: str


def packages() -> Iterator[Package]:
    """The pins in their order."""
    blocks = re.split(r"\n(?=[A-Za-z0-9])", PINS.read_text())
    for block in blocks:
        if found := PIN.match(block.partition("\n")[0]):
            name, version = found.groups()
            licence, homepage = _told(name)
            yield Package(name, version, tuple(HASH.findall(block)), licence, homepage)


def _told(name: str) -> tuple[str, str]:
    """Licence and home page of an installed package."""
    try:
        told = metadata(name)
    except PackageNotFoundError:
        return "", ""
    classified = [
        c.rpartition(" :: ")[2] for c in told.get_all("Classifier") or [] if c.startswith("License ::")
    ]
    named = (
        told.get("License-Expression")
        or ", ".join(classified)
        or (told.get("License") or "").partition("\n")[0]
    )
    urls = dict(line.split(", ", 1) for line in told.get_all("Project-URL") or [])
    return named, told.get("Home-page") or next(iter(urls.values()), "")


def licences() -> str:
    """A Markdown page."""
    rows = [f"| {p.name} | {p.version} | {p.licence or 'not installed here'} |" for p in packages()]
    head = [
        "# Licences of what the services run on", "",
        "Made by `make licences` from the pins of `requirements/base.txt`, each of which bears its hashes; the tools",
        "of the tests (`requirements/dev.txt`) are not shipped. `make sbom` prints the same as CycloneDX.", "",
        "| Package | Version | Licence |", "|---|---|---|",
    ]  # fmt: skip
    return "\n".join([*head, *rows])


def sbom() -> str:
    """A CycloneDX 1.6 document, without a time or a serial number: the same pins give the same text."""
    components = [
        {
            "type": "library",
            "bom-ref": f"pkg:pypi/{p.name}@{p.version}",
            "name": p.name,
            "version": p.version,
            "purl": f"pkg:pypi/{p.name}@{p.version}",
            "licenses": [{"license": {"name": p.licence}}] if p.licence else [],
            # One for each file that may be installed: which of them is, depends on the platform.
            "properties": [{"name": "okpuja:sha256", "value": one} for one in p.hashes],
        }
        for p in packages()
    ]
    root = {"type": "application", "name": "okpuja-payments", "bom-ref": "okpuja-payments"}
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": root},
        "components": components,
        "dependencies": [{"ref": "okpuja-payments", "dependsOn": [one["bom-ref"] for one in components]}],
    }
    return json.dumps(document, indent=1)


if __name__ == "__main__":
    sys.stdout.write({"licences": licences, "sbom": sbom}[sys.argv[1]]() + "\n")
