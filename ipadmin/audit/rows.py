"""Raw rows: database rows read without models, for code that reads all entries.

Django's converters would cost more than everything else. A datetime becomes ISO 8601 text in UTC
with microseconds and `Z`, a UUID its usual text, JSON its value; everything else stays as it is.
The result is the same on every database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import cache, lru_cache
from typing import Any

import orjson
from django.core.exceptions import EmptyResultSet
from django.db import connection, models
from django.db.models import F, QuerySet, TextField
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast

ROWS_PER_FETCH = 500

Convert = Callable[[Any], Any]
Row = tuple[Any, ...]
Model = type[models.Model]


def fields_of(model: Model) -> list[str]:
    """The names of a model's columns, in their order."""
    return [field.attname for field in model._meta.concrete_fields]


def rows(queryset: QuerySet[Any], fields: Sequence[str]) -> Iterator[Row]:
    """The given columns of each row, in the order of the query and in constant memory.

    On PostgreSQL only within a transaction: outside of one the server holds the whole result.
    """
    for chunk in chunks(queryset, fields):
        yield from chunk


def chunks(queryset: QuerySet[Any], fields: Sequence[str]) -> Iterator[list[Row]]:
    """The rows in lists of at most ROWS_PER_FETCH."""
    model: Model = queryset.model
    converters = _converters(model, tuple(fields))
    try:
        sql, params = _select(queryset, fields)
    except EmptyResultSet:
        return
    with connection.chunked_cursor() as cursor:
        cursor.execute(sql, params)
        while found := cursor.fetchmany(ROWS_PER_FETCH):
            yield _raw(found, converters)


def prepared(queryset: QuerySet[Any], fields: Sequence[str]) -> Callable[..., list[Row]]:
    """A function that runs this query with other parameters, all of them in the order of the SQL:
    Django takes longer to write a query than the database to answer it."""
    sql, _params = _select(queryset, fields)
    model: Model = queryset.model
    converters = _converters(model, tuple(fields))

    def run(*params: int | str) -> list[Row]:
        with connection.cursor() as cursor:
            cursor.execute(sql, params)
            return _raw(cursor.fetchall(), converters)

    return run


def one(model: Model, fields: tuple[str, ...], pk: int) -> dict[str, Any]:
    """The given columns of one row, by their names. Raises LookupError when there is none."""
    if found := _by_pk(model, fields)(pk):
        return dict(zip(fields, found[0], strict=True))
    raise LookupError(f"no {model.__name__} {pk}")


def count_without_indexes(queryset: QuerySet[Any]) -> int:
    """The number of rows, found without an index of their table. On SQLite, anyone who can write
    the file can rebuild an index without a row, and queries that use it do not return the row."""
    queryset = queryset.order_by()
    if connection.vendor != "sqlite":
        return queryset.count()
    table = f'FROM "{queryset.model._meta.db_table}"'
    try:
        sql, params = queryset.values("pk").query.sql_with_params()
    except EmptyResultSet:
        return 0
    with connection.cursor() as cursor:
        without_indexes = sql.replace(table, f"{table} NOT INDEXED", 1)
        cursor.execute(f"SELECT COUNT(*) FROM ({without_indexes})", params)  # noqa: S608
        return int(cursor.fetchone()[0])


def moment(value: datetime | str) -> str:
    """A datetime in UTC, or one as SQLite stores it, as ISO 8601 text. Any other text, which SQLite
    also accepts, stays as it is: the product never sealed it."""
    if not isinstance(value, str):
        return value.isoformat(timespec="microseconds")[:26] + "Z"
    if len(value) == 26 and value[10] == " " and not value.endswith(".000000"):
        return f"{value[:10]}T{value[11:]}Z"
    if len(value) == 19 and value[10] == " ":
        return f"{value[:10]}T{value[11:]}.000000Z"
    return value


def _select(queryset: QuerySet[Any], fields: Sequence[str]) -> tuple[str, Sequence[Any]]:
    selected = [_selected(queryset.model, name) for name in fields]
    sql, params = queryset.values_list(*selected).query.sql_with_params()
    return sql, params


def _selected(model: Model, name: str) -> Combinable:
    """Datetimes as text on SQLite, where its driver would parse each of them."""
    is_datetime = isinstance(model._meta.get_field(name), models.DateTimeField)
    return Cast(name, TextField()) if is_datetime and connection.vendor == "sqlite" else F(name)


@cache
def _by_pk(model: Model, fields: tuple[str, ...]) -> Callable[..., list[Row]]:
    return prepared(model._default_manager.filter(pk=0).order_by(), fields)


@cache
def _converters(model: Model, fields: tuple[str, ...]) -> list[tuple[int, Convert]]:
    return [
        (index, convert)
        for index, name in enumerate(fields)
        for kind, convert in CONVERTERS[connection.vendor].items()
        if isinstance(model._meta.get_field(name), kind)
    ]


def _raw(rows: Sequence[Row], converters: list[tuple[int, Convert]]) -> list[Row]:
    """Converted by column, which costs half as much as by row."""
    if not rows:
        return []
    columns: list[Sequence[Any]] = list(zip(*rows, strict=True))
    for index, convert in converters:
        columns[index] = [None if value is None else convert(value) for value in columns[index]]
    return list(zip(*columns, strict=True))


@lru_cache(maxsize=512)  # an entry and its links have the same values
def _uuid_of_hex(text: str) -> str:
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _bytes(value: Any) -> bytes:
    # Not `bytes(number)`, which is that many zeros: SQLite accepts any value in any column.
    return value if isinstance(value, bytes) else bytes(memoryview(value))


def _json(value: Any) -> Any:
    return orjson.loads(value) if isinstance(value, str) else value


_ON_BOTH: dict[type[models.Field[Any, Any]], Convert] = {
    models.DateTimeField: moment,
    models.JSONField: _json,
    models.BinaryField: _bytes,
}
CONVERTERS: dict[str, dict[type[models.Field[Any, Any]], Convert]] = {
    "sqlite": {**_ON_BOTH, models.UUIDField: _uuid_of_hex, models.BooleanField: bool},
    "postgresql": {**_ON_BOTH, models.UUIDField: str, models.GenericIPAddressField: str},
}
