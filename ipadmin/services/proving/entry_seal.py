"""Whether the seal of one entry holds: its own links of the chain, not those around them. The whole
chain is walked by `services/proving/verification.py`."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.db.models import OuterRef, Subquery

from ipadmin import crypto
from ipadmin.models import AuditEntry, AuditSeal, SealKind
from ipadmin.services import plain, record
from ipadmin.services.proving import seals
from ipadmin.services.proving.unreadable import UNREADABLE


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
    first: AuditSeal | None
    last: AuditSeal | None


def values_of(entry: AuditEntry) -> dict[str, Any]:
    """The plain values of an entry as the database has them, for its record and its seal."""
    return plain.one(AuditEntry, record.fields(), entry.pk)


def seal_of(values: Mapping[str, Any]) -> EntrySeal:
    """How the seal of the entry with these plain values stands, in one query."""
    before = AuditSeal.objects.filter(sequence=OuterRef("sequence") - 1).values("mac")
    links = list(
        AuditSeal.objects.filter(attempt_id=values["attempt_id"])
        .order_by("sequence")
        .annotate(mac_before=Subquery(before[:1]))
    )
    first = next((each for each in links if each.kind == SealKind.OPENED), None)
    last = next((each for each in links if each.kind != SealKind.OPENED), None)
    return EntrySeal(_standing(values, links), first, last)


def _standing(values: Mapping[str, Any], links: Sequence[AuditSeal]) -> Standing:
    is_open = values["finished_at"] is None
    is_sealed = any(each.kind != SealKind.OPENED for each in links)
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
        return list(kinds) != [SealKind.OPENED]
    return list(kinds) not in ([SealKind.OPENED, SealKind.FINISHED], [SealKind.ADOPTED])


def _holds(link: AuditSeal, values: Mapping[str, Any], key: bytes) -> bool:
    previous = b"" if link.sequence == 1 else getattr(link, "mac_before", None)
    if previous is None or _digest(link, values) != bytes(link.digest):
        return False
    mac = seals.mac_of(
        key,
        sequence=link.sequence,
        kind=link.kind,
        attempt_id=str(link.attempt_id),
        at=plain.moment(link.at),
        digest=bytes(link.digest),
        key_id=link.key_id,
        previous=bytes(previous),
    )
    return hmac.compare_digest(mac, bytes(link.mac))


def _digest(link: AuditSeal, values: Mapping[str, Any]) -> bytes | None:
    """Of what the link should have sealed; None when that cannot be read."""
    text = record.opening_text if link.kind == SealKind.OPENED else record.record_text
    try:
        return record.text_digest(text(values))
    except UNREADABLE:
        return None
