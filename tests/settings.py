"""The project's settings for tests: the environment is fixed here, so that nobody's .env changes a result."""

import os

os.environ.update(
    DEBUG="0",
    SECRET_KEY="for-tests-only-" + "0123456789abcdef" * 3,
    SECRET_KEY_FALLBACKS="",
    PUBLIC_URL="http://localhost:8000",
    FRONTEND_URL="",
    ALLOWED_HOSTS="*",
    CSRF_TRUSTED_ORIGINS="",
    CORS_ALLOWED_ORIGINS="",
    PHONEPE_ENV="sandbox",
    PHONEPE_BASE_URL="http://127.0.0.1:1/apis/pg-sandbox",  # nobody; the `sandbox` fixture says where
    PHONEPE_OAUTH_URL="",
    PHONEPE_CLIENT_ID="SANDBOX_CLIENT",
    PHONEPE_CLIENT_SECRET="sandbox-secret",
    PHONEPE_CLIENT_VERSION="1",
    PHONEPE_WEBHOOK_USERNAME="okpuja_test",
    PHONEPE_WEBHOOK_PASSWORD="test12345",
    PHONEPE_MAX_RPS="1000",
    PAYMENT_EXPIRE_AFTER="900",
    STATUS_VERIFY_AFTER="30",
    LATE_WATCH_HOURS="72",
    EMAIL_URL="console:",
    LOG_FILE="",
    LOG_LEVEL="INFO",
    # pytest-django empties the tables between tests, and some tests begin with a paid order.
    PGOPTIONS="-c payments.may_truncate=on -c payments.may_seed=on",
)

from okpuja.settings import *  # noqa: F403

INSTALLED_APPS = [*INSTALLED_APPS, "tests.emptying"]  # noqa: F405
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
WHITENOISE_AUTOREFRESH = True  # serves without a collected folder
TEST_SHOP = "tests.bookings.own_shop"
