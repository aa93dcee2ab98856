"""Whether the seals of one entry are right: those of its own links, not of the links around them.
`verification` checks the whole chain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.db.models import OuterRef, Subquery

from ipadmin import crypto
from ipadmin.audit import rows
from ipadmin.audit.integrity import chain
from ipadmin.audit.integrity.unreadable import UNREADABLE
from ipadmin.models import AuditLink, LinkKind


class Standing(StrEnum):
    HOLDS = "holds"
    BROKEN = "broken"
    # Right so far: the link that seals the outcome is added when the entry is finished.
    OPEN = "open"
    MISSING = "missing"
    # Sealed with a key that is not in AUDIT_KEYS.
    UNCHECKED = "unchecked"


@dataclass(frozen=True, slots=True)
class EntrySeal:
    """`first` seals the entry as it was opened, `last` the finished entry."""

    standing: Standing
    first: AuditLink | None
    last: AuditLink | None


def seal_of(values: Mapping[str, Any]) -> EntrySeal:
    """The seals of the entry with these raw values, in one query."""
    before = AuditLink.objects.filter(sequence=OuterRef("sequence") - 1).values("seal")
    links = list(
        AuditLink.objects.filter(attempt_id=values["attempt_id"])
        .order_by("sequence")
        .annotate(seal_before=Subquery(before[:1]))
    )
    first = next((each for each in links if each.kind == LinkKind.OPENED), None)
    last = next((each for each in links if each.kind != LinkKind.OPENED), None)
    return EntrySeal(_standing(values, links, is_sealed=last is not None), first, last)


def _standing(
    values: Mapping[str, Any], links: Sequence[AuditLink], *, is_sealed: bool
) -> Standing:
    is_open = values["finished_at"] is None
    if not links or not (is_open or is_sealed):
        return Standing.MISSING
    keys = crypto.audit_keys()
    if any(each.key_id not in keys for each in links):
        return Standing.UNCHECKED
    expected = [LinkKind.OPENED] if is_open else [LinkKind.OPENED, LinkKind.FINISHED]
    is_right = [each.kind for each in links] == expected and all(
        _is_right(each, values, keys[each.key_id]) for each in links
    )
    if not is_right:
        return Standing.BROKEN
    return Standing.OPEN if is_open else Standing.HOLDS


def _is_right(link: AuditLink, values: Mapping[str, Any], key: bytes) -> bool:
    previous = b"" if link.sequence == 1 else getattr(link, "seal_before", None)
    if previous is None:
        return False
    digest, seal = bytes(link.digest), bytes(link.seal)
    attempt_id, at = str(link.attempt_id), rows.moment(link.at)
    raw = chain.Link(
        link.sequence, link.kind, attempt_id, at, digest, link.key_id, seal, link.details
    )
    try:
        is_as_sealed = chain.digest_of(link.kind, values) == digest
    except UNREADABLE:
        return False
    return is_as_sealed and raw.is_sealed_by(key, bytes(previous))
