"""Questions to the audit history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet

from ipadmin.models import AuditEntry, User

PER_PAGE = 50
RECENT = 20


@dataclass(frozen=True, slots=True)
class Slice:
    """One page of entries, newest first, with the ids to go on from in both directions."""

    entries: list[AuditEntry]
    older_than: int | None
    newer_than: int | None


def recent_attempts(address_id: str) -> Sequence[AuditEntry]:
    return list(AuditEntry.objects.filter(address_id=address_id)[:RECENT])


def open_attempts(user: User | AnonymousUser) -> list[AuditEntry]:
    """The user's attempts that have no final outcome yet, newest first."""
    if user.pk is None:
        return []
    return list(AuditEntry.objects.filter(user_id=user.pk, finished_at=None)[:RECENT])


def page(
    entries: QuerySet[AuditEntry], *, before: int | None = None, after: int | None = None
) -> Slice:
    """A page by keyset: as quick at the end of a long history as at its beginning.

    `before` and `after` are entry ids; the page is the nearest on that side, and the newest one
    where there is nothing on it.
    """
    if after is not None:
        shown = list(entries.filter(id__gt=after).order_by("id")[:PER_PAGE])[::-1]
    else:
        older = entries.filter(id__lt=before) if before is not None else entries
        shown = list(older.order_by("-id")[:PER_PAGE])
    if not shown:
        is_first = before is None and after is None
        return Slice([], None, None) if is_first else page(entries)
    newest, oldest = shown[0].id, shown[-1].id
    return Slice(
        shown,
        older_than=oldest if entries.filter(id__lt=oldest).exists() else None,
        newer_than=newest if entries.filter(id__gt=newest).exists() else None,
    )
