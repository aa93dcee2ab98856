"""Lets Django empty the audit log after a test with real transactions, which triggers prevent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from django.apps import apps
from django.db import connection
from django.db.backends.base.operations import BaseDatabaseOperations

from ipadmin.models import triggers


@contextmanager
def allowed_in_tests() -> Iterator[None]:
    """Remove the triggers while Django's test runner empties the tables."""
    operations = type(connection.ops)
    flush = operations.execute_sql_flush

    def unprotected(self: BaseDatabaseOperations, statements: Iterable[str]) -> Any:
        with connection.schema_editor() as editor:
            triggers.unprotect(apps, editor)
        try:
            return flush(self, statements)
        finally:
            with connection.schema_editor() as editor:
                triggers.protect(apps, editor)

    with mock.patch.object(operations, "execute_sql_flush", unprotected):
        yield
