"""How a search is read, so that its cost does not grow with the history.

Given two conditions, a database guesses which one fewer entries meet; where it guesses wrong, it
reads half of the table. So the choice is made here: `AuditValueCounter` has the number of entries
of each value, the condition that the fewest entries meet is read by its index, and the other
conditions are applied to what that query returns (see `select_from`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import reduce
from itertools import accumulate
from operator import or_

from django.db.models import Q, QuerySet, Sum
from django_cte import CTE, with_cte

from ipadmin.audit.search.query import Search, ValueRange, any_of
from ipadmin.models import AuditEntry, AuditValueCounter

# Values of a range that are read one by one, each in order of time.
MAX_SEPARATE_VALUES = 8
# Entries that are read as a whole and sorted. More are read in order of time, piece by piece.
MAX_SORTED_ENTRIES = 2_000
# A LIMIT that has no effect, except that a database does not merge the query into another.
NO_LIMIT = 2**31
# Not counted, because they are few. They have an index of their own.
UNFINISHED = Q(finished_at=None)


@dataclass(frozen=True, slots=True)
class IndexScan:
    """Entries that meet `q`, read by one index.

    `entries`: how many finished entries meet it; 0 for values that are not counted, which are rare.
    `few`: if set, a wider condition that few entries meet: they are read as a whole. If not, the
    index has the entries in order of time.
    """

    q: Q
    entries: int = 0
    few: Q | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """One filter: `q`, the number of finished entries that meet it, and the index scans that
    together find the same entries. None if its values are too many for separate scans."""

    q: Q
    entries: int
    scans: tuple[IndexScan, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """The index scans for a search, and the conditions to apply to the entries that they read."""

    search: Search
    scans: Sequence[IndexScan]
    filters: Sequence[Q]

    def between(self, since: datetime | None, until: datetime | None) -> Plan:
        """The same for another period, which does not change the choice of scans."""
        return replace(self, search=replace(self.search, since=since, until=until))


def select_from(entries: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
    """A query of the rows of another query, which must have a limit, in no order.

    Whatever is added to it is applied to those rows, after the limit: databases do not move
    conditions into a query with a limit.
    """
    rows = CTE(entries, name="entries")
    return with_cte(rows, select=rows).order_by()


def select_few(q: Q) -> QuerySet[AuditEntry]:
    """A query of all entries that meet a condition of which it is known that few do."""
    return select_from(AuditEntry.objects.filter(q).order_by()[:NO_LIMIT])


def fetch_plan(search: Search) -> Plan:
    """Plan a search. Queries the counters: once for all filters, seven times at most for a text."""
    conditions = _fetch_conditions(search)
    for condition in conditions:
        # For a narrowed reader, their organizations are always read by index.
        is_scanned = len(condition.scans) <= 2 * MAX_SEPARATE_VALUES or search.is_narrowed
        if condition.scans and is_scanned:
            filters = [each.q for each in conditions if each is not condition]
            return Plan(search, _scans(condition, is_filtered=bool(filters)), filters)
    # All entries in order of time.
    scan = IndexScan(Q(), MAX_SORTED_ENTRIES + 1)
    return Plan(search, [scan], [each.q for each in conditions])


def _scans(condition: Condition, *, is_filtered: bool) -> list[IndexScan]:
    if condition.entries <= MAX_SORTED_ENTRIES and len(condition.scans) > 1:
        return [IndexScan(condition.q, condition.entries, few=condition.q)]
    return [
        replace(scan, few=scan.q) if is_filtered and scan.entries <= MAX_SORTED_ENTRIES else scan
        for scan in condition.scans
    ]


def _fetch_conditions(search: Search) -> list[Condition]:
    """Each filter with the number of entries that meet it, the rarest first.

    For a narrowed reader, their organizations come before every filter that more than
    `MAX_SORTED_ENTRIES` meet: how far such a filter was searched would reveal how many entries of
    other organizations meet it.
    """
    chosen = search.values
    entries = _fetch_counts([(f, str(value)) for f, values in chosen.items() for value in values])
    found = {
        field: _one_of(
            IndexScan(Q(**{field: value}), entries.get((field, str(value)), 0)) for value in values
        )
        for field, values in chosen.items()
    }
    if search.interpretation:
        found["text"] = _fetch_text_condition(search.interpretation.ranges)
    own = found.get("organization_key") if search.is_narrowed else None

    def cost(condition: Condition) -> tuple[bool, int]:
        is_many = condition.entries > MAX_SORTED_ENTRIES
        return own is not None and condition is not own and is_many, condition.entries

    return sorted(found.values(), key=cost)


def _fetch_text_condition(ranges: Sequence[ValueRange]) -> Condition:
    exact = [each for each in ranges if each.is_one_value] if len(ranges) > 1 else []
    conditions = [_fetch_range(each) for each in ranges if each not in exact]
    if exact:
        conditions.insert(0, _fetch_values(exact))
    scans = tuple(scan for each in conditions for scan in each.scans)
    merged = _merged(scans) if all(each.scans for each in conditions) else ()
    return Condition(
        any_of([each.q for each in conditions]),
        sum(each.entries for each in conditions),
        merged if len(merged) <= 2 * MAX_SEPARATE_VALUES else (),
    )


def _fetch_values(values: Sequence[ValueRange]) -> Condition:
    """Entries with one of these values: counted values that occur, and all others."""
    counted = [each for each in values if each.is_counted]
    entries = _fetch_counts([(each.field, each.first) for each in counted])
    scans = [
        IndexScan(each.q, entries.get((each.field, each.first), 0))
        for each in values
        if not each.is_counted or (each.field, each.first) in entries
    ]
    if counted:
        scans.append(_unfinished(any_of([each.q for each in counted])))
    return _one_of(scans)


def _fetch_range(values: ValueRange) -> Condition:
    """Entries with a value in a range of one field."""
    q = values.q
    counters = AuditValueCounter.objects.filter(
        field=values.field, value__gte=values.first, value__lte=values.last
    )
    rows = counters.order_by("value").values_list("value", "attempts")
    found = rows[: MAX_SEPARATE_VALUES + 1]
    if len(found) <= MAX_SEPARATE_VALUES:
        scans = [IndexScan(Q(**{values.field: value}), entries) for value, entries in found]
        entries = sum(each.entries for each in scans)
        return Condition(q, entries, (*scans, _unfinished(q)))
    # More than MAX_SORTED_ENTRIES values have more than as many entries: no need to add up more.
    some = counters.order_by()[: MAX_SORTED_ENTRIES + 1]
    entries = some.aggregate(sum=Sum("attempts"))["sum"]
    is_few = entries <= MAX_SORTED_ENTRIES
    return Condition(q, entries, (IndexScan(q, entries, few=q),) if is_few else ())


def _fetch_counts(values: list[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """Finished entries by field and value."""
    if not values:
        return {}
    q = reduce(or_, (Q(field=field, value=value) for field, value in values))
    rows = AuditValueCounter.objects.filter(q).values_list("field", "value", "attempts")
    return {(field, value): entries for field, value, entries in rows}


def _unfinished(q: Q) -> IndexScan:
    return IndexScan(UNFINISHED & q, few=UNFINISHED)


def _one_of(scans: Iterable[IndexScan]) -> Condition:
    scans = tuple(scans)
    entries = sum(each.entries for each in scans)
    return Condition(any_of([each.q for each in scans]), entries, _merged(scans))


def _merged(scans: tuple[IndexScan, ...]) -> tuple[IndexScan, ...]:
    """The same entries in fewer scans: one for those not finished, one for the rarest values."""
    unfinished = [each for each in scans if each.few == UNFINISHED]
    finished = dict.fromkeys(each for each in scans if each.few != UNFINISHED)
    by_entries = sorted(finished, key=lambda each: each.entries)
    totals = accumulate(each.entries for each in by_entries)
    rare = by_entries[: sum(total <= MAX_SORTED_ENTRIES for total in totals)]
    frequent = by_entries[len(rare) :]
    if len(rare) > 1 or not scans:
        q = any_of([each.q for each in rare])
        rare = [IndexScan(q, sum(each.entries for each in rare), few=q)]
    if unfinished:
        rare.append(IndexScan(any_of([each.q for each in unfinished]), few=UNFINISHED))
    return (*frequent, *rare)
