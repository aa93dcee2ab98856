"""Count what a search matches: from the tally, or from the entries where the tally can't tell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db.models import CharField, Func, Q, QuerySet, Sum, Value
from django.db.models import Count as CountOf
from django.db.models.functions import Greatest, Ln

from ipadmin.audit.counters import ACTOR, SEPARATOR, SHORTEST_US
from ipadmin.audit.search import pages
from ipadmin.audit.search.among import all_with
from ipadmin.audit.search.query import Search
from ipadmin.models import AuditCounter, AuditEntry, AuditValueCounter, Facet, Span

DAY = timedelta(days=1)
# Up to which length a range is counted by the hour, and by the day; then by the month.
HOURLY, DAILY = timedelta(hours=48), timedelta(days=92)
# Combinations of person, token, organization and environment that are looked through.
ACTORS = 5_000
FACETS = {
    "user_name_key": Facet.PERSON,
    "token_id": Facet.TOKEN,
    "organization_key": Facet.ORGANIZATION,
    "environment": Facet.ENVIRONMENT,
}


@dataclass(frozen=True, slots=True)
class Count:
    """Attempts of one kind that began at one time: rows of the tally, or entries."""

    at: datetime
    outcome: str
    error_code: str
    attempts: int
    # See `AuditCounter`.
    timed: int
    log_seconds: float


@dataclass(frozen=True, slots=True)
class Counted:
    """All that was counted. `is_partial`: only the newest matches, there are more before them."""

    counts: list[Count]
    is_partial: bool
    # What the counts tell apart: "hour", "day" or "month".
    unit: str
    # Attempts by error code, of those counts that do not tell it.
    errors: dict[str, int] = field(default_factory=dict)

    def oldest(self, default: datetime) -> datetime:
        return min((each.at for each in self.counts), default=default)


def count(search: Search, now: datetime) -> Counted:
    """Whole days and months from the tally, and what is left at the ends of the range from its
    entries. What was typed, and a short range, is counted entry by entry."""
    since, until = search.since, min(search.until or now, now)
    is_short = since is not None and until - since <= HOURLY
    facet = None if search.typed or is_short else _facet(search)
    if facet is None:
        return Counted(*_of_entries(search), "hour")
    first, last = since and _next_day(since), search.until and day_of(search.until)
    counts: list[Count] = []
    is_cut = False
    if last != search.until:
        # From the newest on, so that where counting ends nothing newer is left out.
        counts, is_cut = _of_entries(replace(search, since=last))
    if is_cut:
        return Counted(counts, is_cut, "hour")
    is_daily = bool(since and until - since <= DAILY)
    whole = replace(search, since=first, until=last or day_of(now) + DAY)
    tallied, errors = _tallied(whole, *facet, is_daily=is_daily)
    counts += tallied
    counts += _sums(all_with(Q(finished_at=None)).filter(whole.q))
    if since != first:
        older, is_cut = _of_entries(replace(search, until=first))
        counts += older
    return Counted(counts, is_cut, "day" if is_daily else "month", errors)


def _of_entries(search: Search) -> tuple[list[Count], bool]:
    """The newest matches, added up by the hour in the database; and whether there are more."""
    queries, is_cut = pages.newest(search)
    return [count for each in queries for count in _sums(each)], is_cut


def _sums(matches: QuerySet[AuditEntry]) -> Iterator[Count]:
    seconds = Greatest("duration_us", Value(SHORTEST_US)) / Value(1_000_000.0)
    rows = (
        matches.order_by()
        .annotate(hour=HourOf("created_at"))
        .values_list("hour", "outcome", "error_code")
        .annotate(
            attempts=CountOf("id"),
            timed=CountOf("duration_us"),
            log_seconds=Sum(Ln(seconds), filter=Q(duration_us__isnull=False)),
        )
    )
    for hour, outcome, error_code, attempts, timed, log_seconds in rows:
        at = datetime.fromisoformat(hour).replace(tzinfo=UTC)
        yield Count(at, outcome, error_code, attempts, timed, log_seconds or 0.0)


class HourOf(Func):
    """The hour of a moment in UTC, as text. Django's own `Trunc` calls Python for every row of
    SQLite."""

    output_field = CharField()
    template = "SUBSTR(%(expressions)s, 1, 13)"

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = "LEFT((%(expressions)s AT TIME ZONE 'UTC')::text, 13)"
        return self.as_sql(compiler, connection, template=template, **context)


def day_of(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _next_day(moment: datetime) -> datetime:
    day = day_of(moment)
    return day if day == moment else day + DAY


def _tallied(
    search: Search, facet: Facet, values: Sequence[str], *, is_daily: bool
) -> tuple[list[Count], dict[str, int]]:
    """Of whole days; and their errors apart, for by outcome they are few rows, by error many."""
    spans = _spans(search.since, search.until, is_daily=is_daily)
    rows = AuditCounter.objects.filter(spans, facet=facet, value__in=values).order_by()
    if search.outcomes:
        rows = rows.filter(outcome__in=search.outcomes)
    if search.error_code:
        rows = rows.filter(error_code=search.error_code)
    sums = rows.values_list("since", "outcome").annotate(
        Sum("attempts"), Sum("timed"), Sum("log_seconds")
    )
    counts = [
        Count(datetime(day.year, day.month, day.day, tzinfo=UTC), outcome, "", *numbers)
        for day, outcome, *numbers in sums
    ]
    errors = rows.exclude(error_code="").values_list("error_code").annotate(Sum("attempts"))
    return counts, dict(errors)


def _spans(since: datetime | None, until: datetime | None, *, is_daily: bool) -> Q:
    """Each day; or months, with the days before the first and after the last of them."""
    first = since and _month_from(since.date())
    last = until and until.date().replace(day=1)
    days = Q(span=Span.DAY)
    if since:
        days &= Q(since__gte=since.date())
    if until:
        days &= Q(since__lt=until.date())
    if is_daily or (first and last and first > last):
        return days
    before, after = Q(pk__in=[]), Q(pk__in=[])
    months = Q(span=Span.MONTH)
    if first:
        months &= Q(since__gte=first)
        before = days & Q(since__lt=first)
    if last:
        months &= Q(since__lt=last)
        after = days & Q(since__gte=last)
    return months | before | after


def _month_from(day: date) -> date:
    """The first of a month that does not lie before the day."""
    return day if day.day == 1 else (day.replace(day=1) + 32 * DAY).replace(day=1)


def _facet(search: Search) -> tuple[Facet, list[str]] | None:
    """By what the tally answers: all, one filter's values, or the combinations that match several
    filters. None if there are too many of those."""
    given = {name: values for name, values in search.values.items() if name in FACETS}
    if not given:
        return Facet.ALL, [""]
    if len(given) == 1:
        ((name, values),) = given.items()
        return FACETS[name], [str(value) for value in values]
    # An empty list of organizations is nobody's, not everybody's.
    wanted = [{str(v) for v in given[name]} if name in given else None for name in ACTOR]
    actors = AuditValueCounter.objects.filter(field="actor").values_list("value", flat=True)
    some = actors[: ACTORS + 1]
    if len(some) > ACTORS:
        return None
    return Facet.ACTOR, [
        actor
        for actor in some
        if all(
            allowed is None or value in allowed
            for allowed, value in zip(wanted, actor.split(SEPARATOR), strict=True)
        )
    ]
