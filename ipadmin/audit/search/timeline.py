"""The timeline of one address: its attempts, and who had it at a given time. The number of queries
does not depend on the number of attempts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from ipadmin.audit import effects
from ipadmin.audit.search.observations import (
    SECOND,
    Answer,
    Change,
    Holding,
    Observation,
    changes,
    holder_at,
    left,
)
from ipadmin.audit.search.pages import Cursor, beyond, cursor_of, find
from ipadmin.audit.search.plan import Plan
from ipadmin.models import AuditEntry, Outcome

PER_PAGE = 50
# Entries before a page, from which the changes before its oldest ones are derived: the one before
# may be of another address id.
ENTRIES_BEFORE_PAGE = 3
# Entries on each side of a time in which the nearest observation is searched: a late reading can
# be newer than the attempts that followed.
NEIGHBOURING_ENTRIES = 20
# The newest entries, from which the last known state is derived: some may be unfinished.
NEWEST_ENTRIES = 5

Entries = QuerySet[AuditEntry]


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt, the address after it, and the changes between it and the attempt before, newest
    first."""

    entry: AuditEntry
    left: Observation | None
    changes: list[Change]

    @property
    def found(self) -> Holding | None:
        """The holder after the attempt; None if it is as before or the attempt succeeded."""
        is_new = self.left and not self.left.holding.is_same(
            Holding(effects.holder_before(self.entry))
        )
        is_said = self.entry.outcome == Outcome.SUCCEEDED
        return self.left.holding if self.left and is_new and not is_said else None


@dataclass(frozen=True, slots=True)
class Timeline:
    """A page of attempts on one address, newest first, and the cursors of the pages on both sides.
    `is_mixed`: the attempts are of several address ids or APIs."""

    attempts: list[Attempt]
    older_than: Cursor | None = None
    newer_than: Cursor | None = None
    is_mixed: bool = False


class Neighbours(NamedTuple):
    """The attempts before and after one in a search: id and time."""

    earlier: tuple[UUID, datetime] | None = None
    later: tuple[UUID, datetime] | None = None


def timeline(
    entries: Entries, *, before: Cursor | None = None, after: Cursor | None = None
) -> Timeline:
    """The page of entries next to a cursor, on its older or newer side; the newest without one."""
    if after:
        nearest = list(_later(entries, after)[: PER_PAGE + 1])
        if not nearest:
            return timeline(entries)
        shown, newer = nearest[:PER_PAGE][::-1], nearest[PER_PAGE:]
        older = list(_earlier(entries, cursor_of(shown[-1]))[:ENTRIES_BEFORE_PAGE])
    else:
        nearest = list(_earlier(entries, before)[: PER_PAGE + ENTRIES_BEFORE_PAGE])
        shown, older = nearest[:PER_PAGE], nearest[PER_PAGE:]
        newer = shown[:1] if before else []
    unseen = _changes_before([*older[::-1], *shown[::-1]])
    return Timeline(
        [Attempt(entry, left(entry), unseen[entry.pk]) for entry in shown],
        older_than=cursor_of(shown[-1]) if older else None,
        newer_than=cursor_of(shown[0]) if newer else None,
        is_mixed=len({_identity(entry) for entry in shown}) > 1,
    )


def who_had_it(entries: Entries, at: datetime) -> list[tuple[str, Answer]]:
    """Who had the address in the second that begins at `at`, by API URL, for each API that has
    entries of about that time: the sandbox can have the same addresses as the cloud."""
    near = _near(entries, at)
    apis = sorted({entry.api_url for entry in near})
    if len(apis) < 2:
        return [(api_url, holder_at(near, at)) for api_url in apis]
    return [(api, holder_at(_near(entries.filter(api_url=api), at), at)) for api in apis]


def newest(entries: Entries) -> list[AuditEntry]:
    """The newest entries of an address, newest first, of one address id: on the API that this site
    uses if there are any, else on another."""
    found = list(entries.order_by("-created_at", "-id")[:NEWEST_ENTRIES])
    here = [entry for entry in found if entry.api_url == settings.KATAPULT_API_URL] or found
    return [entry for entry in here if _identity(entry) == _identity(here[0])]


def last_known(entries: Sequence[AuditEntry]) -> Answer | None:
    """The last known state of an address, from its newest entries."""
    return holder_at(entries, timezone.now()) if entries else None


def neighbours(plan: Plan, entry: AuditEntry) -> Neighbours:
    """The next older and newer match of a search."""
    here = cursor_of(entry)
    found = [
        find(plan, start=here, limit=1, is_newer=is_newer).cursors for is_newer in (False, True)
    ]
    ids = [entry.pk, *(each.id for some in found for each in some)]
    rows = AuditEntry.objects.filter(pk__in=ids).values_list("pk", "attempt_id", "created_at")
    by_id = {pk: (attempt_id, at) for pk, attempt_id, at in rows}
    return Neighbours(*(by_id.get(some[0].id) if some else None for some in found))


def _changes_before(entries: Sequence[AuditEntry]) -> dict[int, list[Change]]:
    """Changes between entries of the same address id, newest first, by the id of the entry after
    them. `entries` are oldest first."""
    found: dict[int, list[Change]] = defaultdict(list)
    for _, same in groupby(sorted(entries, key=_identity), key=_identity):
        for change in reversed(changes(list(same))):
            if change.after.entry is not None:
                found[change.after.entry.pk].append(change)
    return found


def _identity(entry: AuditEntry) -> tuple[str, str]:
    return entry.api_url, entry.address_id


def _near(entries: Entries, at: datetime) -> list[AuditEntry]:
    """The entries on both sides of a time, oldest first."""
    end = at + SECOND
    earlier = entries.filter(created_at__lt=end).order_by("-created_at", "-id")
    later = entries.filter(created_at__gte=end).order_by("created_at", "id")
    return [*earlier[:NEIGHBOURING_ENTRIES][::-1], *later[:NEIGHBOURING_ENTRIES]]


def _earlier(entries: Entries, cursor: Cursor | None) -> Entries:
    """Older entries, nearest first; all without a cursor."""
    return entries.filter(beyond(cursor, is_newer=False)).order_by("-created_at", "-id")


def _later(entries: Entries, cursor: Cursor) -> Entries:
    return entries.filter(beyond(cursor, is_newer=True)).order_by("created_at", "id")
