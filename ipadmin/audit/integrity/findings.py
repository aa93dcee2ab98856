"""What is wrong with the history, in sentences for whoever has to prove it. Each says which link of
the chain and which attempt, and what was done: changed, removed, inserted, reordered, cut off."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ipadmin.audit import document as documents
from ipadmin.audit import rows
from ipadmin.audit.integrity import chain
from ipadmin.audit.integrity.unreadable import UNREADABLE
from ipadmin.models import AuditEntry

# As long as `AuditVerification.finding`.
LONGEST = 500
FIELDS = (*chain.FIELDS, "details")


class Wrong(Exception):
    """The first thing found wrong; its text is the finding."""

    def __str__(self) -> str:
        return super().__str__()[:LONGEST]


class Link(NamedTuple):
    """A seal as plain values, in the order of `FIELDS`."""

    sequence: int
    kind: str
    attempt_id: str | None
    at: str
    digest: bytes
    key_id: str
    mac: bytes
    details: Any


def fits(link: Link, key: bytes, *, sequence: int, previous: bytes) -> bool:
    """Whether the link, as number `sequence` behind `previous`, is what was sealed."""
    try:
        mac = chain.mac_of(
            key,
            sequence=sequence,
            kind=link.kind,
            attempt_id=link.attempt_id,
            at=link.at,
            digest=link.digest,
            key_id=link.key_id,
            previous=previous,
        )
    except UNREADABLE:
        return False
    return hmac.compare_digest(mac, link.mac)


def is_entry_sealed(entry: Mapping[str, Any], link: Link) -> bool:
    """Whether the link seals the entry with these plain values."""
    try:
        return chain.digest_of(link.kind, entry) == link.digest
    except UNREADABLE:
        return False


def is_sealed(document: Any, link: Link) -> bool:
    """Whether the link seals this document."""
    try:
        return documents.digest(document) == link.digest
    except UNREADABLE:
        return False


def bad_link(
    link: Link, later: Sequence[Link], keys: Mapping[str, bytes], previous: bytes
) -> Wrong:
    """Say why a link does not fit behind `previous`. `later` are some that follow it."""
    number = link.sequence
    if link.key_id not in keys:
        return Wrong(
            f"Cannot be checked: link {number} was sealed under the key {str(link.key_id)[:8]},"
            " which AUDIT_KEYS does not have. Unless you took that key away, somebody without your"
            " keys has written it."
        )
    known = [other for other in later if other.key_id in keys]
    for other in known:
        if fits(other, keys[other.key_id], sequence=number, previous=previous):
            return _misplaced(link, other, known, keys)
    return Wrong(
        f"Changed: link {number} ({about_link(link)}) does not bear the seal of what it says. It"
        " was changed, or written without the key."
    )


def _misplaced(
    link: Link, belongs: Link, later: Sequence[Link], keys: Mapping[str, bytes]
) -> Wrong:
    """The link that `belongs` to where `link` stands was found further on."""
    number, further = link.sequence, belongs.sequence
    before = {other.sequence: other.mac for other in later} | {number: belongs.mac}
    is_exchanged = fits(
        link, keys[link.key_id], sequence=further, previous=before.get(further - 1, b"")
    )
    if is_exchanged or further != number + 1:
        return Wrong(
            f"Reordered: link {number} ({about_link(link)}) stands where link {further}"
            f" ({about_link(belongs)}) belongs."
        )
    return Wrong(
        f"Inserted: link {number} ({about_link(link)}) does not belong there. The one that does"
        f" ({about_link(belongs)}) was moved on by it and is link {further} now."
    )


def missing_link(number: int, following: int | None) -> Wrong:
    then = f"Link {following} is the next one" if following else "None follows"
    return Wrong(
        f"Removed: link {number} is gone. {then}: what it sealed can't be proven any more."
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


def inserted_entry(pk: int) -> Wrong:
    """An entry without any seal. What it says may be of any form."""
    fields = ("address", "attempt_id", "created_at")
    try:
        ((address, attempt_id, at),) = rows.rows(AuditEntry.objects.filter(pk=pk), fields)
        about = about_entry({"address": address, "attempt_id": attempt_id, "created_at": at})
    except UNREADABLE:
        about = "unreadable"
    return Wrong(
        f"Inserted: entry {pk} ({about}) has no link in the chain. Somebody wrote it past this"
        " product, or its links were cut off the end. (Entries from before there were seals are"
        " sealed once, by manage.py seal_history.)"
    )


def _time(at: Any) -> str:
    """A plain moment, to the second."""
    return f"{str(at)[:19].replace('T', ' ')} UTC" if at else "at no time"


def vanished(attempt_id: str, link: int) -> Wrong:
    return Wrong(
        f"Removed: attempt {attempt_id} was opened by link {link}, and its entry has vanished"
        " without an outcome."
    )


def vanished_entry(link: Link) -> Wrong:
    return vanished(str(link.attempt_id), link.sequence)


def unreadable_entry(link: Link) -> Wrong:
    return Wrong(f"Changed: the entry of link {link.sequence} ({about_link(link)}) cannot be read.")


def entry_twice(link: Link) -> Wrong:
    return Wrong(
        f"Inserted: there are two entries of link {link.sequence} ({about_link(link)}). Somebody"
        " wrote one of them past this product."
    )
