"""Ask further of the entries that a query gives, and of no others.

Given two conditions, a database guesses which one has fewer entries, and where it guesses wrong it
reads half of the history. This leaves it nothing to guess: a query with a limit stands in the place
of the table, so that whatever else is asked is asked of its rows.
"""

from __future__ import annotations

from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Q, QuerySet
from django.db.models.sql import Query
from django.db.models.sql.compiler import SQLCompiler
from django.db.models.sql.datastructures import BaseTable

from ipadmin.models import AuditEntry

# As good as no limit.
ALL = 2**31


class _Rows(BaseTable):
    """What a query gives, under the name of the table."""

    def __init__(self, name: str, query: Query) -> None:
        super().__init__(name, name)
        self.name, self.query = name, query

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> Any:
        sql, params = self.query.get_compiler(connection=connection).as_sql()
        return f"({sql}) {compiler.quote_name_unless_alias(self.name)}", params


def among(some: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
    """Entries out of a query that is cut to some, or `ALL`, in no order."""
    entries = AuditEntry.objects.order_by()
    name = entries.query.get_initial_alias()
    entries.query.alias_map[name] = _Rows(name, some.query)
    return entries


def all_with(q: Q) -> QuerySet[AuditEntry]:
    """All entries that meet a condition of which it is known that few do, to ask further."""
    return among(AuditEntry.objects.filter(q).order_by()[:ALL])
