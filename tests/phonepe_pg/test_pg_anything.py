"""Whatever the gateway answers: a result or one of the client's errors, never a payment out of thin air."""

import asyncio
import copy
import json
import pickle

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from phonepe_pg import Client, Hosts, PhonePeError, read_webhook, wire
from phonepe_pg.answers import Answer
from phonepe_pg.types import OrderStatus
from tests.phonepe_pg.stub_gateway import CREDENTIALS, PAY_PAGE, RawServer, token_answer

READERS = [
    wire.read_token,
    wire.read_created_order,
    wire.read_order_status,
    wire.read_refund,
    wire.read_refund_status,
]
ATTEMPT = {
    "transactionId": "OM1",
    "paymentMode": "UPI_QR",
    "timestamp": 1711694662542,
    "amount": 1000,
    "state": "COMPLETED",
    "rail": {"type": "UPI", "utr": "455069731511"},
    "splitInstruments": [{"amount": 1000, "rail": {"type": "UPI", "utr": "1"}}],
}
ORDER = {
    "orderId": "OMO1",
    "state": "PENDING",
    "amount": 1000,
    "expireAt": 1711867462542,
    "redirectUrl": PAY_PAGE,
    "refundId": "OMR1",
    "merchantOrderId": "ORD-1",
    "metaInfo": {"udf1": "COMPLETED", "state": "COMPLETED"},
    "errorContext": {"errorCode": "X", "state": "COMPLETED"},
    "payload": {"state": "COMPLETED"},
    "paymentDetails": [ATTEMPT],
}
TOKEN = {"access_token": "abc", "issued_at": 1, "expires_at": 3601, "expires_in": 0, "token_type": "O-Bearer"}
REFUSAL = {
    "success": False,
    "code": "BAD_REQUEST",
    "errorCode": "E",
    "message": "m",
    "data": {"state": "COMPLETED"},
}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("COMPLETED"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
statuses = st.sampled_from(
    [200, 201, 204, 302, 400, 401, 403, 404, 408, 409, 417, 422, 429, 500, 503, 599, 999]
)
headers = st.fixed_dictionaries({}, optional={"Retry-After": st.text(), "Date": st.text()})


def paths(value, here=()):
    yield here
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in pairs:
        yield from paths(item, (*here, name))


@st.composite
def mutated(draw, originals=(ORDER, ORDER | {"state": "FAILED"}, TOKEN, REFUSAL)):
    """A real body with a few values replaced, removed or renamed anywhere but the root state."""
    body = copy.deepcopy(draw(st.sampled_from(originals)))
    for _ in range(draw(st.integers(1, 4))):
        target = draw(st.sampled_from([path for path in paths(body) if path and path != ("state",)]))
        holder = body
        for name in target[:-1]:
            holder = holder[name]
        change = draw(st.sampled_from(["replace", "remove", "rename"]))
        if change == "replace":
            holder[target[-1]] = draw(json_values)
        elif change == "remove":
            del holder[target[-1]]
        elif isinstance(holder, dict):
            holder.setdefault(draw(st.text(max_size=5)), holder.pop(target[-1]))
    return body


def read(reader, status, header, body):
    """The result, or the client's own error; anything else fails the test."""
    try:
        return reader(Answer(http_status=status, headers=header, body=body))
    except PhonePeError as caught:
        error = caught
    assert len(error.body) <= 2_000
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    return None


@pytest.mark.parametrize("reader", READERS)
@given(status=statuses, header=headers, body=st.binary() | json_values.map(lambda v: json.dumps(v).encode()))
def test_any_bytes_and_any_json(reader, status, header, body):
    result = read(reader, status, header, body)

    assert not getattr(result, "completed", False) or json.loads(body)["state"] == "COMPLETED"


@pytest.mark.parametrize("reader", READERS)
@given(status=statuses, body=mutated())
def test_mutated_bodies(reader, status, body):
    result = read(reader, status, {}, json.dumps(body).encode())

    assert not getattr(result, "completed", False)
    if isinstance(result, OrderStatus):
        assert result.paid_attempt is None
        json.dumps(result.raw, allow_nan=False).encode()


@given(data=st.data(), state=st.sampled_from(["PENDING", "FAILED", "CREATED", "EXPIRED"]))
def test_mutated_bytes_never_complete_what_is_not_completed(data, state):
    raw = bytearray(json.dumps(ORDER | {"state": state}).encode())
    for _ in range(data.draw(st.integers(1, 6))):
        start = data.draw(st.integers(0, len(raw)))
        end = min(len(raw), start + data.draw(st.integers(0, 40)))
        raw[start:end] = data.draw(st.binary(max_size=10))

    for reader in (wire.read_order_status, wire.read_refund_status, wire.read_refund):
        result = read(reader, 200, {}, bytes(raw))
        if result is not None and result.completed:
            # Cutting may promote an inner "state" to the root: then the root really says so.
            assert json.loads(raw)["state"] == "COMPLETED"


@given(
    st.binary()
    | json_values.map(lambda v: json.dumps(v).encode())
    | mutated().map(lambda v: json.dumps(v).encode())
)
def test_any_webhook(body):
    try:
        read_webhook(body)
    except PhonePeError:
        return


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=300),
    st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"]),
)
def test_any_bytes_instead_of_http(noise, start):
    async def scenario():
        token = token_answer("t").body
        good = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(token), token)
        async with (
            RawServer(good) as oauth,
            RawServer(start + noise) as pg,
            Client(CREDENTIALS, Hosts(pg=pg.base, oauth=oauth.base), answer_timeout_s=0.5) as client,
        ):
            with pytest.raises(PhonePeError):
                await client.order_status("ORD-1")

    asyncio.run(scenario())
