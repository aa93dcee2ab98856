"""Questions to the audit history, each answered in a time that does not grow with it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db.models import Q, QuerySet

from ipadmin.audit.search.among import all_with, among
from ipadmin.audit.search.query import FEW, MANY, Condition, Search, Stream
from ipadmin.models import AuditEntry, AuditValueCounter, User

PER_PAGE = 50
RECENT = 20
# Entries that are looked at where matches may be anywhere: first a few, then more, then no further.
LOOKS = (300, MANY)
# Fields by filter, and how many of their values are offered.
FIELDS = {
    "person": "user_name_key",
    "token": "token_id",
    "organization": "organization_key",
}
MOST_TERMS = 500
# What the list shows of an entry. To read all of it takes as long as to show it.
LISTED = (
    "attempt_id",
    "outcome",
    "created_at",
    "finished_at",
    "user_name",
    "reason",
    "organization_id",
    "organization_name",
    "organization_sub_domain",
    "environment",
    "address",
    "allocation_id",
    "allocation_type",
    "allocation_name",
)
CURSOR = re.compile(r"(\d{1,17})-(\d{1,18})")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

# When an entry was created, and its id: the order of the history.
Place = tuple[datetime, int]


@dataclass(frozen=True, slots=True)
class Found:
    """Matches, nearest first, and where looking for more ended; None when there are no more."""

    rows: list[tuple[Any, ...]]
    looked_to: Place | None = None


@dataclass(frozen=True, slots=True)
class Slice:
    """One page of entries, newest first, with the places to go on from in both directions.

    `looked_to`: how far, where the page is not full and there may be more beyond that; on the
    newer side of what is shown if `is_newer`.
    """

    entries: list[AuditEntry]
    older_than: Place | None = None
    newer_than: Place | None = None
    looked_to: Place | None = None
    is_newer: bool = False


def place_of(entry: AuditEntry) -> Place:
    return entry.created_at, entry.pk


def cursor(place: Place) -> str:
    """A place as it stands in a URL: microseconds since 1970, and the id."""
    moment, id = place
    return f"{(moment - EPOCH) // MICROSECOND}-{id}"


def place_at(text: str) -> Place | None:
    """The place of a cursor; None for anything else."""
    found = CURSOR.fullmatch(text)
    if not found:
        return None
    try:
        return EPOCH + int(found[1]) * MICROSECOND, int(found[2])
    except OverflowError:
        return None


def recent_attempts(entries: QuerySet[AuditEntry], address_id: str) -> Sequence[AuditEntry]:
    """The newest on an address among the entries that the reader may see."""
    return list(entries.filter(address_id=address_id)[:RECENT])


def open_attempts(user: User | AnonymousUser) -> list[AuditEntry]:
    """The user's attempts that have no final outcome yet, newest first."""
    if user.pk is None:
        return []
    return list(AuditEntry.objects.filter(user_id=user.pk, finished_at=None)[:RECENT])


def labels(search: Search, within: Sequence[str] | None) -> dict[tuple[str, str], str]:
    """How people know the chosen tokens and organizations, by filter and id. `within` as for the
    vocabulary."""
    tokens = search.tokens if within is None else ()
    ids = {"token": tokens, "organization": search.organizations or ()}
    chosen = {(FIELDS[name], str(id)): (name, str(id)) for name, all in ids.items() for id in all}
    if not chosen:
        return {}
    terms = AuditValueCounter.objects.filter(
        field__in={field for field, _ in chosen}, value__in=[value for _, value in chosen]
    )
    return {
        chosen[term.field, term.value]: term.label
        for term in terms
        if (term.field, term.value) in chosen
    }


def vocabulary(within: Sequence[str] | None) -> dict[str, list[AuditValueCounter]]:
    """People, tokens and organizations that occur, the most frequent first, to choose from.

    `within`: keys of the organizations that the reader may see; who and what belongs to others is
    not told then.
    """
    terms = AuditValueCounter.objects.filter(field__in=FIELDS.values())
    if within is not None:
        terms = terms.filter(field=FIELDS["organization"], value__in=within)
    found: dict[str, list[AuditValueCounter]] = {name: [] for name in FIELDS}
    names = {field: name for name, field in FIELDS.items()}
    for term in terms.order_by("-attempts")[:MOST_TERMS]:
        found[names[term.field]].append(term)
    return found


def page(search: Search, *, before: Place | None = None, after: Place | None = None) -> Slice:
    """The page nearest to a place on that side of it; the newest without one."""
    is_newer = after is not None
    found = find(
        search,
        ("created_at", "id"),
        start=after or before,
        limit=PER_PAGE + 1,
        is_newer=is_newer,
    )
    places: list[Place] = [(moment, id) for moment, id in found.rows[:PER_PAGE]]
    if is_newer and not places and not found.looked_to:
        # Nothing has come since.
        return page(search)
    entries = AuditEntry.objects.only(*LISTED).in_bulk([id for _, id in places])
    # One that was pruned a moment ago is gone.
    shown = sorted((entries[id] for _, id in places if id in entries), key=place_of, reverse=True)
    goes_on = places[-1] if len(found.rows) > PER_PAGE else found.looked_to
    # The way back; from a page without entries it includes the place where that page begins.
    if places:
        back: Place | None = places[0]
    else:
        start, step = (after, 1) if is_newer else (before, -1)
        back = start and (start[0], start[1] + step)
    return Slice(
        shown,
        older_than=back if is_newer else goes_on,
        newer_than=goes_on if is_newer else before and back,
        looked_to=found.looked_to if len(found.rows) <= PER_PAGE else None,
        is_newer=is_newer,
    )


def find(
    search: Search,
    columns: tuple[str, ...],
    *,
    start: Place | None = None,
    limit: int,
    is_newer: bool = False,
) -> Found:
    """The nearest matches on one side of a place, as rows of columns, of which the first two are
    `created_at` and `id`.

    It begins with the rarest condition. What has few entries is looked at as a whole; what has many
    is followed in the order of time, and no further than `LOOKS`.
    """
    drive, rest = _driver(search)
    here = search.period & beyond(start, is_newer=is_newer)
    walk = _Walk(here, rest, columns, limit, is_newer=is_newer)
    return walk.merged([walk.along(stream) for stream in _streams(drive)])


def newest(search: Search) -> tuple[list[QuerySet[AuditEntry]], bool]:
    """The newest matches, a few thousand at most, as queries without a match in common; and
    whether there may be more."""
    drive, rest = _driver(search)
    found: list[QuerySet[AuditEntry]] = []
    ends: list[datetime] = []
    before = Q(pk__in=[])
    for stream in _streams(drive):
        if base := _base(stream, rest):
            some = all_with(base).filter(stream.q, search.period)
        else:
            window = AuditEntry.objects.filter(stream.q, search.period)[:MANY]
            ends += window.values_list("created_at", flat=True)[MANY - 1 :]
            some = among(window)
        found.append(some.filter(~before, *rest))
        before |= stream.q
    # All streams count as far back as the one that is looked through least.
    since = Q(created_at__gte=max(ends)) if ends else Q()
    return [some.filter(since) for some in found], bool(ends)


def _base(stream: Stream, rest: list[Q]) -> Q | None:
    """What few entries meet, where the stream is best read as a whole."""
    return stream.q if rest and stream.attempts <= MANY else stream.base


def _streams(drive: Condition | None) -> Sequence[Stream]:
    if drive is None:
        # All entries, as an index has them; they are many.
        return [Stream(Q(), MANY + 1)]
    if drive.attempts <= MANY and len(drive.streams) > 1:
        return [Stream(drive.q, drive.attempts, base=drive.q)]
    return drive.streams


def _driver(search: Search) -> tuple[Condition | None, list[Q]]:
    """The condition to begin with, and what the others ask. None: begin with time alone."""
    conditions = search.conditions
    for condition in conditions:
        # A narrowed reader's organizations are begun with however many they are.
        if condition.streams and (len(condition.streams) <= 2 * FEW or search.is_narrowed):
            return condition, [each.q for each in conditions if each is not condition]
    return None, [each.q for each in conditions]


def beyond(start: Place | None, *, is_newer: bool) -> Q:
    """What lies on one side of a place. The first condition is what an index is searched by."""
    if start is None:
        return Q()
    moment, id = start
    if is_newer:
        return Q(created_at__gte=moment) & (Q(created_at__gt=moment) | Q(id__gt=id))
    return Q(created_at__lte=moment) & (Q(created_at__lt=moment) | Q(id__lt=id))


@dataclass(frozen=True, slots=True)
class _Walk:
    """One search in one direction."""

    here: Q
    rest: list[Q]
    columns: tuple[str, ...]
    limit: int
    is_newer: bool

    def along(self, wanted: Stream) -> Found:
        """Entries in the order in which an index has them, or sorted where they are few."""
        if base := _base(wanted, self.rest):
            return Found(self._rows(all_with(base).filter(wanted.q, self.here, *self.rest)))
        stream = self._ordered(AuditEntry.objects.filter(wanted.q, self.here))
        if not self.rest:
            return Found(self._rows(stream))
        for look in LOOKS:
            rows = self._rows(among(stream[:look]).filter(*self.rest))
            if len(rows) >= self.limit:
                break
            ends = stream.values_list("created_at", "id")[look - 1 : look + 1]
            if len(ends) < 2:
                break
        else:
            return Found(rows, looked_to=ends[0])
        return Found(rows)

    def merged(self, found: list[Found]) -> Found:
        """As if the streams were one. What lies beyond the place to which all were looked at is
        left for the next page."""
        ends = [each.looked_to for each in found if each.looked_to]
        rows = sorted({row for each in found for row in each.rows}, key=lambda row: row[:2])
        if not self.is_newer:
            rows.reverse()
        if not ends:
            return Found(rows[: self.limit])
        nearest = min(ends) if self.is_newer else max(ends)
        rows = [row for row in rows if (row[:2] <= nearest) == self.is_newer or row[:2] == nearest]
        is_full = len(rows) >= self.limit
        return Found(rows[: self.limit], looked_to=None if is_full else nearest)

    def _rows(self, entries: QuerySet[AuditEntry]) -> list[tuple[Any, ...]]:
        return list(self._ordered(entries).values_list(*self.columns)[: self.limit])

    def _ordered(self, entries: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        sign = "" if self.is_newer else "-"
        return entries.order_by(f"{sign}created_at", f"{sign}id")
