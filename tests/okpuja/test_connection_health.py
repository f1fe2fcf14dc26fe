"""A connection's end is seen without a question to the server."""

from __future__ import annotations

import os
import resource

import pytest
from django.db import connection, connections
from django.db.utils import OperationalError

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
