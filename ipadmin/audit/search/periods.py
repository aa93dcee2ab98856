"""Hours, days, months and years of a time zone, as times in UTC."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo

SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
# A time in the next hour, day, month or year, from the start of one. Days have 23 to 25 hours.
STEP = {"hour": HOUR, "day": 26 * HOUR, "month": 32 * DAY, "year": 367 * DAY}


def starts(since: datetime, until: datetime, unit: str, zone: tzinfo) -> Iterator[datetime]:
    """The start of each bar; that of the first is the start of the period."""
    yield since
    while (since := start(start(since, unit, zone) + STEP[unit], unit, zone)) < until:
        yield since


def start(moment: datetime, unit: str, zone: tzinfo = UTC) -> datetime:
    """The start, in UTC, of the hour, day, month or year of a zone that the moment lies in."""
    if unit == "hour":
        # Hours do not move with a change of the offset, which can be half an hour.
        offset = zone.utcoffset(datetime(moment.year, 1, 1)) or timedelta()  # noqa: DTZ001
        moment = moment.astimezone(UTC)
        return moment - (moment + offset - datetime(1, 1, 1, tzinfo=UTC)) % HOUR
    at = moment.astimezone(zone)
    month, day = 1 if unit == "year" else at.month, at.day if unit == "day" else 1
    return datetime(at.year, month, day, tzinfo=zone).astimezone(UTC)


def first_start(since: datetime, unit: str) -> datetime:
    """The first start of a day or month in a period."""
    found = start(since, unit)
    return found if found == since else start(found + STEP[unit], unit)
