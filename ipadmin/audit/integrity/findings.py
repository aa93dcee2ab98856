"""The sentences of a verification. Each names the first problem: the link, the attempt, and whether
it was changed, removed, inserted or reordered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ipadmin.audit.integrity import unreadable
from ipadmin.audit.integrity.chain import Link
from ipadmin.models import AuditEntry

# As long as `AuditVerification.finding`.
MAX_FINDING_CHARACTERS = 500


class Finding(Exception):
    """The first problem that a verification found; its text is the sentence."""

    def __str__(self) -> str:
        return super().__str__()[:MAX_FINDING_CHARACTERS]


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
    for other in later:
        if other.key_id in keys and other.is_sealed_by(keys[other.key_id], previous, number):
            return Finding(
                f"Inserted or reordered: link {number} ({about_link(link)}) does not belong there."
                f" The link that does ({about_link(other)}) is now link {other.sequence}."
            )
    return Finding(
        f"Changed: link {number} ({about_link(link)}) does not have the seal of its content. It was"
        " changed, or written without the key."
    )


def missing_link(number: int, following: int | None) -> Finding:
    then = f"Link {following} is the next one" if following else "None follows"
    return Finding(
        f"Removed: link {number} is missing. {then}: what it sealed can't be proven any more."
    )


def count_of(number: int) -> str:
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


def unreadable_entry(link: Link) -> Finding:
    return Finding(
        f"Changed: the entry of link {link.sequence} ({about_link(link)}) cannot be read."
    )
