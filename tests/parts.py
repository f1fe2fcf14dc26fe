"""The whole suite, in parts that run beside each other: `python -m tests.parts`.

Most tests wait, for processes, pages and clocks: beside each other they take a third of the time, on two cores as well.
Each part has a PostgreSQL of its own under `var/test/`, where its log is as well; the log of one that fails is shown.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parent
LOGS = ROOT / "var/test"
AT_ONCE = 2
LONGEST_S = 3600
OTHER_SHOP = "othershop"
# The longest first. A folder that is in none of them belongs to the last.
PARTS = {
    "journeys": ("journeys",),
    OTHER_SHOP: (OTHER_SHOP,),
    "engine": ("payments", "model", "mutants", "bookings", "cart", "catalog", "guard"),
    "pages": ("browser", "storefront", "ops"),
    "processes": ("deploy", "openapi", "contract", "chaos"),
    "rest": (),
}


def main() -> int:
    """0 when every part passed."""
    LOGS.mkdir(parents=True, exist_ok=True)
    failed = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        runs = {pool.submit(_run, name): name for name in PARTS}
        for run in as_completed(runs):
            name, (code, took_s) = runs[run], run.result()
            log = _log(name).read_text(errors="replace")
            if code:
                failed.append(name)
                _tell(log)
            last = log.strip().splitlines()[-1] if log.strip() else "no output"
            _tell(f"{name}: {last.strip('= ')} ({took_s:.0f} s, {'failed' if code else 'passed'})\n")
    _tell(
        f"Failed: {', '.join(failed)}; see {LOGS.relative_to(ROOT)}/\n" if failed else "All parts passed.\n"
    )
    return 1 if failed else 0


def folders(name: str) -> list[str]:
    """The test folders of a part, below `tests/`."""
    named = {folder for part in PARTS.values() for folder in part}
    there = sorted({path.relative_to(TESTS).parts[0] for path in TESTS.glob("*/**/test_*.py")})
    return [folder for folder in there if folder in PARTS[name] or (name == "rest" and folder not in named)]


def _run(name: str) -> tuple[int, float]:
    """The exit code of one part, and how long it took."""
    of_other_shop = name == OTHER_SHOP
    what = (
        ["tests.othershop"]
        if of_other_shop
        else ["pytest", "--durations=10", *(f"tests/{one}" for one in folders(name))]
    )
    environment = os.environ | {"EMBEDDED_POSTGRES_DIR": f"var/test/{name}-postgres", "DATABASE_URL": ""}
    began = time.monotonic()
    with _log(name).open("w") as log:
        done = subprocess.run(
            [sys.executable, "-m", *what],
            cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT, check=False, timeout=LONGEST_S,
        )  # fmt: skip
    return done.returncode, time.monotonic() - began


def _log(name: str) -> Path:
    return LOGS / f"{name}.log"


def _tell(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
