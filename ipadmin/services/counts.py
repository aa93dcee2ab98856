"""Count what a search matches: from the tally, or from the entries where the tally can't tell."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db.models import CharField, Func, Q, QuerySet, Sum, Value
from django.db.models import Count as CountOf
from django.db.models.functions import Greatest, Ln

from ipadmin.models import AuditEntry, AuditTally, AuditTerm, Facet, Span
from ipadmin.services import history
from ipadmin.services.search import Search
from ipadmin.services.tally import ACTOR, SHORTEST

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
    # See `AuditTally`.
    timed: int
    log_seconds: float


def of_entries(search: Search, *, hourly: bool) -> tuple[list[Count], bool]:
    """The newest matches, added up by the hour, or the day, in the database."""
    queries, is_partial = history.newest(search)
    return [count for each in queries for count in _sums(each, hourly=hourly)], is_partial


def _sums(matches: QuerySet[AuditEntry], *, hourly: bool) -> Iterator[Count]:
    sums = matches.order_by().annotate(start=BeginningOf("created_at", length=13 if hourly else 10))
    seconds = Greatest("duration", Value(SHORTEST))
    rows = sums.values_list("start", "outcome", "error_code").annotate(
        attempts=CountOf("id"),
        timed=CountOf("duration"),
        log_seconds=Sum(Ln(seconds), filter=Q(duration__isnull=False)),
    )
    for start, outcome, error_code, attempts, timed, log_seconds in rows:
        at = datetime.fromisoformat(start if hourly else f"{start} 00").replace(tzinfo=UTC)
        yield Count(at, outcome, error_code, attempts, timed, log_seconds or 0.0)


class BeginningOf(Func):
    """The first characters of a moment in UTC: 10 for the day, 13 for the hour. Django's own
    `Trunc` calls Python for every row of SQLite."""

    output_field = CharField()

    def __init__(self, moment: str, *, length: int) -> None:
        super().__init__(moment, length=length)

    template = "SUBSTR(%(expressions)s, 1, %(length)s)"

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = "LEFT((%(expressions)s AT TIME ZONE 'UTC')::text, %(length)s)"
        return self.as_sql(compiler, connection, template=template, **context)


def of_tally(search: Search) -> tuple[list[Count], bool]:
    """Whole days and months from the tally; what is left at the ends of the range from its
    entries, and those that are still open."""
    whole, ends = _whole_days(search.since, search.until)
    counts: list[Count] = []
    is_partial = False
    if whole:
        counts += _tallied(search, *whole)
        still_open = AuditEntry.objects.filter(search.q, _within(*whole), finished_at=None)
        counts += _sums(still_open, hourly=False)
    for since, until in ends:
        some, is_cut = of_entries(replace(search, since=since, until=until), hourly=True)
        counts += some
        is_partial |= is_cut
    return counts, is_partial


def _within(since: datetime | None, until: datetime | None) -> Q:
    return Search(since=since, until=until).period


Stretch = tuple[datetime | None, datetime | None]


def _whole_days(since: datetime | None, until: datetime | None) -> tuple[Stretch | None, list[Any]]:
    """The whole days in UTC of a range, and what is left of it at both ends. A short range is left
    as it is: its bars are hours."""
    if since and until and until - since <= HOURLY:
        return None, [(since, until)]
    first, last = since and _next_day(since), until and day_of(until)
    ends = []
    if since and first and since < first:
        ends.append((since, first))
    if until and last and last < until:
        ends.append((last, until))
    return (first, last), ends


def day_of(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _next_day(moment: datetime) -> datetime:
    day = day_of(moment)
    return day if day == moment else day + DAY


def _tallied(search: Search, since: datetime | None, until: datetime | None) -> Iterator[Count]:
    facet, values = _facet(search)
    rows = AuditTally.objects.filter(_spans(since, until), facet=facet, value__in=values)
    if search.outcomes:
        rows = rows.filter(outcome__in=search.outcomes)
    if search.error_code:
        rows = rows.filter(error_code=search.error_code)
    sums = rows.values_list("since", "outcome", "error_code").annotate(
        Sum("attempts"), Sum("timed"), Sum("log_seconds")
    )
    for day, *rest in sums.order_by():
        yield Count(datetime(day.year, day.month, day.day, tzinfo=UTC), *rest)


def _spans(since: datetime | None, until: datetime | None) -> Q:
    """Months where the range is long, with the days before the first and after the last of them;
    days where it is not."""
    if since and until and until - since <= DAILY:
        return Q(span=Span.DAY, since__gte=since.date(), since__lt=until.date())
    first = since and _month_from(since.date())
    last = until and until.date().replace(day=1)
    months, days = Q(span=Span.MONTH), Q(pk__in=[])
    if since and first:
        months &= Q(since__gte=first)
        days |= Q(span=Span.DAY, since__gte=since.date(), since__lt=first)
    if until and last:
        months &= Q(since__lt=last)
        days |= Q(span=Span.DAY, since__gte=last, since__lt=until.date())
    return months | days


def _month_from(day: date) -> date:
    """The first of a month that does not lie before the day."""
    return day if day.day == 1 else (day.replace(day=1) + 32 * DAY).replace(day=1)


def _facet(search: Search) -> tuple[Facet, list[str]]:
    """By what the tally answers: all, one filter's values, or the combinations that match several
    filters."""
    given = {name: values for name, values in search.values.items() if name in FACETS}
    if not given:
        return Facet.ALL, [""]
    if len(given) == 1:
        ((name, values),) = given.items()
        return FACETS[name], [str(value) for value in values]
    wanted = [{str(value) for value in given.get(name, ())} or None for name in ACTOR]
    actors = AuditTerm.objects.filter(field="actor").values_list("value", flat=True)[:ACTORS]
    return Facet.ACTOR, [
        actor
        for actor in actors
        if all(
            allowed is None or value in allowed
            for allowed, value in zip(wanted, json.loads(actor), strict=True)
        )
    ]
