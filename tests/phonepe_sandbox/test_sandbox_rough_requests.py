"""Requests that no browser and no client sends: refused as a gateway would, without a word on stderr."""

import pytest

from tests.phonepe_sandbox.processes import emulator

MULTIPART = {"Content-Type": "multipart/form-data; boundary=x"}


@pytest.fixture(scope="module")
def one():
    with emulator() as one:
        yield one
        one.process.terminate()
        _, errors = one.process.communicate(timeout=10)
    assert errors == ""


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
@pytest.mark.parametrize(
    "path", ["/apis/pg-sandbox/checkout/v2/pay", "/apis/pg-sandbox/v1/oauth/token", "/apis/pg/nothing"]
)
def test_call_when_its_body_cannot_be_unpacked_then_a_gateway_refusal(one, path, encoding):
    authorization = f"O-Bearer {one.token()}"

    status, body = one.call(
        "POST", path, {"a": 1}, **{"Content-Encoding": encoding, "Authorization": authorization}
    )

    assert (status, body) == (400, {"errorCode": "PR000", "message": "Bad Request"})


@pytest.mark.parametrize("path", ["/faults", "/orders", "/settings"])
def test_control_call_when_its_body_cannot_be_unpacked_then_400(one, path):
    status, body = one.call("POST", f"/sandbox/api{path}", {}, **{"Content-Encoding": "gzip"})

    assert (status, "error" in body or "errorCode" in body) == (400, True)


@pytest.mark.parametrize("path", ["/sandbox/faults", "/sandbox/settings", "/sandbox/clock"])
def test_form_when_it_is_no_form_then_400_or_nothing_changes(one, path):
    before = one.control("GET", "/settings"), one.control("GET", "/faults"), one.control("GET", "/clock")

    status, _ = one.call("POST", path, {"x": "no parts"}, **MULTIPART)

    after = one.control("GET", "/settings"), one.control("GET", "/faults"), one.control("GET", "/clock")
    assert status in (303, 400)
    assert (after[:2], after[2]["offset"]) == (before[:2], before[2]["offset"])


@pytest.mark.parametrize("step", ["", "/upi", "/card", "/netbanking", "/bank"])
def test_pay_page_when_it_is_sent_no_form_then_nothing_is_paid(one, step):
    name = f"PAGE{step.replace('/', '-')}"
    page = one.pay(name)["redirectUrl"].removeprefix(one.url).replace("?", f"{step}?")

    status, _ = one.call("POST", page, {"outcome": "success"}, **MULTIPART)

    assert (status < 500, one.status(name)["state"]) == (True, "PENDING")
