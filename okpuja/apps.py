from django.apps import AppConfig


class OkpujaConfig(AppConfig):
    name = "okpuja"
