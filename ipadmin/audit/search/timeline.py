"""The timeline of one address, from the entries about it; each question takes the same few queries,
however long the timeline is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet, Subquery
from django.utils import timezone

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
from ipadmin.audit.search.pages import Cursor, beyond, cursor_of
from ipadmin.models import AuditEntry, Outcome

PER_PAGE = 50
# Entries on each side of a moment among which the nearest look at the address is: a late reading
# can come after the attempts that followed.
NEAR = 20
# Of the newest entries, those that can still be under way.
NEWEST = 5

Entries = QuerySet[AuditEntry]


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt, how it left the address, and what had changed before it and outside of it,
    newest first."""

    entry: AuditEntry
    left: Observation | None
    changes: list[Change]

    @property
    def found(self) -> Holding | None:
        """How it turned out to be, where that was not as before nor as it was asked for."""
        is_new = self.left and not self.left.holding.is_same(Holding(self.entry.allocation))
        is_said = self.entry.outcome == Outcome.SUCCEEDED
        return self.left.holding if self.left and is_new and not is_said else None


@dataclass(frozen=True, slots=True)
class Timeline:
    """A page of attempts on one address, newest first, with the places to go on from. `is_mixed`
    where they are not all of one id on one API."""

    attempts: list[Attempt]
    older_than: Cursor | None = None
    newer_than: Cursor | None = None
    is_mixed: bool = False


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The attempts before and after one on the same address: id and time."""

    earlier: tuple[UUID, datetime] | None
    later: tuple[UUID, datetime] | None


def timeline(
    entries: Entries, *, before: Cursor | None = None, after: Cursor | None = None
) -> Timeline:
    """The page of an address's entries nearest to a place on that side of it; the newest without
    one."""
    if after:
        nearest = list(_later(entries, after)[: PER_PAGE + 1])
        if not nearest:
            return timeline(entries)
        shown, newer = nearest[:PER_PAGE][::-1], nearest[PER_PAGE:]
        older = list(_earlier(entries, cursor_of(shown[-1]))[:1])
    else:
        nearest = list(_earlier(entries, before)[: PER_PAGE + 1])
        shown, older = nearest[:PER_PAGE], nearest[PER_PAGE:]
        newer = shown[:1] if before else []
    unseen = _changes_before(shown, _before_each(entries, shown, older))
    return Timeline(
        [Attempt(entry, left(entry), unseen[entry.pk]) for entry in shown],
        older_than=cursor_of(shown[-1]) if older else None,
        newer_than=cursor_of(shown[0]) if newer else None,
        is_mixed=len({_identity(entry) for entry in shown}) > 1,
    )


def who_had_it(entries: Entries, at: datetime) -> list[tuple[str, Answer]]:
    """Who had the address in the second that begins at `at`, for each API on which it was seen
    about then: a sandbox may use the same addresses."""
    near = _near(entries, at)
    apis = sorted({entry.api_url for entry in near})
    if len(apis) < 2:
        return [(api_url, holder_at(near, at)) for api_url in apis]
    return [(api, holder_at(_near(entries.filter(api_url=api), at), at)) for api in apis]


def newest(entries: Entries) -> list[AuditEntry]:
    """The newest entries of an address, of its present id on the API that this site uses now, where
    there are any."""
    found = list(entries.order_by("-created_at", "-id")[:NEWEST])
    here = [entry for entry in found if entry.api_url == settings.KATAPULT_API_URL] or found
    return [entry for entry in here if _identity(entry) == _identity(here[0])]


def last_known(entries: Sequence[AuditEntry]) -> Answer | None:
    """How an address was when it was last seen, from its newest entries."""
    return holder_at(entries, timezone.now()) if entries else None


def neighbours(entries: Entries, entry: AuditEntry) -> Neighbours:
    """In one query; of an address that is none there are no others."""
    same = entries.filter(address_key=entry.address_key)
    if not entry.address_key:
        return Neighbours(None, None)
    earlier, later = _earlier(same, cursor_of(entry)), _later(same, cursor_of(entry))
    names = ("attempt_id", "created_at")
    asked = [Subquery(each.values(name)[:1]) for each in (earlier, later) for name in names]
    row = AuditEntry.objects.filter(pk=entry.pk).values_list(*asked).get()
    return Neighbours(row[:2] if row[0] else None, row[2:] if row[2] else None)


def _before_each(
    entries: Entries, shown: Sequence[AuditEntry], beyond: Sequence[AuditEntry]
) -> list[AuditEntry]:
    """For each id and API on a page its entry before it; `beyond` is the nearest of any."""
    identities = {_identity(entry) for entry in shown}
    if not beyond or identities == {_identity(beyond[0])}:
        return list(beyond)
    older = _earlier(entries, cursor_of(shown[-1]))
    firsts = [older.filter(api_url=api, address_id=id).first() for api, id in sorted(identities)]
    return [entry for entry in firsts if entry]


def _changes_before(
    shown: Sequence[AuditEntry], beyond: Sequence[AuditEntry]
) -> dict[int, list[Change]]:
    """By the entry after them, newest first: only between entries of one id on one API."""
    found: dict[int, list[Change]] = defaultdict(list)
    told = sorted([*beyond, *shown[::-1]], key=_identity)
    for _, same in groupby(told, key=_identity):
        for change in reversed(changes(list(same))):
            if change.after.entry is not None:
                found[change.after.entry.pk].append(change)
    return found


def _identity(entry: AuditEntry) -> tuple[str, str]:
    return entry.api_url, entry.address_id


def _near(entries: Entries, at: datetime) -> Iterable[AuditEntry]:
    end = at + SECOND
    earlier = entries.filter(created_at__lt=end).order_by("-created_at", "-id")[:NEAR]
    later = entries.filter(created_at__gte=end).order_by("created_at", "id")[:NEAR]
    return [*list(earlier)[::-1], *later]


def _earlier(entries: Entries, place: Cursor | None) -> Entries:
    """Nearest first, all without a place."""
    return entries.filter(beyond(place, is_newer=False)).order_by("-created_at", "-id")


def _later(entries: Entries, place: Cursor) -> Entries:
    return entries.filter(beyond(place, is_newer=True)).order_by("created_at", "id")
