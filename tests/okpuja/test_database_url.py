"""`DATABASE_URL`, in every form that libpq takes."""

from __future__ import annotations

import psycopg
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from okpuja.database import database
from tests.processes import database_url, manage

PLACES = ("NAME", "USER", "PASSWORD", "HOST", "PORT")


@pytest.mark.parametrize(
    ("url", "places"),
    [
        ("postgresql://u:p@db.example:6432/shop", ("shop", "u", "p", "db.example", "6432")),
        ("postgres://u@db.example/shop", ("shop", "u", "", "db.example", "")),
        ("postgresql:///shop?host=/run/postgresql&user=u", ("shop", "u", "", "/run/postgresql", "")),
        ("postgresql://u@%2Frun%2Fpostgresql/shop", ("shop", "u", "", "/run/postgresql", "")),
        ("postgresql://u%40x:p%2Fw%25d@[::1]:5432/a%20shop", ("a shop", "u@x", "p/w%d", "::1", "5432")),
    ],
)
def test_a_uri_is_taken_apart_as_libpq_does(url: str, places: tuple[str, ...]) -> None:
    settings = database(url, pooled=False)

    assert settings["ENGINE"] == "okpuja.postgresql"
    assert tuple(settings[place] for place in PLACES) == places


def test_further_parameters_go_to_libpq() -> None:
    settings = database("postgresql://db.example/shop?sslmode=require&connect_timeout=9", pooled=False)

    assert settings["OPTIONS"]["sslmode"] == "require"
    assert settings["OPTIONS"]["connect_timeout"] == "9"


def test_no_uri_means_the_embedded_server() -> None:
    assert database("", pooled=False)["ENGINE"] == "okpuja.embedded"


@pytest.mark.parametrize(
    "url",
    [
        "mysql://u:hunter2@h/d",
        "u:hunter2@h/d",
        "postgresql://u:hunter2@[::1/d",
        "postgresql://u:hunter2%zz@h/d",
    ],
)
def test_a_bad_uri_is_refused_without_telling_the_password(url: str) -> None:
    with pytest.raises(ImproperlyConfigured) as refused:
        database(url, pooled=False)

    told: BaseException | None = refused.value
    assert "DATABASE_URL" in str(told)
    while told is not None:  # a traceback shows the causes as well
        assert "hunter2" not in str(told)
        told = told.__cause__ or (None if told.__suppress_context__ else told.__context__)


@pytest.mark.django_db(transaction=True)
def test_a_process_uses_the_server_of_the_uri() -> None:
    done = manage(
        "shell",
        "-v0",
        "-c",
        "from django.db import connection as c; c.connect(); print(c.connection.info.host)",
    )

    assert done.stdout.strip() == connection.get_connection_params()["host"]
    assert psycopg.conninfo.conninfo_to_dict(database_url())["dbname"] == connection.settings_dict["NAME"]


@pytest.mark.django_db(transaction=True)
def test_a_server_that_is_not_there_is_told_without_the_password() -> None:
    done = manage("check", "--database", "default", DATABASE_URL="postgresql://u:hunter2@127.0.0.1:1/shop")
    doctor = manage(
        "payments_doctor",
        DATABASE_URL="postgresql://u:hunter2@127.0.0.1:1/shop",
        PUBLIC_URL="http://127.0.0.1:1",
    )

    assert "hunter2" not in done.stdout + done.stderr + doctor.stdout + doctor.stderr
    assert "BAD database: It cannot be reached" in doctor.stdout
