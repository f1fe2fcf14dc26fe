"""Programs of Debian that judge what lies under `deploy/`."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tests.missing import missing
from tests.processes import ROOT

DEPLOY = ROOT / "deploy"
PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"  # where a user's PATH may not lead


def run(program: str, *arguments: str | Path, package: str) -> subprocess.CompletedProcess[str]:
    """Run it. Without its Debian package the test is skipped, and in CI it fails."""
    found = shutil.which(program, path=PATH)
    if found is None:
        missing(f"{program} is missing; apt-get install --no-install-recommends {package}")
    command = [found, *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, "LC_ALL": "C"}
    )
