"""Count finished entries as they come, so that no page ever counts the table.

`AuditCounter` holds what the chart and the totals need, `AuditValueCounter` how often each value
occurs. Both are written under the lock on the chain, in the transaction that finishes the entry, so
that they are exact.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from math import log
from typing import Any

from django.db import connection

from ipadmin.models import AuditCounter, AuditValueCounter, Facet, Span
from ipadmin.models.audit_entry import keys_of

# What a row of the database takes in one statement; SQLite allows 999 parameters.
ROWS = 90
TALLY = ("facet", "value", "span", "since", "outcome", "error_code")
TALLIED = ("attempts", "timed", "log_seconds")
TERM = ("field", "value")
# A call that took no measurable time has no logarithm.
SHORTEST = 0.000_001

FACETS = {
    Facet.ALL: None,
    Facet.PERSON: "user_name_key",
    Facet.TOKEN: "token_id",
    Facet.ORGANIZATION: "organization_key",
    Facet.ENVIRONMENT: "environment",
    Facet.ACTOR: "actor",
}
SEPARATOR = "\x1f"
ACTOR = ("user_name_key", "token_id", "organization_key", "environment")
# Fields whose values can be searched for, and the field that says how people know the value.
TERMS = {
    "user_name_key": "user_name",
    "token_id": "token_label",
    "organization_key": "organization_name",
    "environment": "",
    "actor": "",
    "outcome": "",
    "error_code": "",
    "address_key": "",
    "allocation_id_key": "allocation_name",
    "allocation_name_key": "allocation_name",
    "reverse_dns_key": "",
}
FIELDS = (
    "created_at",
    "user_name",
    "token_id",
    "token_label",
    "organization_id",
    "organization_name",
    "organization_sub_domain",
    "environment",
    "outcome",
    "error_code",
    "address",
    "allocation_id",
    "allocation_name",
    "reverse_dns",
    "duration",
)


def actor_of(values: Mapping[str, Any]) -> str:
    """The value of `Facet.ACTOR` of an entry, given by its plain values and search keys."""
    return SEPARATOR.join([str(values[name]).replace(SEPARATOR, " ") for name in ACTOR])


class Counters:
    """Counts of entries, gathered to be written at once."""

    def __init__(self) -> None:
        self.counts: dict[tuple[Any, ...], list[float]] = defaultdict(lambda: [0, 0, 0.0])
        self.terms: dict[tuple[str, str], int] = defaultdict(int)
        self.labels: dict[tuple[str, str], str] = {}

    def add(self, entry: Mapping[str, Any], *, sign: int = 1) -> None:
        """Count a finished entry, given by the plain values of `FIELDS`; or count it off again."""
        values = {**entry, **keys_of(entry)}
        values["actor"] = actor_of(values)
        duration = entry["duration"]
        timed = 0 if duration is None else sign
        log_seconds = timed * log(max(duration, SHORTEST)) if timed else 0.0
        date = entry["created_at"][:10]
        for facet, field in FACETS.items():
            value = values[field] if field else ""
            for span, since in ((Span.DAY, date), (Span.MONTH, f"{date[:7]}-01")):
                key = (facet, value, span, since, entry["outcome"], entry["error_code"])
                count = self.counts[key]
                count[0] += sign
                count[1] += timed
                count[2] += log_seconds
        for field, label in TERMS.items():
            if value := values[field]:
                self.terms[field, value] += sign
                if label and sign > 0:
                    self.labels[field, value] = values[label][:200]

    def write(self) -> None:
        """Add everything to what the database has."""
        _add_up(AuditCounter, TALLY, TALLIED, [(*k, *v) for k, v in self.counts.items()])
        terms = [(*k, self.labels.get(k, ""), count) for k, count in self.terms.items()]
        _add_up(AuditValueCounter, TERM, ("label", "attempts"), terms)


def count(entry: Mapping[str, Any]) -> None:
    """Count an entry, given by its plain values, inside the transaction that finished it."""
    tally = Counters()
    tally.add(entry)
    tally.write()


def _add_up(
    model: type[AuditCounter] | type[AuditValueCounter],
    key: tuple[str, ...],
    added: tuple[str, ...],
    rows: list[tuple[Any, ...]],
) -> None:
    """Insert rows, or add their numbers to those that are there; a label is replaced.

    Both databases understand the same statement, which Django's `bulk_create` cannot make.
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
    # Always in the same order: two that write at once, where nothing is locked, wait for another
    # but never in a circle.
    rows.sort(key=lambda row: row[: len(key)])
    with connection.cursor() as cursor:
        for start in range(0, len(rows), ROWS):
            some = rows[start : start + ROWS]
            cursor.execute(
                f"INSERT INTO {table} ({', '.join(columns)})"  # noqa: S608  names of our own
                f" VALUES {', '.join([one] * len(some))}"
                f" ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changes}",
                [value for row in some for value in row],
            )
