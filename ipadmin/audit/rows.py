"""Rows as plain values, read without models.

A million entries are exported, sealed and verified: Django's converters would cost more than all
the rest. A moment is ISO 8601 in UTC with microseconds and `Z`, a UUID its usual text, JSON what
it holds; everything else as it is. The same on every database.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection, models
from django.db.models import Func, QuerySet

CHUNK = 1000

Convert = Callable[[Any], Any]


def fields_of(model: type[models.Model]) -> list[str]:
    """The names of a model's columns, in their order."""
    return [field.attname for field in model._meta.concrete_fields]


def rows(queryset: QuerySet[Any], fields: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """The given columns of each row, in the order of the query and in constant memory.

    On PostgreSQL only within a transaction: outside of one the server holds the whole result.
    """
    for chunk in chunks(queryset, fields):
        yield from chunk


def dicts(queryset: QuerySet[Any], fields: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Each of these rows by the names of its columns."""
    for row in rows(queryset, fields):
        yield dict(zip(fields, row, strict=True))


def chunks(queryset: QuerySet[Any], fields: Sequence[str]) -> Iterator[list[tuple[Any, ...]]]:
    model: type[models.Model] = queryset.model
    converters = _converters(model, tuple(fields))
    as_text = _as_text(model, tuple(fields))
    names = [f"plain_{name}" if name in as_text else name for name in fields]
    texts = {f"plain_{name}": as_text[name](name) for name in as_text}
    try:
        sql, params = queryset.annotate(**texts).values_list(*names).query.sql_with_params()
    except EmptyResultSet:
        return
    with connection.chunked_cursor() as cursor:
        cursor.execute(sql, params)
        while found := cursor.fetchmany(CHUNK):
            yield [_plain(row, converters) for row in found]


class _Text(Func):
    """A value as the database writes it. To make one of Python's of it, and write that, costs
    several times as much, and there are eight of them in an entry and its seals."""

    output_field = models.TextField()
    template = "(%(expressions)s || '')"

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        context["template"] = "(%(expressions)s)::text"
        return super().as_sql(compiler, connection, **context)


class _Moment(_Text):
    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        form = 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'
        context["template"] = f"to_char(%(expressions)s AT TIME ZONE 'UTC', '{form}')"
        return super().as_sql(compiler, connection, **context)


@cache
def _as_text(model: type[models.Model], fields: tuple[str, ...]) -> dict[str, type[_Text]]:
    found: dict[str, type[_Text]] = {}
    for name in fields:
        field = model._meta.get_field(name)
        if isinstance(field, models.DateTimeField):
            found[name] = _Moment
        elif isinstance(field, models.UUIDField):
            found[name] = _Text
    return found


def one(model: type[models.Model], fields: tuple[str, ...], pk: int) -> dict[str, Any]:
    """The given columns of one row, by their names. Raises LookupError when it is not there."""
    with connection.cursor() as cursor:
        cursor.execute(_select(model, fields), [pk])
        row = cursor.fetchone()
    if row is None:
        raise LookupError(f"no {model.__name__} {pk}")
    return dict(zip(fields, _plain(row, _converters(model, fields)), strict=True))


@cache
def _select(model: type[models.Model], fields: tuple[str, ...]) -> str:
    """For one row; an attempt waits for it, and Django takes as long to write it as the database to
    answer it."""
    columns = ", ".join(connection.ops.quote_name(name) for name in fields)
    key = model._meta.pk.column if model._meta.pk else "id"
    return f"SELECT {columns} FROM {model._meta.db_table} WHERE {key} = %s"  # noqa: S608


def _plain(row: tuple[Any, ...], converters: list[tuple[int, Convert]]) -> tuple[Any, ...]:
    values = list(row)
    for index, convert in converters:
        if values[index] is not None:
            values[index] = convert(values[index])
    return tuple(values)


@cache
def _converters(model: type[models.Model], fields: tuple[str, ...]) -> list[tuple[int, Convert]]:
    found = []
    for index, name in enumerate(fields):
        field = model._meta.get_field(name)
        for kind, convert in CONVERTERS[connection.vendor].items():
            if isinstance(field, kind):
                found.append((index, convert))
    return found


def moment(value: Any) -> str:
    """A moment of Python's, or one as the database writes it. Any other text, which SQLite keeps as
    well, is left as it is: nothing that was sealed."""
    if not isinstance(value, str):
        # In UTC on both databases; on PostgreSQL its offset says so again.
        return str(value.isoformat(timespec="microseconds"))[:26] + "Z"
    if len(value) == 26 and value[10] == " " and not value.endswith(".000000"):
        return f"{value[:10]}T{value[11:]}Z"
    if len(value) == 19 and value[10] == " ":
        # Whole seconds, on SQLite.
        return f"{value[:10]}T{value[11:]}.000000Z"
    return value


def _uuid_of_hex(text: str) -> str:
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _bytes(value: Any) -> bytes:
    # Not `bytes(number)`, which is as many zeros: SQLite keeps whatever somebody writes.
    return bytes(memoryview(value))


def _json(value: Any) -> Any:
    if value == "{}":
        return {}
    if value == "[]":
        return []
    return json.loads(value) if isinstance(value, str) else value


CONVERTERS: dict[str, dict[type[models.Field[Any, Any]], Convert]] = {
    "sqlite": {
        models.DateTimeField: moment,
        models.UUIDField: _uuid_of_hex,
        models.JSONField: _json,
        models.BooleanField: bool,
        models.BinaryField: _bytes,
    },
    "postgresql": {
        models.DateTimeField: moment,
        models.UUIDField: str,
        models.GenericIPAddressField: str,
        models.JSONField: _json,
        models.BinaryField: _bytes,
    },
}
