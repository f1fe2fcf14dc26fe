"""Sentry and OpenTelemetry, for who sets `SENTRY_DSN` or `OTEL_EXPORTER_OTLP_ENDPOINT`; nothing is imported otherwise.

Neither gets to see bodies, cookies, addresses of customers or local variables, where secrets may be; nor queries (the
keys of mailed links, what staff searched for) and whole cart ids, which open a guest's cart.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from okpuja.logging import shorten_cart_ids
from payments import __version__

QUERY = re.compile(r"\?[^\s\"'<>?]*=[^\s\"'<>]*")  # of an address, also within a sentence or a header
NEVER = {  # what Sentry and OpenTelemetry call queries and customers' addresses
    "query_string", "http.query", "http.fragment", "url.query",
    "client.address", "net.peer.ip", "net.peer.name", "network.peer.address", "net.sock.peer.addr",
}  # fmt: skip
THEIRS = {
    "event_id",
    "trace_id",
    "request_id",
}  # look like a cart's id and open nothing; Sentry needs them whole


def start(*, sentry_dsn: str, otlp_endpoint: str) -> None:
    """Begin to report errors and traces. Raises ImproperlyConfigured when what is asked for is not installed."""
    if sentry_dsn:
        _start_sentry(sentry_dsn)
    if otlp_endpoint:
        _start_traces()


def _start_sentry(dsn: str) -> None:
    sentry = _needed("sentry_sdk", by="SENTRY_DSN")
    argv = _needed("sentry_sdk.integrations.argv", by="SENTRY_DSN")
    sentry.init(
        dsn=dsn,
        release=f"okpuja@{__version__}",
        send_default_pii=False,
        include_local_variables=False,
        max_request_body_size="never",
        before_send=_discreet_event,
        before_send_transaction=_discreet_event,
        disabled_integrations=[argv.ArgvIntegration()],  # `--database URI` may hold a password
    )


def _start_traces() -> None:
    """Where to and how often is read from OpenTelemetry's own OTEL_… variables."""
    needed = {"by": "OTEL_EXPORTER_OTLP_ENDPOINT"}
    sdk = _needed("opentelemetry.sdk.trace", **needed)
    export = _needed("opentelemetry.sdk.trace.export", **needed)
    otlp = _needed("opentelemetry.exporter.otlp.proto.http.trace_exporter", **needed)
    resources = _needed("opentelemetry.sdk.resources", **needed)
    django = _needed("opentelemetry.instrumentation.django", **needed)
    named = resources.Resource.create({"service.name": "okpuja", "service.version": __version__})
    provider = sdk.TracerProvider(resource=named)
    provider.add_span_processor(export.BatchSpanProcessor(_DiscreetExporter(otlp.OTLPSpanExporter(), sdk)))
    django.DjangoInstrumentor().instrument(tracer_provider=provider)


def discreet(value: Any) -> Any:
    """The same without queries and customers' addresses, and of cart ids the beginning; of whatever JSON can hold."""
    if isinstance(value, str):
        return shorten_cart_ids(QUERY.sub("?…", value))
    if isinstance(value, dict):
        return {
            name: one if name in THEIRS else discreet(one) for name, one in value.items() if name not in NEVER
        }
    if isinstance(value, list | tuple):
        return [discreet(one) for one in value]
    return value


def _discreet_event(event: Any, hint: Any) -> Any:
    return discreet(event)


class _DiscreetExporter:
    """Before another exporter: whatever made a span, nothing leaves that should not."""

    def __init__(self, exporter: Any, sdk: Any) -> None:
        self._exporter, self._sdk = exporter, sdk

    def export(self, spans: Sequence[Any]) -> Any:
        return self._exporter.export([self._retold(span) for span in spans])

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return bool(self._exporter.force_flush(timeout_millis))

    def _retold(self, span: Any) -> Any:
        events = [
            self._sdk.Event(one.name, discreet(dict(one.attributes or {})), one.timestamp)
            for one in span.events
        ]
        said = span.status
        return self._sdk.ReadableSpan(
            name=discreet(span.name),
            context=span.context,
            parent=span.parent,
            resource=span.resource,
            attributes=discreet(dict(span.attributes or {})),
            events=events,
            links=span.links,
            kind=span.kind,
            status=type(said)(said.status_code, discreet(said.description)),
            start_time=span.start_time,
            end_time=span.end_time,
            instrumentation_scope=span.instrumentation_scope,
        )


def _needed(module: str, *, by: str) -> Any:
    try:
        return import_module(module)
    except ImportError as missing:
        raise ImproperlyConfigured(
            f"{by} is set, but {module} is not installed: pip install --require-hashes -r requirements/telemetry.txt."
        ) from missing
