from django.apps import AppConfig
from django.conf import settings

from okpuja import telemetry


class OkpujaConfig(AppConfig):
    name = "okpuja"

    def ready(self) -> None:
        from okpuja import checks  # noqa: F401  registers them

        telemetry.start(sentry_dsn=settings.SENTRY_DSN, otlp_endpoint=settings.OTEL_EXPORTER_OTLP_ENDPOINT)
