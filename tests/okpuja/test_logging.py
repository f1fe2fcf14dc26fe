"""Log lines of a process: one JSON object each, on stdout or stderr and in `LOG_FILE`."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import UUID

import pytest

from okpuja.logging import shorten_cart_ids, stream
from tests.processes import manage

SAY = """
import logging, structlog
structlog.get_logger("ours").info("a thing happened", order="OKP-1", amount="₹1,499")
logging.getLogger("theirs").warning("said by %s", "a library")
try:
    1 / 0
except ZeroDivisionError:
    structlog.get_logger("ours").exception("a thing\\nfailed", object=object)
"""


def told(text: str) -> list[dict[str, str]]:
    """The lines without their time, which each output takes for itself."""
    return [{k: v for k, v in json.loads(line).items() if k != "timestamp"} for line in text.splitlines()]


CART = "0e4b6f0e-6d7c-4f0e-9a55-0b5f6f1f7f11"
SAY_CART = f"""
import logging, structlog
structlog.get_logger("ours").error("request failed", request_id="{CART}", path="/api/payments/cart/{CART}/status/")
logging.getLogger("theirs").error("Internal Server Error: %s", "/cart/{CART}/")
try:
    raise ValueError("Key (cart_id)=({CART}) already exists.")
except ValueError:
    structlog.get_logger("ours").exception("failed")
"""


@pytest.mark.django_db(transaction=True)
def test_no_line_holds_the_whole_id_of_a_cart_which_opens_it() -> None:
    done = manage("shell", "-v0", "-c", SAY_CART)

    assert done.stderr.count("0e4b6f0e…") == 3
    assert done.stderr.count(CART) == 1  # an id of a request, which a proxy gave it


@pytest.mark.parametrize("spelt", [CART, CART.upper(), CART.replace("-", ""), f"{CART[:20]}--{CART[20:]}"])
def test_an_id_is_shortened_however_an_address_spells_it(spelt: str) -> None:
    assert UUID(spelt) == UUID(CART)  # what opens the cart

    told = shorten_cart_ids(f"GET /api/cart/{spelt}/ of {spelt}")

    assert told == f"GET /api/cart/{spelt[:8]}…/ of {spelt[:8]}…"


@pytest.mark.parametrize(
    "text", ["OKP-261124-0123456789ABCDEF0123", "0" * 64, "2026-11-24T06:31:12.345678Z", "+919876543210"]
)
def test_what_is_no_id_of_a_cart_stays_whole(text: str) -> None:
    assert shorten_cart_ids(text) == text


@pytest.mark.django_db(transaction=True)
def test_ours_and_libraries_lines_are_json_and_stand_in_the_file_as_well(tmp_path: Path) -> None:
    log_file = tmp_path / "okpuja.log"

    done = manage("shell", "-v0", "-c", SAY, LOG_FILE=str(log_file))

    ours, theirs, failed = told(done.stderr)
    assert (ours["event"], ours["order"], ours["amount"]) == ("a thing happened", "OKP-1", "₹1,499")
    assert (ours["level"], ours["logger"]) == ("info", "ours")
    assert (theirs["event"], theirs["level"], theirs["logger"]) == ("said by a library", "warning", "theirs")
    assert "ZeroDivisionError" in failed["exception"]
    assert told(log_file.read_text()) == [ours, theirs, failed]
    assert done.stdout == ""


@pytest.mark.django_db(transaction=True)
def test_a_level_silences_what_is_below(tmp_path: Path) -> None:
    done = manage("shell", "-v0", "-c", SAY, LOG_LEVEL="ERROR")

    assert [json.loads(line)["level"] for line in done.stderr.splitlines()] == ["error"]


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["manage.py", "payment_status", "--json"], "stderr"),
        (["manage.py", "auto_complete_payments"], "stderr"),
        (["manage.py", "auto_complete_payments", "--continuous"], "stdout"),
        (["manage.py", "auto_complete_payments", "--continuous", "--json"], "stderr"),
        (["/venv/bin/granian", "okpuja.asgi:application"], "stdout"),
    ],
)
def test_a_commands_result_and_a_services_log_have_stdout_to_themselves(
    argv: list[str], expected: str
) -> None:
    assert stream(argv) == f"ext://sys.{expected}"
