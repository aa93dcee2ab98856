"""Empties the database after a test with real transactions, for a fraction of what Django's `flush`
takes: it deletes from tables that have rows, and keeps what every test finds there.

`flush` makes permissions, content types and roles again, in several hundred queries.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.db.models import Model
from django.test import TransactionTestCase

from ipadmin.models import triggers

KEPT: list[type[Model]] = [ContentType, Permission, Group, Group.permissions.through]
Rows = list[list[tuple[object, ...]]]


@contextmanager
def quickly() -> Iterator[None]:
    """Replace Django's way of emptying the database. To be entered with its first content."""
    first = kept_rows()

    def teardown(self: TransactionTestCase) -> None:
        empty()
        if kept_rows() != first:
            restore(first)

    with mock.patch.object(TransactionTestCase, "_fixture_teardown", teardown):
        yield


def kept_rows() -> Rows:
    return [sorted(model._default_manager.values_list()) for model in KEPT]


def restore(rows: Rows) -> None:
    """Put the rows that every test finds in place of what a test left of them."""
    for model in reversed(KEPT):
        model._default_manager.all().delete()
    for model, values in zip(KEPT, rows, strict=True):
        names = [field.attname for field in model._meta.concrete_fields]
        model._default_manager.bulk_create(
            model(**dict(zip(names, each, strict=True))) for each in values
        )
    ContentType.objects.clear_cache()


def empty() -> None:
    """Delete every row but the kept ones, protected or not."""
    tables = filled_tables()
    is_protected = not tables.isdisjoint({triggers.ENTRY, triggers.LINK})
    with connection.schema_editor() as editor:
        if is_protected:
            triggers.unprotect(apps, editor)
        for table in tables:
            editor.execute(f"DELETE FROM {connection.ops.quote_name(table)}")
        if is_protected:
            triggers.protect(apps, editor)


def filled_tables() -> set[str]:
    """The tables that have rows, without the kept ones."""
    names = connection.introspection.django_table_names(only_existing=True, include_views=False)
    tables = set(names) - {model._meta.db_table for model in KEPT}
    quoted = {table: connection.ops.quote_name(table) for table in tables}
    query = " UNION ALL ".join(
        f"SELECT '{table}' WHERE EXISTS (SELECT 1 FROM {name})" for table, name in quoted.items()
    )
    with connection.cursor() as cursor:
        cursor.execute(query)
        return {table for (table,) in cursor.fetchall()}
