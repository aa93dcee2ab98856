"""Periods of the history that have a name. Their days and months are those of the reader's zone."""

from __future__ import annotations

from datetime import datetime, tzinfo

from ipadmin.audit.search.periods import DAY, start

DEFAULT = "30d"
# Days up to now, including today.
DAYS = {"7d": 7, "30d": 30, "90d": 90}
NAMES = {
    "today": "Today",
    "yesterday": "Yesterday",
    **{key: f"Last {days} days" for key, days in DAYS.items()},
    "this_month": "This month",
    "last_month": "Last month",
    "all": "All time",
}


def period(key: str, now: datetime, zone: tzinfo) -> tuple[datetime | None, datetime | None]:
    """Since and until (excluded) of a preset; None where it has no limit."""
    today, month = start(now, "day", zone), start(now, "month", zone)
    match key:
        case "today":
            return today, None
        case "yesterday":
            return start(today - DAY / 2, "day", zone), today
        case "this_month":
            return month, None
        case "last_month":
            return start(month - DAY, "month", zone), month
    days = DAYS.get(key)
    return (start(today - (days - 1.5) * DAY, "day", zone) if days else None), None
