"""The examples are programs: run as a reader would run them, against the emulator process."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "create_and_wait.py"


@pytest.fixture
def example(sandbox_process):
    """The example under way, with every warning an error (not `-X dev`: asyncio's debug mode also tells
    on stderr of callbacks that a busy machine made slow)."""
    sandbox_process.reset()
    program = subprocess.Popen(
        [
            *(sys.executable, "-W", "error", "-m", "examples.create_and_wait"),
            *("ORD-1", "149900", sandbox_process.base_url),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    yield program
    program.kill()
    program.communicate()


def link_of(example):
    line = example.stdout.readline()
    return line.removeprefix("Pay here: ").strip()


@pytest.mark.parametrize(("outcome", "told"), [("success", "COMPLETED"), ("cancel", "FAILED")])
def test_example_creates_a_payment_and_waits_for_its_end(sandbox_process, example, outcome, told):
    link = link_of(example)
    sandbox_process.decide("ORD-1", outcome)

    out, errors = example.communicate(timeout=20)

    assert (out.strip(), errors, example.returncode) == (told, "", 0)
    assert (link.startswith(sandbox_process.url), sandbox_process.calls()["pay"]) == (True, 1)


def test_example_when_the_gateway_stumbles_then_it_asks_again(sandbox_process, example):
    link_of(example)
    stumbles = [
        ("server_error", {}),
        ("html_200", {}),
        ("refused", {"code": "INVALID_MERCHANT_ORDER_ID"}),
        ("rate_limited", {}),
    ]
    for nth, (kind, fields) in enumerate(stumbles, start=1):
        sandbox_process.fault("status", kind, count=1, oneIn=nth, **fields)
    sandbox_process.decide("ORD-1", "success")

    out, errors = example.communicate(timeout=60)

    assert (out.strip(), errors, example.returncode) == ("COMPLETED", "", 0)
    assert sandbox_process.calls()["status"] == len(stumbles) + 1


@pytest.mark.parametrize(("fault", "fields"), [("amount_changed", {"amount": 100}), ("order_id_changed", {})])
def test_example_when_another_sum_or_order_was_paid_then_it_says_so(sandbox_process, example, fault, fields):
    link_of(example)
    sandbox_process.fault("status", fault, **fields)
    sandbox_process.decide("ORD-1", "success")

    out, errors = example.communicate(timeout=20)

    assert (out.strip(), errors, example.returncode) == ("MISMATCH", "", 0)


def test_example_is_a_short_file_of_at_most_twenty_lines_of_code():
    source = EXAMPLE.read_text(encoding="utf-8")
    docstring = ast.parse(source).body[0]
    lines = source.splitlines()
    code = [line for line in lines[docstring.end_lineno :] if line.strip()]

    assert (len(code) <= 20, len(lines) <= 26) == (True, True)
