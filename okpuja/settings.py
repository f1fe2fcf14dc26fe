"""The project's settings, read once from the environment (and `.env`). `.env.example` lists them all."""

from __future__ import annotations

import re
from email.utils import parseaddr
from pathlib import Path
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured
from dotenv import load_dotenv
from environs import Env, EnvError

from guard import clients, rules
from okpuja import browser
from okpuja import logging as project_logging
from okpuja.database import database

BASE_DIR = Path(__file__).resolve().parents[1]
DEMO_SECRET_KEY = "demo-only-" + "not-a-secret-" * 4

# Into the process's environment, where the embedded database and the emulator look as well.
load_dotenv(BASE_DIR / ".env")
env = Env()


def _setting(read: object, name: str, *args: object, **kwargs: object):  # type: ignore[no-untyped-def]
    try:
        return read(name, *args, **kwargs)  # type: ignore[operator]
    except EnvError as error:
        raise ImproperlyConfigured(f"{name}: {error}") from error


def _within(name: str, default: int, low: int, high: int) -> int:
    value = _setting(env.int, name, default)
    if not low <= value <= high:
        raise ImproperlyConfigured(f"{name} must lie between {low} and {high}; it is {value}.")
    return int(value)


def _address(name: str, default: str = "") -> str:
    """A web address without a slash at its end, or "" when that is the default."""
    value = _setting(env.str, name, default).rstrip("/")
    if value != default and not _is_web_address(value):
        raise ImproperlyConfigured(f"{name} must be http:// or https:// and a host; it is {value!r}.")
    return str(value)


def _is_web_address(value: str) -> bool:
    try:
        parts = urlsplit(value)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number
        return False


def _origins(name: str) -> list[str]:
    """Origins as a browser sends them. One that could never match is a mistake that nobody would notice."""
    origins = [value.strip() for value in _setting(env.list, name, [])]
    for origin in origins:
        if not _is_web_address(origin) or origin != "{0.scheme}://{0.netloc}".format(urlsplit(origin)):
            raise ImproperlyConfigured(
                f"{name} takes origins such as https://www.shop.example (no path, no slash at the end);"
                f" {origin!r} is none."
            )
    return origins


def _parsed(name: str, parse: object, value: object):  # type: ignore[no-untyped-def]
    try:
        return parse(value)  # type: ignore[operator]
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}: {error}") from error


def _contact(name: str, *, sender: str) -> str:
    """A mail address or a phone number; by default the address of `sender`, and "" when that is none."""
    value = _setting(env.str, name, "").strip()
    if value and not re.fullmatch(r"[^@\s]+@[^@\s]+|\+?[0-9][0-9 ()-]{4,}", value):
        raise ImproperlyConfigured(f"{name} must be a mail address or a phone number; it is {value!r}.")
    return value or (parseaddr(sender)[1] if "@" in sender else "")


def _is_weak(key: str) -> bool:
    return key == DEMO_SECRET_KEY or len(key) < 50 or len(set(key)) < 5


# Django
DEBUG = _setting(env.bool, "DEBUG", False)
SECRET_KEY = _setting(env.str, "SECRET_KEY", DEMO_SECRET_KEY if DEBUG else "")
SECRET_KEY_FALLBACKS = [key.strip() for key in _setting(env.list, "SECRET_KEY_FALLBACKS", [])]
if not DEBUG and _is_weak(SECRET_KEY):
    raise ImproperlyConfigured(
        "SECRET_KEY is missing, the demo's, or shorter than 50 characters. Set SECRET_KEY to a long random string,"
        " or DEBUG=1 for development: python -c 'import secrets; print(secrets.token_urlsafe(50))' makes one."
    )
if not DEBUG and any(map(_is_weak, SECRET_KEY_FALLBACKS)):
    raise ImproperlyConfigured(
        "SECRET_KEY_FALLBACKS has a key that is empty, the demo's, or shorter than 50 characters: leave it out."
    )

PUBLIC_URL = _address("PUBLIC_URL", "http://localhost:8000")
FRONTEND_URL = _address("FRONTEND_URL")

ALLOWED_HOSTS = _setting(env.list, "ALLOWED_HOSTS", ["*"] if DEBUG else [urlsplit(PUBLIC_URL).hostname])
CSRF_TRUSTED_ORIGINS = _setting(env.list, "CSRF_TRUSTED_ORIGINS", [])
CORS_ALLOWED_ORIGINS = _origins("CORS_ALLOWED_ORIGINS")
CORS_URLS_REGEX = r"^/api/"
CORS_EXPOSE_HEADERS = ["Retry-After"]

# Whose X-Forwarded-For is believed. Without a proxy nobody but this machine itself could write one.
TRUSTED_PROXIES = _parsed(
    "TRUSTED_PROXIES", clients.networks, _setting(env.list, "TRUSTED_PROXIES", ["127.0.0.0/8", "::1"])
)
THROTTLES = _parsed("THROTTLES", rules.rules, _setting(env.dict, "THROTTLES", {}, subcast_values=int))

INSTALLED_APPS = [
    "ops",  # before the admin, whose front page it extends
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "corsheaders",
    "csp",
    "ninja",
    "procrastinate.contrib.django",
    "okpuja",
    "guard",
    "payments",
    "catalog",
    "cart",
    "bookings",
    "storefront",
]

MIDDLEWARE = [
    "okpuja.request_log.request_log",
    "okpuja.middleware.api_errors",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "okpuja.browser.Policy",
    "corsheaders.middleware.CorsMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "guard.middleware.throttle",
]

ROOT_URLCONF = "okpuja.urls"
WSGI_APPLICATION = "okpuja.wsgi.application"
ASGI_APPLICATION = "okpuja.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

DATABASES = {
    "default": database(
        _setting(env.str, "DATABASE_URL", ""),
        pooled=_setting(env.bool, "DATABASE_POOL", False),  # okpuja.asgi sets it for its own process
    )
}
DATABASE_IS_EMBEDDED = DATABASES["default"]["ENGINE"] == "okpuja.embedded"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
LOGIN_REDIRECT_URL = "/"

LANGUAGE_CODE = "en-in"
LANGUAGES = [("en-in", "English"), ("hi", "हिन्दी")]
LOCALE_PATHS = [BASE_DIR / "locale"]
LANGUAGE_COOKIE_AGE = 31_536_000
LANGUAGE_COOKIE_SAMESITE = "Lax"
TIME_ZONE = "Asia/Kolkata"
USE_I18N = True
USE_TZ = True

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
WHITENOISE_USE_FINDERS = True  # one process, no collectstatic, for development and the demo

SECURE_REFERRER_POLICY = "strict-origin-when-cross-origin"  # PhonePe checks the referring domain (§3.5)
if PUBLIC_URL.startswith("https://"):
    SECURE_SSL_REDIRECT = True
    SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
    SECURE_HSTS_SECONDS = 31_536_000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
    LANGUAGE_COOKIE_SECURE = True
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"  # "Strict" would lose who comes back from PhonePe
SESSION_COOKIE_HTTPONLY = LANGUAGE_COOKIE_HTTPONLY = True
X_FRAME_OPTIONS = "DENY"

EMAIL_URL = _setting(env.str, "EMAIL_URL", "console:")
DEFAULT_FROM_EMAIL = _setting(env.str, "DEFAULT_FROM_EMAIL", "OkPuja <bookings@localhost>")
SUPPORT_CONTACT = _contact("SUPPORT_CONTACT", sender=DEFAULT_FROM_EMAIL)
EMAIL_TIMEOUT = 5  # less than a stopped checker gives its jobs
MAIL_PORTS = {"smtp": 25, "smtps": 465, "smtp+tls": 587}
_mail = urlsplit(EMAIL_URL)
if _mail.scheme == "console":
    EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
elif _mail.scheme == "file":
    EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    EMAIL_FILE_PATH = _mail.path
elif _mail.scheme in MAIL_PORTS:
    try:
        EMAIL_HOST, EMAIL_PORT = _mail.hostname or "localhost", _mail.port or MAIL_PORTS[_mail.scheme]
    except ValueError as _error:
        raise ImproperlyConfigured("EMAIL_URL has an invalid port.") from _error
    EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = unquote(_mail.username or ""), unquote(_mail.password or "")
    EMAIL_USE_SSL, EMAIL_USE_TLS = _mail.scheme == "smtps", _mail.scheme == "smtp+tls"
else:
    raise ImproperlyConfigured(
        "EMAIL_URL must start with console:, file:///folder, smtp://, smtps:// or smtp+tls://."
    )

PROCRASTINATE_AUTODISCOVER_MODULE_NAME = "jobs"

LOGGING = project_logging.configure(
    level=_setting(env.str, "LOG_LEVEL", "INFO"), log_file=_setting(env.str, "LOG_FILE", "")
)

SENTRY_DSN = _setting(env.str, "SENTRY_DSN", "")
OTEL_EXPORTER_OTLP_ENDPOINT = _setting(env.str, "OTEL_EXPORTER_OTLP_ENDPOINT", "")

# PhonePe and the payment engine
PHONEPE_ENV = _setting(env.str, "PHONEPE_ENV", "sandbox")
if PHONEPE_ENV not in ("sandbox", "production"):
    raise ImproperlyConfigured(f"PHONEPE_ENV must be sandbox or production; it is {PHONEPE_ENV!r}.")
PHONEPE_BASE_URL = _address("PHONEPE_BASE_URL")
PHONEPE_OAUTH_URL = _address("PHONEPE_OAUTH_URL")
CONTENT_SECURITY_POLICY = {"DIRECTIVES": browser.policy(PHONEPE_BASE_URL)}
PHONEPE_CLIENT_ID = _setting(env.str, "PHONEPE_CLIENT_ID", "")
PHONEPE_CLIENT_SECRET = _setting(env.str, "PHONEPE_CLIENT_SECRET", "")
PHONEPE_CLIENT_VERSION = _setting(env.str, "PHONEPE_CLIENT_VERSION", "1")
PHONEPE_WEBHOOK_USERNAME = _setting(env.str, "PHONEPE_WEBHOOK_USERNAME", "")
PHONEPE_WEBHOOK_PASSWORD = _setting(env.str, "PHONEPE_WEBHOOK_PASSWORD", "")
PHONEPE_MAX_RPS = _within("PHONEPE_MAX_RPS", 10, 1, 100_000)
PAYMENT_EXPIRE_AFTER = _within("PAYMENT_EXPIRE_AFTER", 900, 300, 3600)
STATUS_VERIFY_AFTER = _within("STATUS_VERIFY_AFTER", 30, 0, 3600)
LATE_WATCH_HOURS = _within("LATE_WATCH_HOURS", 72, 1, 24 * 30)

PAYMENTS = {
    "FULFIL": "bookings.fulfilment.fulfil",
    "FULFIL_MANY": "bookings.many.fulfil",
    "PAYABLE": "cart.payable.find",
    "STATUS": "cart.payable.status",
    "HOLD": "cart.slots.hold",
    "RELEASE": "cart.slots.release",
    "NOTIFY": "bookings.notices.tell",
    "AUDIT": "bookings.audit.QUESTIONS",
    "RESCUE": "cart.rescue.find",
    "UNFULFILLABLE": "refund",
}
