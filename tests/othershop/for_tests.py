"""The other shop's settings for tests; `tests.othershop.__main__` sets the environment that they read."""

from tests.othershop.settings import *  # noqa: F403

INSTALLED_APPS = [*INSTALLED_APPS, "tests.emptying"]  # noqa: F405
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STATIC_URL = "static/"  # pytest-django's live server asks for it
PHONEPE_MAX_RPS = 1000
TEST_SHOP = "tests.othershop.own_shop"
