"""Compares the value counters with the entries: a search asks `AuditValueCounter` first, and would
not find an entry whose values are missing there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models import Exists

from ipadmin.audit.counters import ACTOR, TERMS, actor_of
from ipadmin.audit.integrity.findings import Finding, about_stored
from ipadmin.models import AuditEntry, AuditValueCounter

# Fields that are counted in another form than they are stored in. They have few values.
CONVERTED = {"token_id": ("token_id",), "actor": ACTOR}


def compare_value_counters() -> None:
    """Raises Finding for a finished entry of which a value is not counted."""
    for field in TERMS:
        for values, text in _values_of(field):
            # In one statement: entries are finished and pruned together with their counters.
            counter = AuditValueCounter.objects.filter(field=field, value=text)
            entries = AuditEntry.objects.filter(~Exists(counter), finished_at__isnull=False)
            uncounted = entries.filter(**values).order_by()
            if text and (pk := uncounted.values_list("pk", flat=True).first()):
                raise Finding(
                    f"Removed: the entry of {about_stored(pk)} is as it was sealed, but its"
                    f" {field.removesuffix('_key')} is missing from the value counters: searches do"
                    " not find it."
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
