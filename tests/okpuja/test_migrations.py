"""Migrations run while customers pay: nothing may lock a big table for long or break the code still running."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models
from django.db.migrations import (
    AddConstraint,
    AddField,
    AlterField,
    CreateModel,
    Migration,
    RunPython,
    RunSQL,
    SeparateDatabaseAndState,
)
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.models import NOT_PROVIDED

from tests.processes import ROOT

OURS = {folder.parent.name for folder in ROOT.glob("*/migrations")}
SMALL = {"puja", "package"}  # dozens of rows: no lock on them is long
LOCKS_LONG = re.compile(
    r"(CREATE|CREATE UNIQUE|DROP) INDEX (?!CONCURRENTLY)|SET NOT NULL|ADD CONSTRAINT(?!.*NOT VALID)|UPDATE \w+ SET",
    re.IGNORECASE,
)
BREAKS_OLD_CODE = re.compile(
    r"DROP (COLUMN|TABLE)|\bRENAME\b|ALTER (COLUMN )?\w+ (SET DATA )?TYPE", re.IGNORECASE
)


def later_operations() -> Iterator[tuple[Migration, Operation, models.Field[Any, Any] | None]]:
    """What is done to tables that may be full already: everything after each app's first release.

    With the field as it was, where one is altered.
    """
    loader = MigrationLoader(None, ignore_no_migrations=True)
    for (app, name), migration in sorted(loader.disk_migrations.items()):
        if app in OURS and not migration.initial and name != "0002_guards":
            state = loader.project_state((app, name), at_end=False)
            for operation in migration.operations:
                split = isinstance(operation, SeparateDatabaseAndState)
                for one in operation.database_operations if split else [operation]:
                    altered = isinstance(one, AlterField)
                    table = state.models[app, one.model_name_lower] if altered else None
                    yield migration, one, table.fields[one.name] if table else None
                operation.state_forwards(app, state)


def holds_the_same(before: models.Field[Any, Any] | None, after: models.Field[Any, Any]) -> bool:
    """Whether the column need not be rewritten or gone over, and takes whatever the version before writes."""
    if not isinstance(after, models.CharField | models.BooleanField) or type(before) is not type(after):
        return False
    shorter = (before.max_length or math.inf) > (after.max_length or math.inf)
    return (
        not shorter
        and before.null <= after.null
        and (before.unique, before.db_index) == (after.unique, after.db_index)
    )


def trouble_with(
    migration: Migration,
    operation: Operation,
    *,
    new_models: set[str],
    before: models.Field[Any, Any] | None = None,
) -> str:
    """Why this operation may not run on a live table; "" when it may."""
    model_name = getattr(operation, "model_name", "").lower()
    if isinstance(operation, CreateModel) or model_name in new_models:
        return ""
    if isinstance(operation, AddConstraint) and model_name in SMALL:
        return ""
    if isinstance(operation, AddField):
        field = operation.field
        stays_insertable = field.null or field.many_to_many or field.db_default is not NOT_PROVIDED
        return (
            "" if stays_insertable else "code of the version before could not insert any more: set db_default"
        )
    if isinstance(operation, AlterField):
        return "" if holds_the_same(before, operation.field) else "may rewrite or narrow the column"
    if isinstance(operation, AddIndexConcurrently | RemoveIndexConcurrently):
        return "" if not migration.atomic else "a concurrent index needs atomic = False"
    if isinstance(operation, RunSQL):
        if BREAKS_OLD_CODE.search(str(operation.sql)):
            return "code of the version before may still use it"
        return "locks for long" if LOCKS_LONG.search(str(operation.sql)) else ""
    if isinstance(operation, RunPython):
        return "touches rows: do it in batches, in a command"
    return "not known to be harmless; teach this test why it is"


def test_migrations_after_the_first_release_lock_no_big_table_for_long_and_let_old_code_run() -> None:
    operations = list(later_operations())
    new_models = {op.name.lower() for _, op, _ in operations if isinstance(op, CreateModel)}

    found = [
        f"{migration.app_label}.{migration.name}: {operation.describe()}: {why}"
        for migration, operation, before in operations
        if (why := trouble_with(migration, operation, new_models=new_models, before=before))
    ]

    assert found == []
    assert {"payments", "ops", "bookings"} <= {migration.app_label for migration, _, _ in operations}
    assert any(before is not None for _, _, before in operations)  # it looked at something


@pytest.mark.parametrize(
    "operation",
    [
        RunSQL("ALTER TABLE payments_order DROP COLUMN nudged_by"),
        RunSQL(["DROP TABLE guard_bucket"]),
        RunSQL("ALTER TABLE payments_order RENAME COLUMN status TO state"),
        RunSQL("ALTER TABLE payments_order ALTER COLUMN status TYPE varchar(5)"),
        RunSQL("DROP INDEX payments_event_at"),
        RunSQL("CREATE INDEX some ON payments_event (at)"),
        migrations.RemoveField("paymentorder", "nudged_by"),
        migrations.RenameField("paymentorder", "status", "state"),
        migrations.DeleteModel("PaymentEvent"),
        AddField("paymentorder", "colour", models.CharField(max_length=5)),
        AlterField("paymentorder", "nudged_by", models.CharField(max_length=9, null=True)),
        AlterField("paymentorder", "nudged_by", models.CharField(max_length=10)),  # no null any more
        AlterField("paymentorder", "nudged_by", models.CharField(max_length=10, null=True, unique=True)),
        AlterField("paymentorder", "nudged_by", models.TextField(null=True)),
    ],
    ids=lambda operation: operation.describe()[:60] + str(getattr(operation, "sql", ""))[-30:],
)
def test_what_would_lock_for_long_or_break_old_code_is_refused(operation: Operation) -> None:
    before: models.Field[Any, Any] = models.CharField(max_length=10, null=True)

    assert trouble_with(Migration("0099_bad", "payments"), operation, new_models=set(), before=before)


@pytest.mark.parametrize(
    "operation",
    [
        RunSQL("DROP INDEX CONCURRENTLY IF EXISTS payments_event_at"),
        AlterField(
            "paymentorder", "nudged_by", models.CharField(max_length=10, null=True, choices=[("a", "b")])
        ),
        AlterField("paymentorder", "nudged_by", models.CharField(max_length=20, null=True)),
        AddField("paymentorder", "colour", models.CharField(max_length=5, db_default="")),
    ],
)
def test_what_harms_nobody_is_let_through(operation: Operation) -> None:
    before: models.Field[Any, Any] = models.CharField(max_length=10, null=True)

    assert trouble_with(Migration("0099_good", "payments"), operation, new_models=set(), before=before) == ""
