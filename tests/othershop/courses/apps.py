from django.apps import AppConfig


class CoursesConfig(AppConfig):
    name = "tests.othershop.courses"
