"""These tests are for the run inside the other shop (`python -m tests.othershop`); OkPuja's own leaves them out."""

from django.conf import settings

if settings.ROOT_URLCONF != "tests.othershop.urls":
    collect_ignore_glob = ["*"]
