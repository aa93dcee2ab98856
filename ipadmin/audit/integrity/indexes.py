"""Compares the indexes with their tables. Lists, searches and exports read entries through an index;
whoever can change the schema can rebuild one without an entry, and hide it without a trace in its
table."""

from __future__ import annotations

import re

from django.db import connection, transaction

from ipadmin.audit import rows
from ipadmin.audit.integrity.findings import Finding, about_entry
from ipadmin.models import AuditEntry, AuditLink, AuditValueCounter
from ipadmin.models.audit_entry import SEARCHED_BY

MISSING = re.compile(r"row (\d+) (?:missing from|values differ from) index (\w+)")
ABOUT_FIELDS = ("address", "attempt_id", "created_at")
ENTRY_TABLE = AuditEntry._meta.db_table


def compare_indexes() -> None:
    """Raises Finding when an index does not contain exactly the rows of its table."""
    if connection.vendor == "sqlite":
        _check_on_sqlite()
    else:
        _count_on_postgresql()


def _check_on_sqlite() -> None:
    with connection.cursor() as cursor:
        for model in (AuditEntry, AuditValueCounter, AuditLink):
            table = model._meta.db_table
            # Looks up each row in each index, and compares their counts.
            cursor.execute(f"PRAGMA integrity_check({table})")
            for (message,) in cursor.fetchall():
                if message != "ok":
                    raise _hidden(table, message)


def _hidden(table: str, message: str) -> Finding:
    found = MISSING.search(message)
    if not found:
        return Finding(f"Changed: SQLite reports about the table {table}: {message}.")
    row, index = found.groups()
    about = f"row {row} of {table}"
    if table == ENTRY_TABLE:
        entry = next(rows.dicts(AuditEntry.objects.filter(pk=row), ABOUT_FIELDS))
        about = f"the entry of {about_entry(entry)}"
    return Finding(
        f"Removed: {about} is missing from the index {index}: lists, searches and exports do not"
        " show it."
    )


def _count_on_postgresql() -> None:
    """Compares the number of rows that each order returns with that of the table."""
    orders = ["created_at, id", *(f"{field}, created_at, id" for field in SEARCHED_BY)]
    counts = [
        f"(SELECT count(*) FROM (SELECT 1 FROM {ENTRY_TABLE} ORDER BY {order} OFFSET 0) AS ordered)"  # noqa: S608
        for order in orders
    ]
    # A sample of all rows is read from the table itself, whatever the settings.
    table = f"(SELECT count(*) FROM {ENTRY_TABLE} TABLESAMPLE SYSTEM (100))"  # noqa: S608
    with transaction.atomic(), connection.cursor() as cursor:
        for plan in ("seqscan", "bitmapscan", "sort", "incremental_sort"):
            cursor.execute("SELECT set_config(%s, 'off', true)", [f"enable_{plan}"])
        # One statement, which sees one state of the database.
        cursor.execute(f"SELECT {', '.join([table, *counts])}")
        in_table, *in_order = cursor.fetchone()
    for order, count in zip(orders, in_order, strict=True):
        if count != in_table:
            raise Finding(
                f"Removed: ordered by {order}, the database returns {count:,} of {in_table:,}"
                " entries: an index is not complete, and lists, searches and exports do not show"
                " all entries."
            )
