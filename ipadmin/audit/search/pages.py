"""Pages of the history, and the cursor in their URLs.

The order of the history is `(created_at, id)`, newest first. A page is read in a time that does not
grow with the history: `plan.py` chooses the index scans, and this module follows them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

from django.contrib.auth.models import AnonymousUser
from django.db.models import Q, QuerySet
from django.urls import reverse

from ipadmin.audit import rows
from ipadmin.audit.search import people
from ipadmin.audit.search.plan import (
    MAX_SORTED_ENTRIES,
    IndexScan,
    Plan,
    select_few,
    select_from,
)
from ipadmin.audit.search.query import any_of
from ipadmin.models import AuditEntry, AuditReasonWord, User
from ipadmin.models.search_keys import folded

PER_PAGE = 40
MAX_RECENT = 20
# Entries of an index scan to which the other conditions are applied: first a few; if they do not
# fill a page, more; then the page ends with a link to search further.
SEARCHED_ENTRIES = (300, MAX_SORTED_ENTRIES)
CURSOR_TEXT = re.compile(r"(\d{1,17})-(\d{1,18})")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


class Cursor(NamedTuple):
    """A position in the history: that of an entry, or between two."""

    created_at: datetime
    id: int


class ListedEntry(NamedTuple):
    """What the list shows of an entry. To read models would double the time of a page."""

    created_at: datetime
    pk: int
    attempt_id: str
    outcome: str
    user_id: int
    user_name: str
    reason: str
    organization_id: str
    organization_name: str
    organization_sub_domain: str
    environment: str
    action: str
    address: str
    allocation_id: str
    allocation_type: str
    allocation_name: str
    # The present name of the account; empty if it does not exist any more.
    account_name: str = ""

    @property
    def person(self) -> str:
        return self.account_name or self.user_name

    @property
    def recorded_as(self) -> str:
        """As `AuditEntry.recorded_as`."""
        return self.user_name if self.person != self.user_name else ""

    @property
    def organization_title(self) -> str:
        return self.organization_name or self.organization_sub_domain or self.organization_id

    def get_absolute_url(self) -> str:
        return reverse("audit_entry", args=[self.attempt_id])


class OpenAttempt(NamedTuple):
    """An attempt in the banner of every page. `created_at` is ISO 8601 text."""

    attempt_id: str
    address: str
    created_at: str


class Matches(NamedTuple):
    """Positions of matching entries, nearest first. `searched_to`: where the search stopped early,
    with possibly more matches beyond; None if there are no more."""

    cursors: list[Cursor]
    searched_to: Cursor | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of entries, newest first, and the cursors of the pages on both sides.

    `searched_to`: where the search stopped, if that was before the page was full; on the newer side
    of the entries if `is_newer`.
    """

    entries: list[ListedEntry]
    older_than: Cursor | None = None
    newer_than: Cursor | None = None
    searched_to: Cursor | None = None
    is_newer: bool = False


def cursor_of(entry: AuditEntry) -> Cursor:
    return Cursor(entry.created_at, entry.pk)


def cursor_text(cursor: Cursor) -> str:
    """A cursor in a URL: microseconds since 1970, and the id."""
    return f"{(cursor.created_at - EPOCH) // MICROSECOND}-{cursor.id}"


def parse_cursor(text: str) -> Cursor | None:
    """The cursor in a URL; None if it is not one."""
    found = CURSOR_TEXT.fullmatch(text)
    if not found:
        return None
    try:
        return Cursor(EPOCH + int(found[1]) * MICROSECOND, int(found[2]))
    except OverflowError:
        return None


def recent_attempts(entries: QuerySet[AuditEntry], address_id: str) -> Sequence[AuditEntry]:
    """The newest on an address among the entries that the reader may see."""
    return list(entries.filter(address_id=address_id)[:MAX_RECENT])


def recent_attempts_on_machine(
    entries: QuerySet[AuditEntry], allocation_id: str
) -> Sequence[AuditEntry]:
    """The newest on the addresses of a machine among the entries that the reader may see."""
    return list(entries.filter(allocation_id_key=folded(allocation_id))[:MAX_RECENT])


def open_attempts(user: User | AnonymousUser) -> list[OpenAttempt]:
    """The user's attempts that have no final outcome yet, newest first."""
    return [] if user.pk is None else [*map(OpenAttempt._make, _open_query()(user.pk))]


@cache
def _open_query() -> Callable[..., list[rows.Row]]:
    entries = AuditEntry.objects.filter(user_id=0, finished_at=None)[:MAX_RECENT]
    return rows.prepared(entries, OpenAttempt._fields)


def page(plan: Plan, *, before: Cursor | None = None, after: Cursor | None = None) -> Page:
    """The page next to a cursor, on its older side (`before`) or newer side (`after`); the newest
    page without a cursor."""
    is_newer = after is not None
    found = find(plan, start=after or before, limit=PER_PAGE + 1, is_newer=is_newer)
    cursors = found.cursors[:PER_PAGE]
    if is_newer and not cursors and not found.searched_to:
        # There are no newer entries.
        return page(plan)
    is_full = len(found.cursors) > PER_PAGE
    onward = cursors[-1] if is_full else found.searched_to
    # The way back; from a page without entries it includes the position where that page begins.
    back = cursors[0] if cursors else after or before
    if back and not cursors:
        back = Cursor(back.created_at, back.id + (1 if is_newer else -1))
    return Page(
        sorted(listed(cursors), reverse=True),
        older_than=back if is_newer else onward,
        newer_than=onward if is_newer else before and back,
        searched_to=None if is_full else found.searched_to,
        is_newer=is_newer,
    )


def listed(cursors: Sequence[Cursor]) -> list[ListedEntry]:
    """The entries at these positions, without those that were removed since they were found."""
    ids = [each.id for each in cursors]
    found = {row[0]: row for row in _listed_query(len(ids))(*ids)} if ids else {}
    shown = [ListedEntry(at, *found[id]) for at, id in cursors if id in found]
    names = people.present_names({each.user_id for each in shown})
    return [each._replace(account_name=names.get(each.user_id, "")) for each in shown]


@cache
def _listed_query(count: int) -> Callable[..., list[rows.Row]]:
    entries = AuditEntry.objects.filter(pk__in=range(count)).order_by()
    return rows.prepared(entries, ["id", *ListedEntry._fields[2:-1]])


def find(plan: Plan, *, start: Cursor | None = None, limit: int, is_newer: bool = False) -> Matches:
    """The nearest matches on one side of a cursor, at most `limit`. Index scans of few entries are
    read as a whole, others in order of time, and at most `SEARCHED_ENTRIES` of each."""
    found = [_read(plan, scan, start, limit, is_newer=is_newer) for scan in plan.scans]
    ends = [each.searched_to for each in found if each.searched_to]
    cursors = sorted({each for some in found for each in some.cursors}, reverse=not is_newer)
    if not ends:
        return Matches(cursors[:limit])
    # Matches beyond the position that all scans have reached are left to the next page.
    end = min(ends) if is_newer else max(ends)
    cursors = [each for each in cursors if (each <= end if is_newer else each >= end)]
    return Matches(cursors[:limit], searched_to=None if len(cursors) >= limit else end)


def _read(
    plan: Plan, scan: IndexScan, start: Cursor | None, limit: int, *, is_newer: bool
) -> Matches:
    """The nearest matches of one index scan."""
    found = _InOrder(scan, plan.search.period, start, is_newer=is_newer)
    filters = [each for each in (scan.others, *plan.filters) if each]

    def first(entries: QuerySet[AuditEntry]) -> list[Cursor]:
        positions = entries.order_by(*found.order).values_list("created_at", "id")
        return [Cursor(*each) for each in positions[:limit]]

    if scan.few:
        range = plan.search.period & beyond(start, is_newer=is_newer)
        return Matches(first(select_few(scan.few).filter(scan.q, range, *plan.filters)))
    if not filters:
        return Matches(found.cursors(0, limit))
    for count in SEARCHED_ENTRIES:
        cursors = first(found.window(count).filter(*filters))
        if len(cursors) >= limit:
            return Matches(cursors)
        last = found.cursors(count - 1, count + 1)
        if len(last) < 2:
            return Matches(cursors)
    return Matches(cursors, searched_to=last[0])


class _InOrder:
    """The entries of an index scan in order of time, by an index of entries or of words."""

    def __init__(
        self, scan: IndexScan, period: Q, start: Cursor | None = None, *, is_newer: bool = False
    ) -> None:
        sign, self.word = "" if is_newer else "-", scan.word
        self.order = f"{sign}created_at", f"{sign}id"
        if scan.word:
            words = AuditReasonWord.objects.filter(period, word=scan.word)
            words = words.filter(beyond(start, is_newer=is_newer, id="entry_id"))
            self.words = words.order_by(f"{sign}created_at", f"{sign}entry_id")
            self.positions: QuerySet[Any, tuple[datetime, int]]
            self.positions = self.words.values_list("created_at", "entry_id")
        else:
            entries = AuditEntry.objects.filter(scan.q, period, beyond(start, is_newer=is_newer))
            self.entries = entries.order_by(*self.order)
            self.positions = self.entries.values_list("created_at", "id")

    def cursors(self, first: int, end: int) -> list[Cursor]:
        return [Cursor(*row) for row in self.positions[first:end]]

    def window(self, count: int) -> QuerySet[AuditEntry]:
        """The first of them, as a query."""
        if self.word:
            return select_few(Q(pk__in=self.words.values("entry_id")[:count]))
        return select_from(self.entries[:count])


def newest(plan: Plan) -> tuple[list[QuerySet[AuditEntry]], bool]:
    """The newest matches, `MAX_SORTED_ENTRIES` of each index scan at most, as queries without a
    match in common; and whether there may be more."""
    found: list[QuerySet[AuditEntry]] = []
    ends: list[datetime] = []
    previous: list[Q] = []
    for scan in plan.scans:
        if scan.few:
            some = select_few(scan.few).filter(scan.q, plan.search.period)
        else:
            scanned = _InOrder(scan, plan.search.period)
            last = scanned.cursors(MAX_SORTED_ENTRIES - 1, MAX_SORTED_ENTRIES)
            ends += [each.created_at for each in last]
            some = scanned.window(MAX_SORTED_ENTRIES).filter(scan.others)
        found.append(some.filter(~any_of(previous), *plan.filters))
        previous.append(scan.q)
    # All scans go as far back as the one that was cut first.
    since = Q(created_at__gte=max(ends)) if ends else Q()
    return [some.filter(since) for some in found], bool(ends)


def beyond(start: Cursor | None, *, is_newer: bool, id: str = "id") -> Q:
    """The entries on one side of a cursor. Its first condition is what an index is searched by."""
    if start is None:
        return Q()
    moment, number = start
    if is_newer:
        is_later = Q(created_at__gt=moment) | Q((f"{id}__gt", number))
        return Q(created_at__gte=moment) & is_later
    return Q(created_at__lte=moment) & (Q(created_at__lt=moment) | Q((f"{id}__lt", number)))
