"""The summary of a search: totals, and the bars of the chart over time.

It is taken from the counters where they can answer, else from the newest matches.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from math import exp
from typing import NamedTuple

from django.db.models import CharField, Count, Func, Q, QuerySet, Sum, Value
from django.db.models.functions import Greatest, Ln

from ipadmin.audit.counters import ACTOR, SEPARATOR, SHORTEST_US
from ipadmin.audit.search import pages
from ipadmin.audit.search.plan import Plan, select_few
from ipadmin.audit.search.query import Search
from ipadmin.models import AuditCounter, AuditEntry, AuditValueCounter, Facet, Span

SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
UNITS = ("hour", "day", "month", "year")
# The longest period that is shown by this unit.
LONGEST = {"hour": timedelta(hours=48), "day": timedelta(days=92), "month": timedelta(days=2196)}
# A time in the next hour, day, month or year, from the start of one.
STEP = {"hour": timedelta(hours=1), "day": DAY, "month": 32 * DAY, "year": 366 * DAY}
# The hour of a time in UTC, as text: `2026-11-23 14`. Django's `Trunc` calls a Python function for
# every row of SQLite.
HOUR = "SUBSTR(CAST(%(expressions)s AS text), 1, 13)"
MAX_ERRORS = 5
# Combinations of person, token, organization and environment that are compared with the filters.
MAX_ACTORS = 5_000
# The counters of the values of a field.
FACET_OF_FIELD = {
    "user_name_key": Facet.PERSON,
    "token_id": Facet.TOKEN,
    "organization_key": Facet.ORGANIZATION,
    "environment": Facet.ENVIRONMENT,
}


@dataclass(frozen=True, slots=True)
class Bar:
    """The attempts of one period, by outcome. UTC; `until` is excluded."""

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
    # The period of a bar, in UTC: one of UNITS.
    unit: str
    bars: list[Bar]

    @property
    def finished(self) -> int:
        return sum(self.outcomes.values()) - self.outcomes.get("pending", 0)

    @property
    def success_rate(self) -> float | None:
        """The share of succeeded among finished attempts; None where none has finished."""
        return self.outcomes.get("succeeded", 0) / self.finished if self.finished else None


class AttemptCount(NamedTuple):
    """Attempts with the same outcome that began in the hour, day or month that begins at `at`.
    `timed` and `log_seconds`: see `AuditCounter`."""

    at: datetime
    outcome: str
    attempts: int
    timed: int
    log_seconds: float


class Counts:
    """Attempts that match a search, added up by time and outcome, and by error code.

    `is_partial`: only the newest matches were counted. `unit`: the smallest unit that is known.
    """

    def __init__(self, plan: Plan, now: datetime) -> None:
        """Whole days and months are taken from the counters, and the incomplete days at both ends
        of the period from their entries. Searches for a text, and short periods, read the
        entries."""
        self.counts: list[AttemptCount] = []
        self.errors: Counter[str] = Counter()
        self.is_partial, self.unit = False, "hour"
        search = plan.search
        since, until = search.since, min(search.until or now, now)
        is_short = since is not None and until - since <= LONGEST["hour"]
        facet = None if search.interpretation or is_short else _fetch_facet(search)
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
        self._add_counters(whole, *facet)
        self._add_sums(select_few(Q(finished_at=None)).filter(whole.q))
        if since != first:
            self._add_entries(plan.between(since, first))

    def _add_entries(self, plan: Plan) -> None:
        """Add the newest matches."""
        queries, self.is_partial = pages.newest(plan)
        for query in queries:
            self._add_sums(query)

    def _add_sums(self, matches: QuerySet[AuditEntry]) -> None:
        """Add matches, summed up by the hour in the database."""
        seconds = Greatest("duration_us", Value(SHORTEST_US)) / Value(1_000_000.0)
        rows = (
            matches.order_by()
            .annotate(hour=Func("created_at", template=HOUR, output_field=CharField()))
            .values_list("hour", "outcome", "error_code")
            .annotate(
                attempts=Count("id"),
                timed=Count("duration_us"),
                log_seconds=Sum(Ln(seconds), filter=Q(duration_us__isnull=False)),
            )
        )
        for hour, outcome, error_code, attempts, timed, log_seconds in rows:
            at = datetime.fromisoformat(hour).replace(tzinfo=UTC)
            self.counts.append(AttemptCount(at, outcome, attempts, timed, log_seconds or 0.0))
            self.errors[error_code] += attempts

    def _add_counters(self, search: Search, facet: Facet, values: Sequence[str]) -> None:
        """Add attempts of whole days or months, by outcome; and by error code, in a query of its
        own: by both there would be many rows."""
        rows = AuditCounter.objects.filter(self._spans(search), facet=facet, value__in=values)
        if search.outcomes:
            rows = rows.filter(outcome__in=search.outcomes)
        if search.error_code:
            rows = rows.filter(error_code=search.error_code)
        sums = rows.values_list("since", "outcome").annotate(
            Sum("attempts"), Sum("timed"), Sum("log_seconds")
        )
        for day, outcome, *numbers in sums.order_by():
            at = datetime.combine(day, time(), UTC)
            self.counts.append(AttemptCount(at, outcome, *numbers))
        errors = rows.exclude(error_code="").values_list("error_code").annotate(Sum("attempts"))
        self.errors += Counter(dict(errors.order_by()))

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


def summarize(plan: Plan, now: datetime) -> Summary:
    """Count the matches of a search. A search for a text counts the newest few thousand only."""
    search = plan.search
    # Including attempts that began while the page was made.
    until = min(search.until or now + SECOND, now + SECOND)
    counts = Counts(plan, now)
    oldest = min((each.at for each in counts.counts), default=until)
    if not search.since and counts.unit == "month" and oldest < until <= oldest + LONGEST["day"]:
        # The whole history is so short that it can be shown by the day.
        counts = Counts(plan.between(oldest, search.until), now)
        oldest = min((each.at for each in counts.counts), default=until)
    # If only the newest were counted, the time before them is not shown as empty.
    since = min(oldest if counts.is_partial else search.since or oldest, until)
    if _unit(counts.unit, since, until) == "year":
        # Empty years before the first attempt are left out: `since` may be 1970.
        since = max(since, min(start(oldest, "year"), until))
    return _add_up(counts, list(_starts(since, until, _unit(counts.unit, since, until))), until)


def _add_up(counts: Counts, starts: list[datetime], until: datetime) -> Summary:
    unit = _unit(counts.unit, starts[0], until)
    outcomes: Counter[str] = Counter()
    by_bar: dict[datetime, Counter[str]] = defaultdict(Counter)
    for each in counts.counts:
        outcomes[each.outcome] += each.attempts
        by_bar[min(max(start(each.at, unit), starts[0]), starts[-1])][each.outcome] += each.attempts
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
        bars=[
            Bar(since, end, dict(by_bar[since]))
            for since, end in zip(starts, [*starts[1:], until], strict=True)
        ],
    )


def _unit(counted_by: str, since: datetime, until: datetime) -> str:
    """The unit of the bars: not smaller than the unit of the counts."""
    fitting = (unit for unit in UNITS if until - since <= LONGEST.get(unit, timedelta.max))
    return max(next(fitting), counted_by, key=UNITS.index)


def _starts(since: datetime, until: datetime, unit: str) -> Iterator[datetime]:
    """The start of each bar; that of the first is the start of the period."""
    yield since
    while (since := start(start(since, unit) + STEP[unit], unit)) < until:
        yield since


def start(moment: datetime, unit: str) -> datetime:
    """The start of the hour, day, month or year that the moment lies in."""
    hour = moment.replace(minute=0, second=0, microsecond=0)
    day = hour.replace(hour=0)
    month = day.replace(day=1)
    return {"hour": hour, "day": day, "month": month, "year": month.replace(month=1)}[unit]


def first_start(since: datetime, unit: str) -> datetime:
    """The first start of a day or month in a period."""
    found = start(since, unit)
    return found if found == since else start(found + STEP[unit], unit)


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
