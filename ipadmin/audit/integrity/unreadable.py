"""Reads rows of which some may be unreadable. SQLite stores any type in any column; a page must not
fail because someone changed a row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import DatabaseError, connection
from django.db.models import QuerySet

from ipadmin.audit import rows

# What converting a value of an unexpected type raises.
UNREADABLE = (ValueError, TypeError, AttributeError, OverflowError)


def read(
    queryset: QuerySet[Any], fields: Sequence[str], key: str
) -> tuple[list[tuple[Any, ...]], list[Any]]:
    """The raw rows, and the keys of those that cannot be read. Raises DatabaseError when the
    database does not answer."""
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
