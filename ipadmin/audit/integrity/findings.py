"""The sentences of a verification. Each names the first problem: the link, the attempt, and whether
it was changed, removed, inserted or reordered."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ipadmin.audit import document as documents
from ipadmin.audit.integrity import chain, unreadable
from ipadmin.models import AuditEntry

# As long as `AuditVerification.finding`.
MAX_FINDING_CHARACTERS = 500
LINK_FIELDS = (*chain.LINK_FIELDS, "details")


class Finding(Exception):
    """The first problem that a verification found; its text is the sentence."""

    def __str__(self) -> str:
        return super().__str__()[:MAX_FINDING_CHARACTERS]


class Link(NamedTuple):
    """The raw values of a link, in the order of `LINK_FIELDS`."""

    sequence: int
    kind: str
    attempt_id: str | None
    at: str
    digest: bytes
    key_id: str
    seal: bytes
    details: Any


def fits(link: Link, key: bytes, *, sequence: int, previous: bytes) -> bool:
    """Whether the link, as number `sequence` after the seal `previous`, has the right seal."""
    seal = chain.compute_seal(
        key,
        sequence=sequence,
        kind=link.kind,
        attempt_id=link.attempt_id,
        at=link.at,
        digest=link.digest,
        key_id=link.key_id,
        previous=previous,
    )
    return hmac.compare_digest(seal, link.seal)


def is_sealed(document: Any, link: Link) -> bool:
    """Whether the link seals this document."""
    return documents.digest(document) == link.digest


def bad_link(
    link: Link, later: Sequence[Link], keys: Mapping[str, bytes], previous: bytes
) -> Finding:
    """Why a link does not fit after the seal `previous`. `later` are some links that follow it."""
    number = link.sequence
    if link.key_id not in keys:
        return Finding(
            f"Cannot be checked: link {number} was sealed with the key {str(link.key_id)[:8]},"
            " which AUDIT_KEYS does not contain. If you did not remove that key, the link was"
            " written without your keys."
        )
    known = [other for other in later if other.key_id in keys]
    for other in known:
        if fits(other, keys[other.key_id], sequence=number, previous=previous):
            return _misplaced(link, other, known, keys)
    return Finding(
        f"Changed: link {number} ({about_link(link)}) does not have the seal of its content. It was"
        " changed, or written without the key."
    )


def _misplaced(
    link: Link, belongs: Link, later: Sequence[Link], keys: Mapping[str, bytes]
) -> Finding:
    """The link that `belongs` to the place of `link` was found after it."""
    number, further = link.sequence, belongs.sequence
    before = {other.sequence: other.seal for other in later} | {number: belongs.seal}
    is_exchanged = fits(
        link, keys[link.key_id], sequence=further, previous=before.get(further - 1, b"")
    )
    if is_exchanged or further != number + 1:
        return Finding(
            f"Reordered: link {number} ({about_link(link)}) is in the place of link {further}"
            f" ({about_link(belongs)})."
        )
    return Finding(
        f"Inserted: link {number} ({about_link(link)}) does not belong there. The link that does"
        f" ({about_link(belongs)}) is now link {further}."
    )


def missing_link(number: int, following: int | None) -> Finding:
    then = f"Link {following} is the next one" if following else "None follows"
    return Finding(
        f"Removed: link {number} is missing. {then}: what it sealed can't be proven any more."
    )


def entries(number: int) -> str:
    return f"{number:,} {'entry' if number == 1 else 'entries'}"


def about_link(link: Link) -> str:
    if link.attempt_id is None:
        return f"{link.kind} at {_time(link.at)}"
    return f"{link.kind}, attempt {str(link.attempt_id)[:36]} created {_time(link.at)}"


def about_entry(entry: Mapping[str, Any]) -> str:
    address, attempt_id = str(entry["address"])[:64], str(entry["attempt_id"])[:36]
    return f"{address}, attempt {attempt_id} created {_time(entry['created_at'])}"


def about_stored(pk: int) -> str:
    """As `about_entry`, of an entry that may be unreadable."""
    fields = ("address", "attempt_id", "created_at")
    found, _broken = unreadable.read(AuditEntry.objects.filter(pk=pk), fields, "pk")
    return about_entry(dict(zip(fields, found[0], strict=True))) if found else f"number {pk}"


def _time(at: Any) -> str:
    """A raw datetime, to the second."""
    return f"{str(at)[:19].replace('T', ' ')} UTC" if at else "without a time"


def vanished(attempt_id: str, sequence: int) -> Finding:
    return Finding(
        f"Removed: attempt {attempt_id} was opened by link {sequence}, and its entry is missing"
        " without an outcome."
    )


def unreadable_link(sequence: Any) -> Finding:
    return Finding(f"Changed: link {str(sequence)[:40]} cannot be read.")


def unreadable_entry(link: Link) -> Finding:
    return Finding(
        f"Changed: the entry of link {link.sequence} ({about_link(link)}) cannot be read."
    )
