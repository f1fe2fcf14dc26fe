"""The examples are programs: run as a reader would run them, against the emulator process."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "create_and_wait.py"


@pytest.fixture
def example(sandbox_process):
    """The example under way, in development mode and with every warning an error."""
    sandbox_process.reset()
    program = subprocess.Popen(
        [sys.executable, "-X", "dev", "-W", "error", "-m", "examples.create_and_wait", "ORD-1", "149900"],
        cwd=ROOT,
        env=os.environ | {"PHONEPE_BASE_URL": sandbox_process.base_url, "PYTHONASYNCIODEBUG": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    yield program
    program.kill()
    program.communicate()


@pytest.mark.parametrize(("outcome", "told"), [("success", "COMPLETED"), ("cancel", "FAILED")])
def test_example_creates_a_payment_and_waits_for_its_end(sandbox_process, example, outcome, told):
    line = example.stdout.readline()
    assert line.startswith(f"Pay here: {sandbox_process.url}")
    if outcome == "success":
        sandbox_process.fault("status", "server_error", count=1)
    sandbox_process.decide("ORD-1", outcome)

    out, errors = example.communicate(timeout=20)

    assert (out.strip(), errors, example.returncode) == (told, "", 0)
    assert sandbox_process.calls()["pay"] == 1


def test_example_has_at_most_twenty_lines_of_code():
    source = EXAMPLE.read_text(encoding="utf-8")
    docstring = ast.parse(source).body[0]
    code = [
        line
        for number, line in enumerate(source.splitlines(), start=1)
        if number > docstring.end_lineno and line.strip() and not line.strip().startswith("#")
    ]

    assert len(code) <= 20
