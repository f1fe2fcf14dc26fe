"""Whatever is sent to the real server, and however slowly, others are answered: within a second, never with a 5xx."""

from __future__ import annotations

import hashlib
import http.client
import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from payments.models import WebhookDelivery
from tests.journeys import customer
from tests.ports import free_port
from tests.processes import web

pytestmark = pytest.mark.django_db(transaction=True)

HOOK = "/api/payments/webhook/phonepe/"
FEW_THREADS = ("--blocking-threads", "4", "--http1-header-read-timeout", "1000")
FUZZ = settings(
    max_examples=80,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(scope="module")
def server(
    django_db_setup: Any, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, int]]:
    """The web site as in production (WSGI), with four threads: host and port."""
    port = free_port()
    with django_db_blocker.unblock():
        log = tmp_path_factory.mktemp("hostile") / "web.log"
        running = web(log=log, port=port, interface="wsgi", options=FEW_THREADS)
        running.__enter__()
        send(
            ("127.0.0.1", port), b"{}", {"Authorization": customer.CREDENTIAL}
        )  # its first answer takes its time
    yield "127.0.0.1", port
    running.__exit__(None, None, None)


# -- any bytes -------------------------------------------------------------------------------

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=15,
)
events = st.fixed_dictionaries(
    {},
    optional={
        "event": st.sampled_from(["checkout.order.completed", "pg.refund.completed"]) | json_values,
        "payload": st.fixed_dictionaries(
            {},
            optional={
                name: json_values | st.text(max_size=80)
                for name in (
                    "merchantOrderId",
                    "orderId",
                    "state",
                    "amount",
                    "merchantRefundId",
                    "refundId",
                    "metaInfo",
                )
            },
        )
        | json_values,
        "timestamp": json_values,
    },
)
spelled = st.sampled_from([{}, {"ensure_ascii": False}, {"indent": 1}])
valid_bodies = st.builds(
    lambda event, how: json.dumps(event, **how).encode("utf-8", "surrogatepass"), events, spelled
)
bodies = st.one_of(
    valid_bodies,
    st.binary(max_size=300),
    valid_bodies.flatmap(lambda body: st.integers(0, len(body)).map(lambda cut: body[:cut])),
    st.integers(1, 60_000).map(lambda depth: b'{"a":' * (depth // 5) + b"["),
    st.sampled_from(
        [b"{}" * 40_000, b'{"a":1' + b"0" * 50_000 + b"}", b"\xef\xbb\xbf{}", '{"a":1}'.encode("utf-16")]
    ),
)
header_values = st.text(
    st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=200
)
credentials = st.one_of(st.just(customer.CREDENTIAL), st.just(f"SHA256 {customer.CREDENTIAL}"), header_values)
headers = st.dictionaries(
    st.sampled_from(
        ["Content-Type", "Accept", "X-Forwarded-For", "X-Request-ID", "Cookie", "Accept-Language", "Host"]
    ),
    header_values,
    max_size=4,
)


def send(server: tuple[str, int], body: bytes, given_headers: dict[str, str]) -> tuple[int, float]:
    """Post to the webhook; status and seconds."""
    caller = http.client.HTTPConnection(*server, timeout=5)
    started = time.monotonic()
    try:
        caller.request("POST", HOOK, body, given_headers)
        answer = caller.getresponse()
        answer.read()
        return answer.status, time.monotonic() - started
    finally:
        caller.close()


@FUZZ
@given(bodies, credentials, headers)
@example(
    body=b'{"event": "\\u0000", "payload": {"merchantOrderId": "\\ud800"}}',
    credential=customer.CREDENTIAL,
    extra={},
)
@example(body=b"[" * 60_000, credential=customer.CREDENTIAL, extra={})
@example(body=b'{"payload": {"amount": 1e999, "state": NaN}}', credential=customer.CREDENTIAL, extra={})
def test_webhook_with_any_body_and_headers_is_answered_in_time_and_never_breaks(
    server: tuple[str, int], body: bytes, credential: str, extra: dict[str, str]
) -> None:
    status, took_s = send(server, body, extra | {"Authorization": credential})

    is_ours = credential.strip().removeprefix("SHA256 ") == customer.CREDENTIAL
    assert status in ((200, 400, 413) if is_ours else (400, 401)), (status, body[:80], extra)
    assert took_s < 1


@FUZZ
@given(event=events, how=spelled)
def test_webhook_with_any_event_of_ours_is_recorded(
    server: tuple[str, int], event: dict[str, Any], how: dict[str, Any]
) -> None:
    body = json.dumps(event, allow_nan=True, **how).encode("utf-8", "backslashreplace")

    status, took_s = send(server, body, {"Authorization": customer.CREDENTIAL})

    assert (status, took_s < 1) == (200, True), (status, took_s, body)
    assert WebhookDelivery.objects.filter(body_sha256=hashlib.sha256(body).hexdigest()).count() == 1


# -- too much, too slowly ----------------------------------------------------------------------


def answers_quickly(server: tuple[str, int]) -> bool:
    """Another customer asks three times."""
    waits = []
    for path in ("/healthz", "/api/catalog/", "/"):
        caller = http.client.HTTPConnection(*server, timeout=5)
        started = time.monotonic()
        caller.request("GET", path)
        assert caller.getresponse().status == 200
        caller.close()
        waits.append(time.monotonic() - started)
    return max(waits) < 2


def slow(server: tuple[str, int], beginning: bytes) -> socket.socket:
    caller = socket.create_connection(server)
    caller.sendall(beginning)
    return caller


@pytest.mark.parametrize("path", [HOOK, "/api/cart/"])
def test_a_body_of_twenty_megabytes_is_refused_and_the_service_goes_on(
    server: tuple[str, int], path: str
) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {customer.CREDENTIAL}\r\n"
    caller = slow(
        server, f"{head}Content-Type: application/json\r\nContent-Length: 20000000\r\n\r\n".encode()
    )
    caller.settimeout(5)
    try:
        for _ in range(20):
            caller.sendall(b"x" * 1_000_000)
    except OSError:  # it need not listen to the end
        pass
    with caller:
        assert caller.recv(100).startswith(b"HTTP/1.1 413")
    assert answers_quickly(server)


@pytest.mark.parametrize(
    ("beginning", "count"),
    [
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: ", 300),  # headers that never end
        (b"GET /healthz HTTP/1.1\r\n", 300),
        (b"", 300),
        # A body that never ends, from one who has no credential: nobody waits for it.
        (
            f"POST {HOOK} HTTP/1.1\r\nHost: localhost\r\nAuthorization: x\r\nContent-Length: 9\r\n\r\n{{".encode(),
            60,
        ),
        # And who reads no answer.
        (b"GET /static/admin/js/vendor/jquery/jquery.js HTTP/1.1\r\nHost: localhost\r\n\r\n", 60),
    ],
    ids=["endless headers", "one line", "nothing", "endless body of a stranger", "unread answer"],
)
def test_hundreds_of_slow_callers_leave_the_service_answering(
    server: tuple[str, int], beginning: bytes, count: int
) -> None:
    with ExitStack() as open_sockets:
        for _ in range(count):
            open_sockets.enter_context(slow(server, beginning))

        assert answers_quickly(server)


def test_headers_that_do_not_end_are_cut_off(server: tuple[str, int]) -> None:
    with slow(server, b"GET /healthz HTTP/1.1\r\nX-Slow: ") as caller:
        caller.settimeout(5)

        assert caller.recv(100) == b""
