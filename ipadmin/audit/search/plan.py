"""How a search is read, so that its cost does not grow with the history.

Given two conditions, a database guesses which one fewer entries meet; where it guesses wrong, it
reads half of the table. So the choice is made here: `AuditValueCounter` has the number of entries
of each value, the condition that the fewest entries meet is read by its index, and the other
conditions are applied to what that query returns (see `select_from`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import reduce
from itertools import accumulate, chain
from operator import or_
from uuid import UUID

from django.db.models import Q, QuerySet, Sum
from django_cte import CTE, with_cte

from ipadmin.audit.search.query import Search, ValueRange, all_of, any_of
from ipadmin.models import AuditEntry, AuditReasonWord, AuditValueCounter
from ipadmin.models.audit_reason_word import REASON_WORD

# Values of a range that are read one by one, each in order of time.
MAX_SEPARATE_VALUES = 8
# Entries that are read as a whole and sorted. More are read in order of time, piece by piece.
MAX_SORTED_ENTRIES = 2_000
# A LIMIT that has no effect, except that a database does not merge the query into another.
NO_LIMIT = 2**31
# Not counted, because they are few. They have an index of their own.
UNFINISHED = Q(finished_at=None)

# A field and one of its values.
Value = tuple[str, str | UUID | int]


@dataclass(frozen=True, slots=True)
class IndexScan:
    """Entries that meet `q`, read by one index.

    `entries`: how many finished entries meet it; 0 for values that are not counted, which are rare.
    `few`: if set, a wider condition that few entries meet: they are read as a whole. If not, the
    index has the entries in order of time: that of the entries, or of `word`, and then `others` is
    what `q` has beyond that word.
    """

    q: Q
    entries: int = 0
    few: Q | None = None
    word: str = ""
    others: Q = field(default_factory=Q)


@dataclass(frozen=True, slots=True)
class Condition:
    """One filter: `q`, the number of finished entries that meet it, and the index scans that
    together find the same entries. None if its values are too many for separate scans."""

    q: Q
    entries: int
    scans: tuple[IndexScan, ...]


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
    selected: QuerySet[AuditEntry] = with_cte(rows, select=rows)
    return selected.order_by()


def select_few(q: Q) -> QuerySet[AuditEntry]:
    """A query of all entries that meet a condition of which it is known that few do."""
    return select_from(AuditEntry.objects.filter(q).order_by()[:NO_LIMIT])


def fetch_plan(search: Search) -> Plan:
    """Plan a search. Queries the counters: once for all values, and twice at most for each range
    that a text can mean."""
    conditions = _fetch_conditions(search)
    scanned = next((each for each in conditions if each.scans), None)
    filters = [each.q for each in conditions if each is not scanned]
    if scanned is None:
        # All entries in order of time.
        return Plan(search, [IndexScan(Q(), MAX_SORTED_ENTRIES + 1)], filters)
    scans = [
        replace(scan, few=scan.q)
        if filters and not (scan.few or scan.word) and scan.entries <= MAX_SORTED_ENTRIES
        else scan
        for scan in scanned.scans
    ]
    return Plan(search, scans, filters)


def _fetch_conditions(search: Search) -> list[Condition]:
    """Each filter with the number of entries that meet it, the rarest first.

    For a narrowed reader, their organizations come before every filter that more than
    `MAX_SORTED_ENTRIES` meet, and are always read by index: how far such a filter was searched
    would reveal how many entries of other organizations meet it.
    """
    ranges = search.interpretation.ranges if search.interpretation else ()
    words = search.interpretation.words if search.interpretation else ()
    people = search.interpretation.people if search.interpretation else ()
    exact: list[Value] = [(each.field, each.first) for each in ranges if each.is_one_value]
    if len(people) <= MAX_SEPARATE_VALUES:
        exact += [("user_id", each) for each in people]
        people = ()
    values = {field: [(field, each) for each in some] for field, some in search.values.items()}
    whole = [(each.field, each.first) for each in words if each.is_one_value]
    counts = _fetch_counts([*exact, *whole, *chain.from_iterable(values.values())])
    own = "organization_key" if search.is_narrowed else None
    found = {
        field: _condition(_scans(some, counts), is_limited=field != own)
        for field, some in values.items()
    }
    if ranges:
        wide = [each for each in ranges if not each.is_one_value]
        found["text"] = _fetch_text_condition(_scans(exact, counts) + _fetch_many(people), wide)
    if words:
        found["text"] = _either(found["text"], _fetch_words_condition(words, counts))

    def cost(field: str) -> tuple[bool, int]:
        entries = found[field].entries
        return own in found and field != own and entries > MAX_SORTED_ENTRIES, entries

    return [found[field] for field in sorted(found, key=cost)]


def _fetch_counts(values: Sequence[Value]) -> dict[tuple[str, str], int]:
    """Finished entries by field and value."""
    if not values:
        return {}
    q = reduce(or_, (Q(field=field, value=str(value)) for field, value in values))
    rows = AuditValueCounter.objects.filter(q).values_list("field", "value", "attempts")
    return {(field, value): entries for field, value, entries in rows}


def _scans(values: Sequence[Value], counts: Mapping[tuple[str, str], int]) -> list[IndexScan]:
    return [
        IndexScan(Q((field, value)), counts.get((field, str(value)), 0)) for field, value in values
    ]


def _fetch_many(people: Sequence[int]) -> list[IndexScan]:
    """The entries of many people, read as a whole."""
    if not people:
        return []
    ids = [str(each) for each in people]
    counters = AuditValueCounter.objects.filter(field="user_id", value__in=ids)
    q = Q(user_id__in=people)
    return [IndexScan(q, counters.aggregate(sum=Sum("attempts"))["sum"] or 0, few=q)]


def _fetch_text_condition(scans: list[IndexScan], ranges: list[ValueRange]) -> Condition:
    """Entries that one of `scans` finds, or with a value in a range."""
    q = any_of([*(each.q for each in scans), *(each.q for each in ranges)])
    split: list[Q] = []
    for each in ranges:
        values, entries = _fetch_range_counts(each)
        if values:
            scans += _scans([*values], values)
        if entries is None:
            split.append(each.q)
        else:
            scans.append(IndexScan(each.q, entries, few=each.q))
    condition = replace(_condition(scans), q=q)
    if not (split and condition.scans):
        return condition
    unfinished = IndexScan(UNFINISHED & any_of(split), few=UNFINISHED)
    if condition.entries <= MAX_SORTED_ENTRIES:
        few = any_of([each.q for each in [*scans, unfinished]])
        return replace(condition, scans=(IndexScan(few, condition.entries, few=few),))
    return replace(condition, scans=(*condition.scans, unfinished))


def _fetch_range_counts(range: ValueRange) -> tuple[dict[tuple[str, str], int], int | None]:
    """Finished entries by field and value, if the values of a range can be read one by one; if they
    are too many, no values, and the number of their entries."""
    counters = AuditValueCounter.objects.filter(range.within("value"), field=range.field)
    found = counters.order_by("value").values_list("value", "attempts")[: MAX_SEPARATE_VALUES + 1]
    values = {(range.field, value): entries for value, entries in found}
    if len(values) <= MAX_SEPARATE_VALUES:
        return values, None
    # More than MAX_SORTED_ENTRIES values have more than as many entries.
    some = counters.order_by()[: MAX_SORTED_ENTRIES + 1]
    return {}, some.aggregate(sum=Sum("attempts"))["sum"]


def _fetch_words_condition(
    words: Sequence[ValueRange], counts: Mapping[tuple[str, str], int]
) -> Condition:
    """Entries that have every word in their reason: those with the rarest word are read, and the
    other words are filters. The last word is a range."""
    *whole, last = words
    values, entries = _fetch_range_counts(last)
    by_word = {each: counts.get((REASON_WORD, each.first), 0) for each in whole}
    by_word[last] = sum(values.values()) if entries is None else entries
    rarest = min(by_word, key=lambda each: by_word[each])
    q, entries = all_of([each.q for each in words]), by_word[rarest]
    others = all_of([each.q for each in words if each is not rarest])
    if entries <= MAX_SORTED_ENTRIES:
        ids = AuditReasonWord.objects.filter(rarest.within("word")).values("entry_id")
        return Condition(q, entries, (IndexScan(q, entries, few=Q(pk__in=ids)),))
    if rarest is not last:
        values = {(REASON_WORD, rarest.first): entries}
    scans = [
        IndexScan(ValueRange(REASON_WORD, word, word).q & others, n, word=word, others=others)
        for (_, word), n in values.items()
    ]
    if scans and rarest is last:
        scans.append(IndexScan(UNFINISHED & q, few=UNFINISHED))
    return Condition(q, entries, tuple(scans))


def _either(one: Condition, other: Condition) -> Condition:
    """The entries of two conditions; read by index only if both are."""
    scans = (*one.scans, *other.scans) if one.scans and other.scans else ()
    return Condition(any_of([one.q, other.q]), one.entries + other.entries, scans)


def _condition(scans: Sequence[IndexScan], *, is_limited: bool = True) -> Condition:
    """The entries of any of the scans. Those of the rarest values are read as a whole, in one scan.

    Without `is_limited`, it is read by index no matter how many scans that takes.
    """
    by_entries = sorted(scans, key=lambda each: each.entries)
    totals = accumulate(each.entries for each in by_entries)
    rare = by_entries[: sum(total <= MAX_SORTED_ENTRIES for total in totals)]
    frequent = by_entries[len(rare) :]
    if len(rare) > 1 or not scans:
        q = any_of([each.q for each in rare])
        rare = [IndexScan(q, sum(each.entries for each in rare), few=q)]
    is_scanned = not any(each.few for each in frequent)
    if is_limited and len(frequent) > 2 * MAX_SEPARATE_VALUES:
        is_scanned = False
    return Condition(
        any_of([each.q for each in scans]),
        sum(each.entries for each in scans),
        (*frequent, *rare) if is_scanned else (),
    )
