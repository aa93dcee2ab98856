"""Counters of finished entries, so that no page counts the table.

`AuditCounter` holds what the chart and the totals need, `AuditValueCounter` how often each value
occurs. Both are written in the transaction that finishes the entry, under the lock on the chain, so
that they are exact.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from math import log
from typing import Any

from django.db import connection

from ipadmin.audit.document import RawEntry
from ipadmin.models import AuditCounter, AuditValueCounter, Facet, Span
from ipadmin.models.audit_entry import keys_of
from ipadmin.models.audit_reason_word import REASON_WORD
from ipadmin.models.search_keys import reason_words

# SQLite allows 999 parameters in a statement; a row has up to 9.
ROWS_PER_STATEMENT = 90
COUNTER_KEY = ("facet", "value", "span", "since", "outcome", "error_code")
COUNTER_SUMS = ("attempts", "timed", "log_seconds")
VALUE_KEY = ("field", "value")
# The shortest duration, in microseconds: zero has no logarithm.
SHORTEST_US = 1

FACETS = {
    Facet.ALL: None,
    Facet.PERSON: "user_id",
    Facet.TOKEN: "token_id",
    Facet.ORGANIZATION: "organization_key",
    Facet.ENVIRONMENT: "environment",
    Facet.ACTION: "action",
    Facet.ACTOR: "actor",
}
SEPARATOR = "\x1f"
ACTOR = ("user_id", "token_id", "organization_key", "environment", "action")
# The fields whose values are counted, each with the field that has its label.
COUNTED_VALUES = {
    "user_id": "user_name",
    "token_id": "token_label",
    "organization_key": "organization_name",
    "environment": "",
    "action": "",
    "actor": "",
    "outcome": "",
    "error_code": "",
    "address_key": "",
    "allocation_id_key": "allocation_name",
    "allocation_name_key": "allocation_name",
    "reverse_dns_key": "",
}


def actor_of(values: Mapping[str, Any]) -> str:
    """The value of `Facet.ACTOR` of an entry, from its raw values and search keys."""
    return SEPARATOR.join([str(values[name]).replace(SEPARATOR, " ") for name in ACTOR])


class Counters:
    """Counts of entries, added up in memory until they are written."""

    def __init__(self) -> None:
        self.counts: dict[tuple[Any, ...], list[float]] = defaultdict(lambda: [0, 0, 0.0])
        self.values: dict[tuple[str, str], int] = defaultdict(int)
        self.labels: dict[tuple[str, str], str] = {}

    def add(self, entry: RawEntry, *, sign: int = 1) -> None:
        """Count a finished entry; with `sign=-1`, subtract it."""
        values: dict[str, Any] = {**entry, **keys_of(entry)}
        values["actor"] = actor_of(values)
        duration_us = entry["duration_us"]
        timed, log_seconds = 0, 0.0
        if duration_us is not None:
            timed, log_seconds = sign, sign * log(max(duration_us, SHORTEST_US) / 1_000_000)
        date = entry["created_at"][:10]
        for facet, field in FACETS.items():
            value = str(values[field]) if field else ""
            for span, since in ((Span.DAY, date), (Span.MONTH, f"{date[:7]}-01")):
                key = (facet, value, span, since, entry["outcome"], entry["error_code"])
                count = self.counts[key]
                count[0] += sign
                count[1] += timed
                count[2] += log_seconds
        for field, label in COUNTED_VALUES.items():
            if value := str(values[field]):
                self.values[field, value] += sign
                if label and sign > 0:
                    self.labels[field, value] = values[label][:200]
        for word in reason_words(entry["reason"]):
            self.values[REASON_WORD, word] += sign

    def write(self) -> None:
        """Add everything to the counters in the database."""
        counts = [(*key, *sums) for key, sums in self.counts.items()]
        _add_up(AuditCounter, COUNTER_KEY, COUNTER_SUMS, counts)
        values = [(*key, self.labels.get(key, ""), count) for key, count in self.values.items()]
        _add_up(AuditValueCounter, VALUE_KEY, ("label", "attempts"), values)


def count(entry: RawEntry) -> None:
    """Count an entry, inside the transaction that finishes it."""
    counters = Counters()
    counters.add(entry)
    counters.write()


def _add_up(
    model: type[AuditCounter] | type[AuditValueCounter],
    key: tuple[str, ...],
    added: tuple[str, ...],
    rows: list[tuple[Any, ...]],
) -> None:
    """Insert rows, or add their numbers to the existing rows; a label is replaced.

    Both databases understand the same statement, which Django's `bulk_create` cannot write.
    """
    table = model._meta.db_table
    columns = (*key, *added)
    changes = ", ".join(
        f"{name} = COALESCE(NULLIF(excluded.{name}, ''), {table}.{name})"
        if name == "label"
        else f"{name} = {table}.{name} + excluded.{name}"
        for name in added
    )
    one = f"({', '.join(['%s'] * len(columns))})"
    # Always in the same order, so that concurrent writers cannot deadlock.
    rows.sort(key=lambda row: row[: len(key)])
    with connection.cursor() as cursor:
        for start in range(0, len(rows), ROWS_PER_STATEMENT):
            some = rows[start : start + ROWS_PER_STATEMENT]
            cursor.execute(
                f"INSERT INTO {table} ({', '.join(columns)})"  # noqa: S608  names of our own
                f" VALUES {', '.join([one] * len(some))}"
                f" ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changes}",
                [value for row in some for value in row],
            )
