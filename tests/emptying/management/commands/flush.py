"""What empties the database after a test that committed, Procrastinate's tables as well."""

from __future__ import annotations

from typing import Any

from django.core.management.commands import flush
from django.db import connections

# Neither foreign keys nor guards stand in the way of a replica; the role must be a superuser, as the embedded one is.
EMPTY = """
    DO $$
    DECLARE one text;
    BEGIN
        SET LOCAL session_replication_role = replica;
        FOR one IN
            SELECT tablename FROM pg_tables
            WHERE schemaname = current_schema()
                AND tablename NOT IN ('django_migrations', 'django_content_type', 'auth_permission')
        LOOP
            EXECUTE format('DELETE FROM %I', one);
        END LOOP;
    END $$
"""


class Command(flush.Command):
    """In place of Django's, which truncates every table and makes the permissions anew: 170 ms after every test."""

    def handle(self, *, database: str, **options: Any) -> None:
        with connections[database].cursor() as cursor:
            cursor.execute(EMPTY)
