"""What `docs/frontend.md` gives to copy, by the names that stand before it."""

from __future__ import annotations

import re

from tests.processes import ROOT

TEXT = (ROOT / "docs" / "frontend.md").read_text(encoding="utf-8")
EXAMPLE = "https://pay.example"
NAMED_BLOCK = re.compile(
    r"\*\*`([^`]+)`\*\*[^*]*?\n\n```(?:html|tsx?|javascript)\n(.*?)^```$", re.MULTILINE | re.DOTALL
)
FILES: dict[str, str] = dict(NAMED_BLOCK.findall(TEXT))


def at(name: str, origin: str) -> str:
    """A file of the document, for the site at `origin`."""
    return FILES[name].replace(EXAMPLE, origin)
