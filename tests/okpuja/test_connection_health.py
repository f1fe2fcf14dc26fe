"""A connection's end is seen without a question to the server."""

from __future__ import annotations

import os
import resource
from copy import deepcopy
from datetime import UTC, datetime

import pytest
from django.db import connection, connections
from django.db.utils import DataError, OperationalError

from okpuja.database import database

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_living_connection_is_usable_and_costs_no_query(django_assert_num_queries):
    connection.ensure_connection()

    with django_assert_num_queries(0):
        assert connection.is_usable()


def test_a_connection_with_a_high_descriptor_is_usable():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    held = [os.open("/dev/null", os.O_RDONLY) for _ in range(1100)]
    fresh = connections["default"].copy("default")
    try:
        fresh.ensure_connection()

        assert fresh.connection.fileno() > 1023
        assert fresh.is_usable()
    finally:
        fresh.close()
        for descriptor in held:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_connection_that_the_server_has_ended_is_made_again_by_the_next_request():
    fresh = connections["default"].copy("default")
    try:
        with fresh.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            (pid,) = cursor.fetchone()
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])

        usable = fresh.is_usable()
        fresh.close_if_unusable_or_obsolete()
        fresh.health_check_enabled, fresh.health_check_done = True, False
        with fresh.cursor() as cursor:
            cursor.execute("SELECT 1")
            answer = cursor.fetchone()
    except OperationalError as error:  # pragma: no cover  the failure that this test is about
        pytest.fail(f"the next request met the dead connection: {error}")
    finally:
        fresh.close()

    assert (usable, answer) == (False, (1,))


def test_a_pool_whose_connections_all_ended_gives_every_request_a_living_one():
    pooled = deepcopy(connection.settings_dict)
    made = database("postgresql:///unused", pooled=True)
    pooled |= {name: made.get(name, 0) for name in ("CONN_HEALTH_CHECKS", "CONN_MAX_AGE")}
    pooled["OPTIONS"]["pool"] = made["OPTIONS"]["pool"]
    requests = [type(connections["default"])(pooled, alias="pooled") for _ in range(12)]
    try:
        ended = [backend_of(request) for request in requests]
        for request in requests:
            request.close()
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pid, 5000) FROM unnest(%s::int[]) pid", [ended])

        served = [backend_of(request) for request in requests]

        assert len({*served, *ended}) == 24
    finally:
        for request in requests:
            request.close()
        requests[0].close_pool()


def backend_of(request) -> int:
    """Open a request's connection; the process number of its backend."""
    with request.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


@pytest.mark.parametrize(
    "written", ["2026-11-24 19:30:28.801874", "2026-11-24 19:30:28.8", "0099-01-02 03:04:05"]
)
def test_an_instant_is_read_as_django_reads_it(written):
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::timestamptz", [written])
        (instant,) = cursor.fetchone()

    assert instant == datetime.fromisoformat(written).replace(tzinfo=UTC)
    assert instant.tzinfo is UTC


def test_an_instant_that_python_cannot_hold_is_an_error():
    with connection.cursor() as cursor:
        cursor.execute("SELECT 'infinity'::timestamptz")
        with pytest.raises(DataError, match="infinity"):
            cursor.fetchone()
