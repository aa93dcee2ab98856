"""Compares the value counters with the entries: a search asks `AuditValueCounter` first, so an entry
whose values are missing there would not be found, although it was not changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

from ipadmin.audit.counters import TERMS, actor_of
from ipadmin.audit.integrity.findings import Finding, about_entry
from ipadmin.models import AuditEntry, AuditValueCounter

# Some tens of MB.
MAX_KNOWN_VALUES = 200_000


def compare_value_counters(
    entries: Sequence[Mapping[str, Any]], known: set[tuple[str, str]]
) -> None:
    """That each value of these finished entries is counted. `known` are values that were found
    before, and grows: most values are in many entries."""
    for field in TERMS:
        value_of = actor_of if field == "actor" else itemgetter(field)
        with_value = dict(zip(map(value_of, entries), entries, strict=True))
        wanted = {value for value in with_value if value and (field, value) not in known}
        if not wanted:
            continue
        counters = AuditValueCounter.objects.filter(field=field, value__in=wanted)
        counted = set(counters.values_list("value", flat=True))
        for value in wanted - counted:
            _refuse_uncounted(with_value[value], field)
        known.update((field, value) for value in counted)
    if len(known) > MAX_KNOWN_VALUES:
        known.clear()


def _refuse_uncounted(entry: Mapping[str, Any], field: str) -> None:
    # The counters of an entry that was pruned just now are gone with it.
    if AuditEntry.objects.filter(pk=entry["id"]).exists():
        raise Finding(
            f"Removed: the entry of {about_entry(entry)} is as it was sealed, but its"
            f" {field.removesuffix('_key')} is missing from the value counters: searches do not"
            " find it."
        )
