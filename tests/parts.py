"""The whole suite, in parts that run beside each other: `python -m tests.parts`.

Most tests wait, for processes, pages and clocks: beside each other they take a third of the time, on two cores as well.
Each part has a PostgreSQL of its own under `var/test/`, where its log is as well; the log of one that fails is shown.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import tempfile
import time
from asyncio.subprocess import STDOUT, Process
from contextlib import suppress
from pathlib import Path

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parent
LOGS = ROOT / "var/test"
AT_ONCE = 2
LONGEST_S = 3600
END_S = 30  # a part that is interrupted ends what it has started
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


async def main() -> int:
    """0 when every part passed. Interrupted or terminated, it ends the parts and what they started."""
    LOGS.mkdir(parents=True, exist_ok=True)
    us = asyncio.current_task()
    assert us
    for ending in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(ending, us.cancel)
    places = asyncio.Semaphore(AT_ONCE)
    async with asyncio.TaskGroup() as group:
        runs = {name: group.create_task(_run(name, places)) for name in PARTS}
    failed = [name for name, run in runs.items() if run.result()]
    _tell(
        f"Failed: {', '.join(failed)}; see {LOGS.relative_to(ROOT)}/\n" if failed else "All parts passed.\n"
    )
    return 1 if failed else 0


def folders(name: str) -> list[str]:
    """What stands in `tests/` and belongs to a part, as pytest takes it."""
    named = {folder for part in PARTS.values() for folder in part}
    there = sorted({path.relative_to(TESTS).parts[0] for path in TESTS.rglob("test_*.py")})
    mine = [one for one in there if one in PARTS[name] or (name == "rest" and one not in named)]
    return [f"tests/{one}" for one in mine]


async def _run(name: str, places: asyncio.Semaphore) -> int:
    """Run one part and tell how it went; its exit code."""
    async with places:
        began = time.monotonic()
        code = await _exit_code(name)
    log = _log(name).read_text(errors="replace")
    if code:
        _tell(log)
    last = log.strip().splitlines()[-1] if log.strip() else "no output"
    took_s = time.monotonic() - began
    _tell(f"{name}: {last.strip('= ')} ({took_s:.0f} s, {'failed' if code else 'passed'})\n")
    return code


async def _exit_code(name: str) -> int:
    of_other_shop = name == OTHER_SHOP
    what = ["tests.othershop"] if of_other_shop else ["pytest", "--durations=10", *folders(name)]
    # Of its own as well: a pytest that starts closes the common folder to other users, and so to the PostgreSQL
    # that another part has in it.
    temporary = tempfile.mkdtemp(prefix=f"okpuja-{name}-")
    environment = os.environ | {
        "EMBEDDED_POSTGRES_DIR": f"var/test/{name}-postgres",
        "DATABASE_URL": "",
        "PYTEST_DEBUG_TEMPROOT": temporary,
    }
    with _log(name).open("w") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", *what,
            cwd=ROOT, env=environment, stdout=log, stderr=STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        async with asyncio.timeout(LONGEST_S):
            code = await process.wait()
        if not code:  # what a failed one has left may say why
            shutil.rmtree(temporary, ignore_errors=True)
        return code
    except TimeoutError:
        _tell(f"{name} took longer than {LONGEST_S} s.\n")
        return 1
    finally:
        await _end(process)


async def _end(process: Process) -> None:
    """Interrupt a part that still runs, with all it has started, and wait until it has tidied up."""
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):  # it may end at any moment
        os.killpg(process.pid, signal.SIGINT)
        with suppress(TimeoutError):
            async with asyncio.timeout(END_S):
                await process.wait()
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


def _log(name: str) -> Path:
    return LOGS / f"{name}.log"


def _tell(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(main()))
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit(130)
