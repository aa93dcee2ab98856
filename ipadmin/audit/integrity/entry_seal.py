"""Whether the seal of one entry holds: its own links of the chain, not those around them. The whole
chain is walked by `services/proving/verification.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.db.models import OuterRef, Subquery

from ipadmin import crypto
from ipadmin.audit import rows
from ipadmin.audit.integrity.findings import Link, fits, is_entry_sealed
from ipadmin.models import AuditLink, LinkKind


class Standing(StrEnum):
    HOLDS = "holds"
    BROKEN = "broken"
    # Its links hold, and the one that seals the outcome comes when the entry is finished.
    OPEN = "open"
    MISSING = "missing"
    # Sealed under a key that is not configured.
    UNCHECKED = "unchecked"


@dataclass(frozen=True, slots=True)
class EntrySeal:
    """`last` seals all of a finished entry, `first` what was known when an attempt was opened."""

    standing: Standing
    first: AuditLink | None
    last: AuditLink | None


def seal_of(values: Mapping[str, Any]) -> EntrySeal:
    """How the seal of the entry with these plain values stands, in one query."""
    before = AuditLink.objects.filter(sequence=OuterRef("sequence") - 1).values("mac")
    links = list(
        AuditLink.objects.filter(attempt_id=values["attempt_id"])
        .order_by("sequence")
        .annotate(mac_before=Subquery(before[:1]))
    )
    first = next((each for each in links if each.kind == LinkKind.OPENED), None)
    last = next((each for each in links if each.kind != LinkKind.OPENED), None)
    return EntrySeal(_standing(values, links), first, last)


def _standing(values: Mapping[str, Any], links: Sequence[AuditLink]) -> Standing:
    is_open = values["finished_at"] is None
    is_sealed = any(each.kind != LinkKind.OPENED for each in links)
    if not links or not (is_open or is_sealed):
        return Standing.MISSING
    keys = crypto.audit_keys()
    if any(each.key_id not in keys for each in links):
        return Standing.UNCHECKED
    if _is_odd([each.kind for each in links], is_open) or not all(
        _holds(each, values, keys[each.key_id]) for each in links
    ):
        return Standing.BROKEN
    return Standing.OPEN if is_open else Standing.HOLDS


def _is_odd(kinds: Sequence[str], is_open: bool) -> bool:
    """Whether links of these kinds, in their order, are none of ours together."""
    if is_open:
        return list(kinds) != [LinkKind.OPENED]
    return list(kinds) not in ([LinkKind.OPENED, LinkKind.FINISHED], [LinkKind.ADOPTED])


def _holds(seal: AuditLink, values: Mapping[str, Any], key: bytes) -> bool:
    previous = b"" if seal.sequence == 1 else getattr(seal, "mac_before", None)
    if previous is None:
        return False
    link = Link(
        seal.sequence,
        seal.kind,
        str(seal.attempt_id),
        rows.moment(seal.at),
        bytes(seal.digest),
        seal.key_id,
        bytes(seal.mac),
        seal.details,
    )
    is_as_sealed = is_entry_sealed(values, link)
    return is_as_sealed and fits(link, key, sequence=link.sequence, previous=bytes(previous))
