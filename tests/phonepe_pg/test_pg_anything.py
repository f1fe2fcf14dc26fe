"""Whatever the gateway answers: a result or one of the client's errors, never a payment out of thin air."""

import asyncio
import json
import pickle

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from phonepe_pg import Client, Hosts, Malformed, PhonePeError, read_webhook, wire
from phonepe_pg.answers import Answer
from phonepe_pg.types import OrderStatus
from tests.phonepe_pg import mutations
from tests.phonepe_pg.emulator_bodies import recorded
from tests.phonepe_pg.mutations import json_values
from tests.phonepe_pg.real_bodies import COMPLETED, CREATED, FAILED, PENDING
from tests.phonepe_pg.stub_gateway import CREDENTIALS, RawServer, token_answer

MANY = settings(max_examples=600, deadline=None)

READERS = [
    wire.read_token,
    wire.read_created_order,
    wire.read_order_status,
    wire.read_refund,
    wire.read_refund_status,
]
PAID_INSIDE = [{"transactionId": "OM1", "state": "COMPLETED", "amount": 1000}]
REFERENCE = {"reference PENDING": PENDING, "reference FAILED": FAILED}
TOKEN = {"access_token": "abc", "issued_at": 1, "expires_at": 3601, "expires_in": 0, "token_type": "O-Bearer"}
REFUSAL = {
    "success": False,
    "code": "BAD_REQUEST",
    "errorCode": "E",
    "message": "m",
    "data": {"state": "COMPLETED"},
}

statuses = st.sampled_from(
    [200, 201, 204, 302, 400, 401, 403, 404, 408, 409, 417, 422, 429, 500, 503, 599, 999]
)
headers = st.fixed_dictionaries({}, optional={"Retry-After": st.text(), "Date": st.text()})


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


@pytest.fixture(scope="module")
def unpaid():
    """Name → body as it came of an order or refund that is not COMPLETED: the emulator's and the reference's."""
    printed = {name: json.dumps(body).encode() for name, body in REFERENCE.items()}
    return recorded() | printed


def reader_of(name):
    return wire.read_refund_status if name.startswith("REFUND") else wire.read_order_status


def test_unpaid_bodies_are_of_orders_and_refunds_in_every_unpaid_state(unpaid):
    states = {(reader_of(name), json.loads(body)["state"]) for name, body in unpaid.items()}

    assert states == {
        *((wire.read_order_status, state) for state in ("PENDING", "FAILED")),
        *((wire.read_refund_status, state) for state in ("PENDING", "CONFIRMED", "FAILED")),
    }


@MANY
@given(data=st.data(), status=st.sampled_from([200, 200, 200, 201, 400, 401, 404, 500]))
def test_mutated_real_body_when_its_root_does_not_say_completed_then_never_completed(unpaid, data, status):
    name = data.draw(st.sampled_from(sorted(unpaid)))
    body = data.draw(mutations.spoilt(json.loads(unpaid[name])))

    for reader in READERS:
        result = read(reader, status, {}, body)

        if getattr(result, "completed", False):
            assert (status in (200, 201), mutations.says_completed(body)) == (True, True)
        if isinstance(result, OrderStatus):
            assert result.completed or result.paid_attempt is None
            json.dumps(result.raw, allow_nan=False).encode()


@MANY
@given(data=st.data())
def test_mutated_real_body_when_the_root_state_stays_then_never_completed(unpaid, data):
    """Without an oracle: whatever becomes of everything else, PENDING stays PENDING and FAILED stays FAILED."""
    name = data.draw(st.sampled_from(sorted(unpaid)))
    original = json.loads(unpaid[name])
    body = data.draw(mutations.rewritten(original)) | {"state": original["state"]}

    result = read(reader_of(name), 200, {}, json.dumps(body).encode())

    assert result is None or (result.state, result.completed) == (original["state"], False)


@MANY
@given(data=st.data())
def test_cut_real_body_then_never_completed(unpaid, data):
    raw = unpaid[data.draw(st.sampled_from(sorted(unpaid)))]
    cut = raw[: data.draw(st.integers(0, len(raw) - 1))]

    assert [read(reader, 200, {}, cut) for reader in READERS] == [None] * len(READERS)


@pytest.mark.parametrize("state", mutations.ALMOST_COMPLETED, ids=repr)
def test_root_state_that_is_almost_completed_then_not_completed(unpaid, state):
    for name, raw in unpaid.items():
        body = json.loads(raw) | {"state": state, "paymentDetails": PAID_INSIDE}

        result = read(reader_of(name), 200, {}, json.dumps(body).encode())

        assert result is None or (result.completed, result.pending) == (False, True)


@pytest.mark.parametrize("word", mutations.ALMOST_STATE, ids=repr)
@pytest.mark.parametrize("has_state", [True, False])
def test_completed_under_a_name_that_is_almost_state_then_not_completed(unpaid, word, has_state):
    for name, raw in unpaid.items():
        body = json.loads(raw)
        state = body["state"] if has_state else body.pop("state") and None

        result = read(reader_of(name), 200, {}, json.dumps(body | {word: "COMPLETED"}).encode())

        assert (result and result.state) == state


@pytest.mark.parametrize("place", ["paymentDetails", "metaInfo", "errorContext", "payload", "data", "root"])
def test_state_moved_elsewhere_then_no_status_at_all(unpaid, place):
    for name, raw in unpaid.items():
        body = json.loads(raw)
        del body["state"]
        body[place] = PAID_INSIDE if place == "paymentDetails" else {"state": "COMPLETED"}

        assert read(reader_of(name), 200, {}, json.dumps(body).encode()) is None


@pytest.mark.parametrize(
    "pair", ['"state":"COMPLETED"', r'"\u0073tate":"COMPLETED"', '"state":["COMPLETED"]', '"state":null']
)
@pytest.mark.parametrize("first", [True, False])
def test_state_said_twice_and_differently_then_malformed(unpaid, pair, first):
    for name, raw in unpaid.items():
        text = raw.decode()
        doubled = f"{{{pair},{text[1:]}" if first else f"{text[:-1]},{pair}}}"

        with pytest.raises(Malformed, match="twice with different values"):
            reader_of(name)(Answer(http_status=200, body=doubled.encode()))


@pytest.mark.parametrize("form", ["utf-8", "utf-8-sig", "utf-16", "utf-32-be"])
def test_root_state_that_is_completed_in_any_unicode_then_completed(unpaid, form):
    """The other side: these properties do not hold because nothing is ever read as COMPLETED."""
    for name, raw in unpaid.items():
        body = json.dumps(json.loads(raw) | {"state": "COMPLETED"}).encode(form)

        assert reader_of(name)(Answer(http_status=200, body=body)).completed
        assert mutations.says_completed(body)


@pytest.mark.parametrize("reader", READERS)
@given(status=statuses, data=st.data())
def test_mutated_answers_of_every_call_are_read_or_refused(reader, status, data):
    body = data.draw(mutations.spoilt(data.draw(st.sampled_from([TOKEN, REFUSAL, CREATED, COMPLETED]))))

    result = read(reader, status, {}, body)

    assert result is None or 200 <= status < 300


@given(
    st.binary()
    | json_values.map(lambda v: json.dumps(v).encode())
    | st.sampled_from([COMPLETED, FAILED, {"event": "x", "payload": PENDING}]).flatmap(mutations.spoilt)
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


@settings(max_examples=60, deadline=None)
@given(
    data=st.data(),
    extra=st.sampled_from(["", "Content-Encoding: gzip", "Content-Type: text/html; charset=x"]),
)
def test_mutated_real_body_over_http_then_a_status_or_an_error_of_ours(unpaid, data, extra):
    body = data.draw(mutations.spoilt(json.loads(unpaid[data.draw(st.sampled_from(sorted(unpaid)))])))

    async def scenario():
        async with (
            RawServer(_http(token_answer("t").body)) as oauth,
            RawServer(_http(body, extra)) as pg,
            Client(CREDENTIALS, Hosts(pg=pg.base, oauth=oauth.base), answer_timeout_s=2) as client,
        ):
            return await client.order_status("ORD-1")

    try:
        status = asyncio.run(scenario())
    except PhonePeError:
        return
    assert status.completed == mutations.says_completed(body)


def _http(body, extra=""):
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", "Connection: close", *filter(None, [extra])]
    return "\r\n".join([*lines, "", ""]).encode() + body
