"""Compares what lists, searches and exports read first with the entries: indexes, which someone who
can change the schema could rebuild without an entry, and value counters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db import connection, transaction
from django.db.models import Exists

from ipadmin.audit.counters import ACTOR, COUNTED_VALUES, actor_of
from ipadmin.audit.integrity.findings import Finding, about_stored
from ipadmin.models import AuditEntry, AuditReasonWord, AuditValueCounter
from ipadmin.models.audit_entry import SEARCHED_BY
from ipadmin.models.audit_reason_word import REASON_WORD

ENTRIES, LINKS = "ipadmin_auditentry", "ipadmin_auditlink"
WORDS = "ipadmin_auditreasonword"
BY_VALUE = [f"audit_by_{short}" for short in SEARCHED_BY.values()]
# Table, condition of the index, and the indexes with that condition.
INDEXES = [
    (ENTRIES, "1", ["audit_created", *BY_VALUE]),
    (ENTRIES, "finished_at IS NULL", ["audit_open"]),
    (WORDS, "1", ["audit_reason_words"]),
    (LINKS, "attempt_id IS NOT NULL", ["link_attempt"]),
    (LINKS, "attempt_id IS NULL", ["link_activity", "link_activity_kind", "link_activity_at"]),
]
MISPLACED = f"""
    SELECT id FROM {ENTRIES} AS entry NOT INDEXED WHERE NOT EXISTS (
        SELECT 1 FROM {ENTRIES} AS listed INDEXED BY audit_created
        WHERE listed.created_at = entry.created_at AND listed.id = entry.id
    ) LIMIT 1
"""  # noqa: S608  names of our own
# Fields that are counted in another form than they are stored in. They have few values.
CONVERTED = {"user_id": ("user_id",), "token_id": ("token_id",), "actor": ACTOR}


def compare_indexes() -> None:
    """Raises Finding when an index does not have as many rows as its table, or the order of lists
    misses an entry."""
    if connection.vendor == "postgresql":
        _compare_on_postgresql()
        return
    with connection.cursor() as cursor:
        cursor.execute(MISPLACED)
        if found := cursor.fetchone():
            raise Finding(
                f"Removed: the entry of {about_stored(found[0])} is as it was sealed, but missing"
                " from the index audit_created: lists, searches and exports do not show it."
            )
        for table, condition, names in INDEXES:
            hints = ["NOT INDEXED", *(f"INDEXED BY {name}" for name in names)]
            counts = [f"(SELECT count(*) FROM {table} {hint} WHERE {condition})" for hint in hints]  # noqa: S608
            _compare_counts(table, names, counts)


def _compare_on_postgresql() -> None:
    """No statement names an index there: plans without an index are switched off instead."""
    orders = ["created_at, id", *(f"{field}, created_at, id" for field in SEARCHED_BY)]
    counts = [
        # A sample of all rows is read from the table itself.
        f"(SELECT count(*) FROM {ENTRIES} TABLESAMPLE SYSTEM (100))",  # noqa: S608
        *(
            f"(SELECT count(*) FROM (SELECT 1 FROM {ENTRIES} ORDER BY {order} OFFSET 0) AS listed)"  # noqa: S608
            for order in orders
        ),
    ]
    with transaction.atomic(), connection.cursor() as cursor:
        for plan in ("seqscan", "bitmapscan", "sort", "incremental_sort"):
            cursor.execute("SELECT set_config(%s, 'off', true)", [f"enable_{plan}"])
        _compare_counts(ENTRIES, ["audit_created", *BY_VALUE], counts)


def _compare_counts(table: str, names: list[str], counts: list[str]) -> None:
    """`counts` are expressions: first that of the table, then those of the indexes. One statement
    sees one state of the database."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(counts)}")
        in_table, *in_indexes = cursor.fetchone()
    for name, count in zip(names, in_indexes, strict=True):
        if count != in_table:
            raise Finding(
                f"Removed: the index {name} has {count:,} of the {in_table:,} rows of {table}:"
                " lists, searches and exports that use it do not show all of them."
            )


def compare_value_counters() -> None:
    """Raises Finding for a finished entry of which a value is not counted."""
    for field in COUNTED_VALUES:
        for values, text in _values_of(field):
            # In one statement: entries are finished and pruned together with their counters.
            counter = AuditValueCounter.objects.filter(field=field, value=text)
            entries = AuditEntry.objects.filter(~Exists(counter), finished_at__isnull=False)
            uncounted = entries.filter(**values).order_by()
            if text and (pk := uncounted.values_list("pk", flat=True).first()):
                raise _uncounted(pk, field.removesuffix("_key"))
    counted = AuditValueCounter.objects.filter(field=REASON_WORD).values_list("value")
    for (word,) in AuditReasonWord.objects.values_list("word").distinct().difference(counted):
        counter = AuditValueCounter.objects.filter(field=REASON_WORD, value=word)
        ids = AuditReasonWord.objects.filter(~Exists(counter), word=word).values("entry_id")
        finished = AuditEntry.objects.filter(pk__in=ids, finished_at__isnull=False)
        if pk := finished.values_list("pk", flat=True).first():
            raise _uncounted(pk, "reason")


def _uncounted(pk: int, what: str) -> Finding:
    return Finding(
        f"Removed: the entry of {about_stored(pk)} is as it was sealed, but its {what} is missing"
        " from the value counters: searches do not find it."
    )


def _values_of(field: str) -> Iterator[tuple[dict[str, Any], str]]:
    """Values that may be uncounted, each with the text that is counted."""
    names = CONVERTED.get(field, (field,))
    stored = AuditEntry.objects.order_by().values_list(*names).distinct()
    counters = AuditValueCounter.objects.filter(field=field)
    counted: set[str] = set()
    if field in CONVERTED:
        counted = set(counters.values_list("value", flat=True))
    else:
        stored = stored.difference(counters.values_list("value"))
    for row in stored.iterator():
        values = dict(zip(names, row, strict=True))
        text = actor_of(values) if field == "actor" else str(row[0])
        if text not in counted:
            yield values, text
