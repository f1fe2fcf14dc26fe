"""`DATABASE_URL` → Django's `DATABASES["default"]`."""

from __future__ import annotations

import os
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

# A machine that is cut off must be noticed, or its transaction keeps its locks for the two hours that TCP waits by
# itself, the throttle's row maybe among them. Shorter than `claims.LEASE`, after which its orders are taken over.
NOTICE_CUT_S = 15
OURS = {
    "connect_timeout": 3,
    "application_name": "okpuja",
    "keepalives_idle": 5,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": NOTICE_CUT_S * 1000,
}
# By PostgreSQL's own 4.0, made for turning disks, a batch would read a small table from end to end instead of the
# thirty rows that it wants.
SERVERS = (
    f"-c random_page_cost=1.1 -c idle_in_transaction_session_timeout={NOTICE_CUT_S}s"
    f" -c tcp_keepalives_idle=5 -c tcp_keepalives_interval=3"
    f" -c tcp_keepalives_count=3 -c tcp_user_timeout={NOTICE_CUT_S}s"
)


def database(url: str, *, pooled: bool) -> dict[str, Any]:
    """The settings of the one database: the server at `url`, or the embedded one when it is empty.

    `url` is any libpq URI (`postgresql://user:password@host:5432/name`, or a Unix socket as
    `postgresql:///name?host=/run/postgresql`). With `pooled`, connections come from a pool per
    process (an ASGI server runs each request in a thread of its own), else each thread keeps its own.
    What `url` says of libpq's parameters wins, `options` included: `?options=` sends none, for a pooler
    that refuses them. Raises ImproperlyConfigured when the URL is not one.
    """
    options: dict[str, Any] = {**OURS, "options": f"{SERVERS} {os.environ.get('PGOPTIONS', '')}".strip()}
    settings: dict[str, Any] = {"OPTIONS": options}
    # A restarted PostgreSQL costs a reconnect, not an error: `okpuja.postgresql` looks at each connection of a pool.
    if pooled:
        options["pool"] = {"min_size": 1, "max_size": 20, "timeout": 3}
    else:
        settings |= {"CONN_HEALTH_CHECKS": True, "CONN_MAX_AGE": 600}
    if not url:
        return settings | {"ENGINE": "okpuja.embedded", "NAME": "okpuja", "USER": "postgres"}
    parts = _parse(url)
    settings |= {
        "ENGINE": "okpuja.postgresql",
        "NAME": parts.pop("dbname", ""),
        "USER": parts.pop("user", ""),
        "PASSWORD": parts.pop("password", ""),
        "HOST": parts.pop("host", ""),
        "PORT": parts.pop("port", ""),
    }
    options.update(parts)
    return settings


def _parse(url: str) -> dict[str, Any]:
    if not url.startswith(("postgresql://", "postgres://")):
        raise ImproperlyConfigured(
            "DATABASE_URL must be a PostgreSQL URI such as postgresql://user:password@host:5432/okpuja."
            " Leave it unset for the embedded server."
        )
    try:
        return dict(conninfo_to_dict(url))
    except ProgrammingError:
        # libpq's message may quote the URI, and with it the password: a traceback must not show it either.
        raise ImproperlyConfigured("DATABASE_URL is not a valid PostgreSQL URI.") from None
