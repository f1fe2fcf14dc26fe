from django.apps import AppConfig


class PaymentsConfig(AppConfig):
    name = "payments"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # The system checks register themselves; so do the jobs, wherever the project has Procrastinate look.
        from payments import checks, defaults, jobs, plugs  # noqa: F401

        defaults.apply()
