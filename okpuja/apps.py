from django.apps import AppConfig


class OkpujaConfig(AppConfig):
    name = "okpuja"

    def ready(self) -> None:
        from okpuja import checks  # noqa: F401  registers them
