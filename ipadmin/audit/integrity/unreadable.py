"""Read rows of which somebody may have changed a column to anything. SQLite takes any value in any
column, and no query may fail on what the product has not written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import DatabaseError, connection
from django.db.models import QuerySet

from ipadmin.audit import rows

# What making a plain value, or a document, of another type of value raises.
UNREADABLE = (ValueError, TypeError, AttributeError, OverflowError)


def read(
    queryset: QuerySet[Any], fields: Sequence[str], key: str
) -> tuple[list[tuple[Any, ...]], list[Any]]:
    """The rows as plain values, and the keys of those that cannot be read. DatabaseError means that
    the database does not answer."""
    try:
        return list(rows.rows(queryset, fields)), []
    except (*UNREADABLE, DatabaseError):
        if not connection.is_usable():
            raise
    found, unreadable = [], []
    for value in queryset.values_list(key, flat=True):
        one = queryset.model.objects.filter(**{key: value}).order_by()
        try:
            found += list(rows.rows(one, fields))
        except (*UNREADABLE, DatabaseError):
            if not connection.is_usable():
                raise
            unreadable.append(value)
    return found, unreadable
