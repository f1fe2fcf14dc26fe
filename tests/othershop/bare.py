"""A project that has installed `payments` and set nothing for it: what do the system checks say?"""

import os

SECRET_KEY = "for-tests-only-" + "0123456789abcdef" * 3
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "procrastinate.contrib.django",
    "payments",
]
DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": os.environ["PGDATABASE"]}}
USE_TZ = True
