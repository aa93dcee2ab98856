"""How many attempts match a search, over time: from the counters where they can answer, else by
reading the newest matches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db.models import CharField, Count, Func, Q, QuerySet, Sum, Value
from django.db.models.functions import Greatest, Ln

from ipadmin.audit.counters import ACTOR, SEPARATOR, SHORTEST
from ipadmin.audit.search import pages
from ipadmin.audit.search.plan import Plan, select_few
from ipadmin.audit.search.query import Search
from ipadmin.models import AuditCounter, AuditEntry, AuditValueCounter, Facet, Span

DAY = timedelta(days=1)
# The longest periods that are counted by the hour, and by the day; longer ones by the month.
MAX_HOURLY, MAX_DAILY = timedelta(hours=48), timedelta(days=92)
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
class AttemptCount:
    """Attempts with the same outcome that began in the hour, day or month that begins at `at`.
    `timed` and `log_seconds`: see `AuditCounter`."""

    at: datetime
    outcome: str
    error_code: str
    attempts: int
    timed: int
    log_seconds: float


@dataclass(frozen=True, slots=True)
class Counts:
    """The attempts that match a search.

    `is_partial`: only the newest matches were counted. `unit`: "hour", "day" or "month".
    `errors`: attempts by error code, for those counts that do not have it.
    """

    counts: list[AttemptCount]
    is_partial: bool
    unit: str
    errors: dict[str, int] = field(default_factory=dict)

    def oldest(self, default: datetime) -> datetime:
        return min((each.at for each in self.counts), default=default)


def count(plan: Plan, now: datetime) -> Counts:
    """Whole days and months are taken from the counters, and the incomplete days at both ends of
    the period from their entries. Searches for a text, and short periods, read the entries."""
    search = plan.search
    since, until = search.since, min(search.until or now, now)
    is_short = since is not None and until - since <= MAX_HOURLY
    facet = None if search.interpretation or is_short else _fetch_facet(search)
    if facet is None:
        return Counts(*_count_entries(plan), "hour")
    first, last = since and _next_day(since), search.until and day_of(search.until)
    counts: list[AttemptCount] = []
    is_partial = False
    if last != search.until:
        # The newest first: if not all of them are counted, nothing older is.
        counts, is_partial = _count_entries(plan.between(last, search.until))
    if is_partial:
        return Counts(counts, is_partial, "hour")
    is_daily = bool(since and until - since <= MAX_DAILY)
    whole = plan.between(first, last or day_of(now) + DAY).search
    counted, errors = _read_counters(whole, *facet, is_daily=is_daily)
    counts += counted
    counts += _sums(select_few(Q(finished_at=None)).filter(whole.q))
    if since != first:
        older, is_partial = _count_entries(plan.between(since, first))
        counts += older
    return Counts(counts, is_partial, "day" if is_daily else "month", errors)


def _count_entries(plan: Plan) -> tuple[list[AttemptCount], bool]:
    """The newest matches, added up by the hour in the database; and whether there are more."""
    queries, is_partial = pages.newest(plan)
    return [each for query in queries for each in _sums(query)], is_partial


def _sums(matches: QuerySet[AuditEntry]) -> Iterator[AttemptCount]:
    seconds = Greatest("duration", Value(SHORTEST))
    rows = (
        matches.order_by()
        .annotate(hour=HourOf("created_at"))
        .values_list("hour", "outcome", "error_code")
        .annotate(
            attempts=Count("id"),
            timed=Count("duration"),
            log_seconds=Sum(Ln(seconds), filter=Q(duration__isnull=False)),
        )
    )
    for hour, outcome, error_code, attempts, timed, log_seconds in rows:
        at = datetime.fromisoformat(hour).replace(tzinfo=UTC)
        yield AttemptCount(at, outcome, error_code, attempts, timed, log_seconds or 0.0)


class HourOf(Func):
    """The hour of a time in UTC, as text: `2026-11-23 14`. Django's `Trunc` calls a Python function
    for every row of SQLite."""

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


def _read_counters(
    search: Search, facet: Facet, values: Sequence[str], *, is_daily: bool
) -> tuple[list[AttemptCount], dict[str, int]]:
    """Attempts of whole days or months, by outcome; and by error code, in a query of its own: by
    both there would be many rows."""
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
        AttemptCount(datetime(day.year, day.month, day.day, tzinfo=UTC), outcome, "", *numbers)
        for day, outcome, *numbers in sums
    ]
    errors = rows.exclude(error_code="").values_list("error_code").annotate(Sum("attempts"))
    return counts, dict(errors)


def _spans(since: datetime | None, until: datetime | None, *, is_daily: bool) -> Q:
    """The counters of each day; or of whole months, and of the days before and after them."""
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
