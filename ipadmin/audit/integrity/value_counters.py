"""That what finished entries are looked for by is there: a search asks `AuditValueCounter`
first, and an entry whose terms were removed from it would hide without having been touched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

from ipadmin.audit.counters import COUNTED_VALUES, actor_of
from ipadmin.audit.integrity.findings import Wrong, about_entry
from ipadmin.models import AuditEntry, AuditValueCounter

Row = Mapping[str, Any]
# Some tens of MB.
MOST_KNOWN = 200_000


def compare_terms(rows: Sequence[Row], known: set[tuple[str, str]]) -> None:
    """That each of these finished entries has its terms. `known` are those that were found, and
    grows: most values occur again and again."""
    for field in COUNTED_VALUES:
        of = actor_of if field == "actor" else itemgetter(field)
        with_value = dict(zip(map(of, rows), rows, strict=True))
        wanted = {value for value in with_value if value and (field, value) not in known}
        if not wanted:
            continue
        terms = AuditValueCounter.objects.filter(field=field, value__in=wanted)
        there = set(terms.values_list("value", flat=True))
        for value in wanted - there:
            _refuse_hidden(with_value[value], field)
        known.update((field, value) for value in there)
    if len(known) > MOST_KNOWN:
        known.clear()


def _refuse_hidden(row: Row, field: str) -> None:
    # Pruned just now, it has taken its terms along.
    if AuditEntry.objects.filter(pk=row["id"]).exists():
        raise Wrong(
            f"Removed: the entry of {about_entry(row)} is as it was sealed, but its"
            f" {field.removesuffix('_key')} is gone from what can be searched for: it hides from"
            " those who look for it."
        )
