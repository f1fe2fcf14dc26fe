"""Sentry and OpenTelemetry, for who sets `SENTRY_DSN` or `OTEL_EXPORTER_OTLP_ENDPOINT`; nothing is imported otherwise.

Neither gets to see bodies, cookies, addresses of customers or local variables, where secrets may be.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from payments import __version__


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
    provider.add_span_processor(export.BatchSpanProcessor(otlp.OTLPSpanExporter()))
    django.DjangoInstrumentor().instrument(tracer_provider=provider)


def _needed(module: str, *, by: str) -> Any:
    try:
        return import_module(module)
    except ImportError as missing:
        raise ImproperlyConfigured(
            f"{by} is set, but {module} is not installed: pip install --require-hashes -r requirements/telemetry.txt."
        ) from missing
