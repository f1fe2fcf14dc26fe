"""The settings of a small shop for courses."""

import os

import structlog

SECRET_KEY = os.environ["SECRET_KEY"]
ALLOWED_HOSTS = ["*"]

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "procrastinate.contrib.django",
    "payments",
    "tests.othershop.courses",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]

ROOT_URLCONF = "tests.othershop.urls"
WSGI_APPLICATION = "tests.othershop.wsgi.application"

# libpq itself reads PGHOST, PGPORT, PGUSER and PGPASSWORD.
DATABASES = {
    "default": {"ENGINE": "django.db.backends.postgresql", "NAME": os.environ.get("PGDATABASE", "courses")}
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TIME_ZONE = "Asia/Kolkata"
USE_TZ = True

SECURE_REFERRER_POLICY = "strict-origin-when-cross-origin"  # PhonePe checks the referring domain
PUBLIC_URL = os.environ["PUBLIC_URL"]
PHONEPE_ENV = os.environ.get("PHONEPE_ENV", "sandbox")
PHONEPE_CLIENT_ID = os.environ["PHONEPE_CLIENT_ID"]
PHONEPE_CLIENT_SECRET = os.environ["PHONEPE_CLIENT_SECRET"]
PHONEPE_CLIENT_VERSION = os.environ.get("PHONEPE_CLIENT_VERSION", "1")
PHONEPE_WEBHOOK_USERNAME = os.environ["PHONEPE_WEBHOOK_USERNAME"]
PHONEPE_WEBHOOK_PASSWORD = os.environ["PHONEPE_WEBHOOK_PASSWORD"]
PHONEPE_BASE_URL = os.environ.get("PHONEPE_BASE_URL", "")  # the emulator's, in tests

PAYMENTS = {
    "FULFIL": "tests.othershop.courses.enrolling.enrol",
    "PAYABLE": "tests.othershop.courses.payable.find",
    "AUDIT": "tests.othershop.courses.audit.QUESTIONS",
    "UNFULFILLABLE": os.environ.get("UNFULFILLABLE", "refund"),
}

structlog.configure(
    processors=[
        structlog.stdlib.filter_by_level,
        structlog.stdlib.add_log_level,
        structlog.processors.format_exc_info,
        structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
    ],
    logger_factory=structlog.stdlib.LoggerFactory(),
)
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {
            "()": structlog.stdlib.ProcessorFormatter,
            "processor": structlog.processors.JSONRenderer(default=str),
        }
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {"procrastinate": {"level": "WARNING"}},
}
