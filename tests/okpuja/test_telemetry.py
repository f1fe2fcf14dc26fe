"""Errors to Sentry and traces to OpenTelemetry, each only when it is asked for."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from okpuja import telemetry
from tests.missing import missing
from tests.processes import ROOT, manage

pytestmark = pytest.mark.django_db(transaction=True)
PACKAGES = ROOT / "var" / "telemetry"
REPORT = """
import logging
from django.test import Client
from django.urls import path
from okpuja.urls import urlpatterns
password = "canary-in-a-local-variable"
Client(REMOTE_ADDR="198.51.100.77", HTTP_COOKIE="sessionid=canary-in-a-cookie").get("/healthz")
try:
    1 / 0
except ZeroDivisionError:
    logging.getLogger("okpuja").exception("something broke")

def breaks(request, **ids):
    logging.getLogger("okpuja").info("asked", extra={"address": request.get_full_path()})
    raise RuntimeError("no answer to " + request.build_absolute_uri())

urlpatterns.append(path("broken/<uuid:cart_id>/", breaks))
mailed = "/broken/12345678-1234-4234-8234-000ca0a41000/?key=canary-of-a-mailed-link&q=%2B91canary"
Client(raise_request_exception=False, HTTP_REFERER="https://testserver" + mailed).get(mailed)
"""


@pytest.fixture
def collector() -> Iterator[tuple[str, dict[str, bytes]]]:
    """The address of an HTTP server that takes everything, and what it took, by path."""
    took: dict[str, bytes] = {}

    class Taker(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            body = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
            took[self.path] = took.get(self.path, b"") + body
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Taker)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}", took
    server.shutdown()
    server.server_close()


def test_queries_and_cart_ids_are_taken_out_of_whatever_would_leave():
    cart = "12345678-1234-4234-8234-000ca0a41000"

    told = telemetry.discreet(
        {
            "request": {"url": f"https://shop.example/pay/{cart}/", "query_string": "key=secret"},
            "said": [f"GET /ops/?q=%2B91&page=2 of cart {cart.upper()} answered 500", 1, None, ("a?b", True)],
            "contexts": {"trace": {"trace_id": "0" * 32}, "cart_id": cart},
            "event_id": "0e4b6f0e6d7c4f0e9a550b5f6f1f7f11",
        }
    )

    assert told == {
        "request": {"url": "https://shop.example/pay/12345678…/"},
        "said": ["GET /ops/?… of cart 12345678… answered 500", 1, None, ["a?b", True]],
        "contexts": {"trace": {"trace_id": "0" * 32}, "cart_id": "12345678…"},
        "event_id": "0e4b6f0e6d7c4f0e9a550b5f6f1f7f11",
    }


@pytest.mark.parametrize("name", ["SENTRY_DSN", "OTEL_EXPORTER_OTLP_ENDPOINT"])
def test_what_is_asked_for_and_not_installed_stops_the_start(name):
    done = manage("check", **{name: "http://key@127.0.0.1:1/1"})

    assert done.returncode == 1
    assert f"{name} is set, but" in done.stderr
    assert "requirements/telemetry.txt" in done.stderr


def test_errors_and_traces_arrive_and_tell_no_secrets(collector):
    if not PACKAGES.exists():
        missing("run `make telemetry` first")
    address, took = collector

    done = manage(
        "shell", "-c", REPORT, PYTHONPATH=str(PACKAGES), OTEL_EXPORTER_OTLP_ENDPOINT=f"http://{address}",
        SENTRY_DSN=f"http://key@{address}/1", ALLOWED_HOSTS="testserver", OTEL_EXPORTER_OTLP_COMPRESSION="gzip",
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert b"something broke" in took["/api/1/envelope/"]
    assert b"okpuja@0." in took["/api/1/envelope/"]
    assert b"GET healthz" in took["/v1/traces"]
    for where, what in (("/api/1/envelope/", b"no answer to http"), ("/v1/traces", b"GET broken/")):
        assert what in took[where]
        assert b"/broken/12345678\xe2\x80\xa6/" in took[where].replace(
            b"\\u2026", "…".encode()
        )  # JSON or protobuf
    everything = b"".join(took.values())
    assert b"canary" not in everything
    assert b"198.51.100.77" not in everything
    assert b"000ca0a41000" not in everything  # whoever has a guest cart's id may open the cart
