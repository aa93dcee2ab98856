"""The summary of a search: totals, and the bars of the chart over time.

It is taken from the counters where they can answer, else from the newest matches.
"""

from __future__ import annotations

from bisect import bisect
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from math import exp

from django.db.models import Count, Q, QuerySet, Sum, Value
from django.db.models.functions import Greatest, Ln

from ipadmin.audit.counters import ACTOR, SEPARATOR, SHORTEST_US
from ipadmin.audit.search import pages
from ipadmin.audit.search.local_days import AttemptCount, by_time, in_local_days
from ipadmin.audit.search.periods import DAY, SECOND, first_start, start, starts
from ipadmin.audit.search.plan import UNFINISHED, Plan, select_few
from ipadmin.audit.search.query import Search
from ipadmin.models import AuditCounter, AuditEntry, AuditValueCounter, Facet, Span

UNITS = ("hour", "day", "month", "year")
# The longest period that is shown by this unit.
LONGEST = {"hour": timedelta(hours=48), "day": timedelta(days=92), "month": timedelta(days=2196)}
MAX_ERRORS = 5
# Combinations of values (`counters.ACTOR`) that are compared with the filters.
MAX_ACTORS = 5_000
# The counters of the values of a field.
FACET_OF_FIELD = {
    "user_id": Facet.PERSON,
    "token_id": Facet.TOKEN,
    "organization_key": Facet.ORGANIZATION,
    "environment": Facet.ENVIRONMENT,
    "action": Facet.ACTION,
}


@dataclass(frozen=True, slots=True)
class Bar:
    """The attempts of one period, by outcome. Times in UTC; `until` is excluded."""

    since: datetime
    until: datetime
    counts: dict[str, int]


@dataclass(frozen=True, slots=True)
class Summary:
    """Totals of the matches; `bars` are oldest first."""

    attempts: int
    # Only the newest matches were counted, as many as `attempts`.
    is_partial: bool
    outcomes: dict[str, int]
    # The geometric mean of the duration of calls, on which one very slow call has little effect.
    typical_seconds: float | None
    # The most frequent error codes with their counts, at most five.
    errors: list[tuple[str, int]]
    # The period of a bar: one of UNITS, in `zone`.
    unit: str
    zone: tzinfo
    bars: list[Bar]

    @property
    def finished(self) -> int:
        return sum(self.outcomes.values()) - self.outcomes.get("pending", 0)

    @property
    def success_rate(self) -> float | None:
        """The share of succeeded among finished attempts; None where none has finished."""
        return self.outcomes.get("succeeded", 0) / self.finished if self.finished else None


class Counts:
    """Attempts that match a search, added up by time and outcome, and by error code.

    `is_partial`: only the newest matches were counted. `unit`: the smallest unit that is known, in
    `zone`.
    """

    def __init__(self, plan: Plan, now: datetime, zone: tzinfo) -> None:
        """Whole days and months are taken from the counters, and the incomplete days at both ends
        of the period from their entries. Searches for a text, and short periods, read the
        entries."""
        self.counts: list[AttemptCount] = []
        self.errors: Counter[str] = Counter()
        self.is_partial, self.unit, self.zone = False, "hour", zone
        search = plan.search
        since, until = search.since, min(search.until or now, now)
        is_short = since is not None and until - since <= LONGEST["hour"]
        is_counted = not (search.interpretation or search.run or is_short)
        facet = _fetch_facet(search) if is_counted else None
        if facet is None:
            self._add_entries(plan)
            return
        first, last = since and first_start(since, "day"), search.until and start(until, "day")
        if last != search.until:
            # The newest first: if not all of them are counted, nothing older is.
            self._add_entries(plan.between(last, search.until))
        if self.is_partial:
            return
        self.unit = "day" if since and until - since <= LONGEST["day"] else "month"
        whole = plan.between(first, last or start(now, "day") + DAY).search
        counted, moved = self._fetch_counters(whole, *facet), None
        if self.unit == "day":
            moved = in_local_days(counted, whole, zone)
        self.counts += counted if moved is None else moved
        self.zone = UTC if moved is None else zone
        # Usually there are none, and to write the query for them takes longer than to ask.
        if AuditEntry.objects.filter(UNFINISHED).exists():
            self._add_sums(select_few(UNFINISHED).filter(whole.q))
        if since != first:
            self._add_entries(plan.between(since, first))

    def _add_entries(self, plan: Plan) -> None:
        """Add the newest matches."""
        queries, self.is_partial = pages.newest(plan)
        for query in queries:
            self._add_sums(query)

    def _add_sums(self, matches: QuerySet[AuditEntry]) -> None:
        """Add matches, summed up by the database."""
        seconds = Greatest("duration_us", Value(SHORTEST_US)) / Value(1_000_000.0)
        rows = by_time(matches, self.zone, "outcome", "error_code").annotate(
            attempts=Count("id"),
            timed=Count("duration_us"),
            log_seconds=Sum(Ln(seconds), filter=Q(duration_us__isnull=False)),
        )
        for text, outcome, error_code, attempts, timed, log_seconds in rows:
            at = datetime.fromisoformat(text).replace(tzinfo=UTC)
            self.counts.append(AttemptCount(at, outcome, attempts, timed, log_seconds or 0.0))
            self.errors[error_code] += attempts

    def _fetch_counters(
        self, search: Search, facet: Facet, values: Sequence[str]
    ) -> list[AttemptCount]:
        """Attempts of whole days or months, by outcome; and by error code, in a query of its own:
        by both there would be many rows."""
        rows = AuditCounter.objects.filter(self._spans(search), facet=facet, value__in=values)
        if search.outcomes:
            rows = rows.filter(outcome__in=search.outcomes)
        if search.error_code:
            rows = rows.filter(error_code=search.error_code)
        sums = rows.values_list("since", "outcome").annotate(
            Sum("attempts"), Sum("timed"), Sum("log_seconds")
        )
        errors = rows.exclude(error_code="").values_list("error_code").annotate(Sum("attempts"))
        self.errors += Counter(dict(errors.order_by()))
        return [
            AttemptCount(datetime.combine(day, time(), UTC), outcome, *numbers)
            for day, outcome, *numbers in sums.order_by()
        ]

    def _spans(self, search: Search) -> Q:
        """The counters of each day; or of whole months, and of the days before and after them."""
        since = search.since or datetime.min.replace(tzinfo=UTC)
        until = search.until or since  # always given
        days = Q(span=Span.DAY, since__gte=since.date(), since__lt=until.date())
        first, last = first_start(since, "month").date(), start(until, "month").date()
        if self.unit == "day" or first >= last:
            return days
        # One condition for each range, so that a database searches its index for each.
        months = Q(span=Span.MONTH, since__gte=first, since__lt=last)
        before = Q(span=Span.DAY, since__gte=since.date(), since__lt=first)
        after = Q(span=Span.DAY, since__gte=last, since__lt=until.date())
        return months | before | after if search.since else months | after


def summarize(plan: Plan, now: datetime, zone: tzinfo = UTC) -> Summary:
    """Count the matches of a search, for bars of days in a zone. A search for a text counts the
    newest few thousand only. Bars of more than a day, and of very many attempts, are in UTC."""
    search = plan.search
    # Including attempts that began while the page was made.
    until = min(search.until or now + SECOND, now + SECOND)
    counts = Counts(plan, now, zone)
    oldest = min((each.at for each in counts.counts), default=until)
    if not search.since and counts.unit == "month" and oldest < until <= oldest + LONGEST["day"]:
        # The whole history is so short that it can be shown by the day.
        counts = Counts(plan.between(oldest, search.until), now, zone)
        oldest = min((each.at for each in counts.counts), default=until)
    # If only the newest were counted, the time before them is not shown as empty.
    since = min(oldest if counts.is_partial else search.since or oldest, until)
    if _unit(counts.unit, since, until) == "year":
        # Empty years before the first attempt are left out: `since` may be 1970.
        since = max(since, min(start(oldest, "year"), until))
    unit = _unit(counts.unit, since, until)
    return _add_up(counts, [*starts(since, until, unit, counts.zone)], until)


def _add_up(counts: Counts, bars: list[datetime], until: datetime) -> Summary:
    unit = _unit(counts.unit, bars[0], until)
    outcomes: Counter[str] = Counter()
    by_bar: dict[datetime, Counter[str]] = defaultdict(Counter)
    for each in counts.counts:
        outcomes[each.outcome] += each.attempts
        by_bar[bars[max(bisect(bars, each.at) - 1, 0)]][each.outcome] += each.attempts
    timed = sum(each.timed for each in counts.counts)
    log_seconds = sum(each.log_seconds for each in counts.counts)
    errors = [(code, number) for code, number in counts.errors.items() if code]
    return Summary(
        attempts=outcomes.total(),
        is_partial=counts.is_partial,
        outcomes=dict(outcomes),
        typical_seconds=exp(log_seconds / timed) if timed else None,
        errors=sorted(errors, key=lambda each: (-each[1], each[0]))[:MAX_ERRORS],
        unit=unit,
        zone=counts.zone,
        bars=[
            Bar(since, end, dict(+by_bar[since]))
            for since, end in zip(bars, [*bars[1:], until], strict=True)
        ],
    )


def _unit(counted_by: str, since: datetime, until: datetime) -> str:
    """The unit of the bars: not smaller than the unit of the counts."""
    fitting = (unit for unit in UNITS if until - since <= LONGEST.get(unit, timedelta.max))
    return max(next(fitting), counted_by, key=UNITS.index)


def _fetch_facet(search: Search) -> tuple[Facet, list[str]] | None:
    """The facet and the values of the counters for a search: of all attempts, of one filter's
    values, or of the combinations that match several filters. None if there are too many."""
    chosen = {name: values for name, values in search.values.items() if name in FACET_OF_FIELD}
    if not chosen:
        return Facet.ALL, [""]
    if len(chosen) == 1:
        ((name, values),) = chosen.items()
        return FACET_OF_FIELD[name], [str(value) for value in values]
    wanted = [{str(v) for v in chosen[name]} if name in chosen else None for name in ACTOR]
    actors = AuditValueCounter.objects.filter(field="actor").values_list("value", flat=True)
    some = actors[: MAX_ACTORS + 1]
    if len(some) > MAX_ACTORS:
        return None
    return Facet.ACTOR, [
        actor
        for actor in some
        if all(
            allowed is None or value in allowed
            for allowed, value in zip(wanted, actor.split(SEPARATOR), strict=True)
        )
    ]
