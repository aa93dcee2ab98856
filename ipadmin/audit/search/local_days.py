"""Attempts by day of a time zone. Counters are of days in UTC: the attempts between a midnight in
UTC and one in the zone are read, and moved to their day."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import CharField, Count, Func, QuerySet
from django.utils import timezone

from ipadmin.audit.search.periods import DAY, HOUR, SECOND, start
from ipadmin.audit.search.query import Search
from ipadmin.models import AuditEntry

# A time in UTC as text, to the hour (`2026-11-23 14`) or minute. Django's `Trunc` calls a Python
# function for every row of SQLite.
TO_HOUR, TO_MINUTE = (f"SUBSTR(CAST(%(expressions)s AS text), 1, {length})" for length in (13, 16))
# Attempts that are read for days in another zone. Of more, the bars are days in UTC.
MAX_MOVED = 50_000


class AttemptCount(NamedTuple):
    """Attempts with the same outcome that began in the hour, day or month that begins at `at`.
    `timed` and `log_seconds`: see `AuditCounter`."""

    at: datetime
    outcome: str
    attempts: int
    timed: int
    log_seconds: float


def by_time(
    entries: QuerySet[AuditEntry], zone: tzinfo, *fields: str
) -> QuerySet[AuditEntry, tuple[Any, ...]]:
    """Entries by fields, and by the hour, or by the minute if the days of a zone begin between
    hours."""
    now = timezone.now()
    offsets = [(now - months * 30 * DAY).astimezone(zone).utcoffset() for months in (0, 6)]
    template = TO_MINUTE if any(offset and offset % HOUR for offset in offsets) else TO_HOUR
    at = Func("created_at", template=template, output_field=CharField())
    return entries.order_by().annotate(at=at).values_list("at", *fields)


def in_local_days(
    counted: list[AttemptCount], search: Search, zone: tzinfo
) -> list[AttemptCount] | None:
    """Counts of days in UTC as counts of days in a zone: each UTC day belongs to the local day that
    has most of it, and the attempts in its smaller part are moved to theirs. None if these are too
    many."""
    if not (search.since and search.until):
        return None
    days, parts = _split_days(search.since, search.until, zone)
    if not (counted and parts):
        return counted
    longest = max(until - since for since, until in parts)
    if sum(each.attempts for each in counted) * (longest / DAY) > MAX_MOVED:
        return None
    found = [each._replace(at=days[each.at]) for each in counted]
    for text, outcome, attempts in _fetch_parts(parts, search, zone):
        at = datetime.fromisoformat(text).replace(tzinfo=UTC)
        found.append(AttemptCount(at, outcome, attempts, 0, 0.0))
        found.append(AttemptCount(days[start(at, "day")], outcome, -attempts, 0, 0.0))
    return found


def _fetch_parts(
    parts: Sequence[tuple[datetime, datetime]], search: Search, zone: tzinfo
) -> Iterator[tuple[str, str, int]]:
    """Time, outcome and number of finished attempts in parts of days. One query for each, which is
    written once: a database reads the whole period for one query of all."""
    since, until = parts[0]
    entries = AuditEntry.objects.filter(created_at__gte=since).filter(created_at__lt=until)
    entries = entries.filter(replace(search, since=None, until=None).q, finished_at__isnull=False)
    counts = by_time(entries, zone, "outcome").annotate(Count("id"))
    sql, params = counts.query.sql_with_params()
    with connection.cursor() as cursor:
        for part in parts:
            moments = [connection.ops.adapt_datetimefield_value(each) for each in part]
            cursor.execute(sql, [*moments, *params[2:]])
            yield from cursor.fetchall()


def _split_days(
    since: datetime, until: datetime, zone: tzinfo
) -> tuple[dict[datetime, datetime], list[tuple[datetime, datetime]]]:
    """How the UTC days of a period overlap with the days of a zone: for each, a time in the local
    day that has most of it; and the parts that belong to other local days."""
    days: dict[datetime, datetime] = {}
    parts: list[tuple[datetime, datetime]] = []
    day = since
    while day < until:
        midnight, next_day = start(day + DAY - SECOND, "day", zone), day + DAY
        days[day] = day
        if day < midnight <= day + DAY / 2:
            parts.append((day, midnight))
            days[day] = midnight
        elif midnight > day:
            parts.append((midnight, next_day))
        day = next_day
    return days, parts
