"""What real processes write: one JSON object a line, with the request that caused it, on stdout and in `LOG_FILE`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.journeys import customer
from tests.ports import free_port
from tests.processes import checker, web
from tests.sandbox import Sandbox, wait_until

pytestmark = pytest.mark.django_db(transaction=True)


def lines(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def without_time(line: dict[str, Any]) -> dict[str, Any]:
    """Of a library's line each output takes the time for itself."""
    return {name: fact for name, fact in line.items() if name != "timestamp"}


@pytest.mark.parametrize("interface", ["wsgi", "asgi"])
def test_every_line_is_json_and_a_request_is_followed_into_the_job_that_it_caused(
    sandbox: Sandbox, tmp_path: Path, interface: str
) -> None:
    web_log, file, checker_log = tmp_path / "web.log", tmp_path / "okpuja.log", tmp_path / "checker.log"
    both = {"PHONEPE_BASE_URL": sandbox.base_url, "EMAIL_URL": f"file://{tmp_path}/mail"}
    with web(log=web_log, port=free_port(), interface=interface, LOG_FILE=str(file), **both) as site:
        cart_id = customer.fill_cart(site)
        order = customer.start_payment(site, cart_id)["merchant_order_id"]
        sandbox.decide(order)
        url = f"{site}/api/payments/verify-and-complete/"
        verified = customer.call(
            "POST", url, {"merchant_order_id": order}, **{"X-Request-ID": "from-nginx-1"}
        )
        asked = customer.call("GET", f"{site}/api/payments/cart/{cart_id}/status/?key=not-to-be-seen")
        hostile = customer.call("GET", f"{site}/nothing/", **{"X-Request-ID": "x" * 200})
        with checker(log=checker_log, **both):
            wait_until(lambda: "confirmation sent" in checker_log.read_text())

    told = lines(web_log)
    assert verified.headers["X-Request-ID"] == "from-nginx-1"
    mine = [line for line in told if line.get("request_id") == "from-nginx-1"]
    assert {"payment moved", "request answered"} <= {line["event"] for line in mine}
    (deferred,) = (line["jobs"] for line in mine if "jobs" in line)
    mailed = next(line for line in lines(checker_log) if line["event"] == "confirmation sent")
    assert [mailed["job"]] == deferred
    answered = {line["request_id"]: line for line in told if line["event"] == "request answered"}
    status = answered[asked.headers["X-Request-ID"]]
    assert status["path"] == f"/api/payments/cart/{cart_id[:8]}…/status/"
    assert (status["method"], status["status"], status["took_ms"] >= 0) == ("GET", 200, True)
    assert answered[hostile.headers["X-Request-ID"]]["status"] == 404
    assert "not-to-be-seen" not in web_log.read_text()
    assert "x" * 65 not in web_log.read_text()
    assert len(answered) == 5
    of_django = [line for line in told if not line["logger"].startswith("_granian")]
    assert [without_time(line) for line in of_django] == [without_time(line) for line in lines(file)]
