"""What a range of the history adds up to: totals, and counts over time."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import exp

from ipadmin.audit.search.counts import DAILY, HOURLY, Counted, count, day_of
from ipadmin.audit.search.query import Search

SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
# Up to which length a range is shown by the month.
MONTHLY = timedelta(days=366 * 6)
MOST_ERRORS = 5
UNITS = ("hour", "day", "month", "year")


@dataclass(frozen=True, slots=True)
class Bar:
    """The attempts of one stretch of time, by outcome. UTC; `until` is excluded."""

    since: datetime
    until: datetime
    counts: dict[str, int]


@dataclass(frozen=True, slots=True)
class Summary:
    """Totals of what the filters match, oldest bar first."""

    attempts: int
    # Only the newest `attempts` matches were counted; there are more.
    is_partial: bool
    outcomes: dict[str, int]
    # The geometric mean of the calls' duration: one call that hung does not move it.
    typical_seconds: float | None
    # The most frequent error codes with their counts, at most five.
    errors: list[tuple[str, int]]
    # What a bar stands for, in UTC: "hour", "day", "month" or "year".
    unit: str
    bars: list[Bar]

    @property
    def finished(self) -> int:
        return sum(self.outcomes.values()) - self.outcomes.get("pending", 0)

    @property
    def success_rate(self) -> float | None:
        """The share of succeeded among finished attempts; None where none has finished."""
        return self.outcomes.get("succeeded", 0) / self.finished if self.finished else None


def summarize(search: Search, now: datetime) -> Summary:
    """What the search matches, counted. What was typed is counted entry by entry, and not beyond
    the newest few thousand; everything else stands in the tally, over any time."""
    # Until now, and what began while this was asked.
    until = min(search.until or now + SECOND, now + SECOND)
    counted = count(search, now)
    oldest = counted.oldest(until)
    if not search.since and counted.unit == "month" and oldest < until <= oldest + DAILY:
        # All time is not long yet: it has days.
        counted = count(replace(search, since=oldest), now)
        oldest = counted.oldest(until)
    # Where only the newest were counted, nothing is said of the time before.
    since = oldest if counted.is_partial else search.since or oldest
    return _add_up(counted, min(since, until), until)


def _add_up(counted: Counted, since: datetime, until: datetime) -> Summary:
    if _unit(counted.unit, since, until) == "year":
        # Somebody's "since 1970" is not a bar each year.
        since = max(since, min(_start(counted.oldest(since), "year"), until))
    unit = _unit(counted.unit, since, until)
    starts = _starts(since, until, unit)
    outcomes: Counter[str] = Counter()
    errors = Counter(counted.errors)
    timed, log_seconds = 0, 0.0
    by_bar: dict[datetime, Counter[str]] = defaultdict(Counter)
    for each in counted.counts:
        outcomes[each.outcome] += each.attempts
        start = min(max(_start(each.at, unit), starts[0]), starts[-1])
        by_bar[start][each.outcome] += each.attempts
        if each.error_code:
            errors[each.error_code] += each.attempts
        timed += each.timed
        log_seconds += each.log_seconds
    return Summary(
        attempts=outcomes.total(),
        is_partial=counted.is_partial,
        outcomes=dict(outcomes),
        typical_seconds=exp(log_seconds / timed) if timed else None,
        errors=sorted(errors.items(), key=lambda each: (-each[1], each[0]))[:MOST_ERRORS],
        unit=unit,
        bars=[
            Bar(start, end, dict(by_bar[start]))
            for start, end in zip(starts, [*starts[1:], until], strict=True)
        ],
    )


def _unit(counted: str, since: datetime, until: datetime) -> str:
    """What a bar stands for: never less than what the counts tell apart."""
    length = until - since
    if length <= HOURLY:
        unit = "hour"
    elif length <= DAILY:
        unit = "day"
    else:
        unit = "month" if length <= MONTHLY else "year"
    return max(unit, counted, key=UNITS.index)


def _starts(since: datetime, until: datetime, unit: str) -> list[datetime]:
    """Where each bar begins; the first where the range does."""
    starts = [since]
    while (following := _following(starts[-1], unit)) < until:
        starts.append(following)
    return starts


def _start(moment: datetime, unit: str) -> datetime:
    if unit == "hour":
        return moment.replace(minute=0, second=0, microsecond=0)
    day = day_of(moment)
    if unit == "day":
        return day
    return day.replace(day=1) if unit == "month" else day.replace(month=1, day=1)


def _following(moment: datetime, unit: str) -> datetime:
    """When the next bar begins."""
    start = _start(moment, unit)
    if unit == "hour":
        return start + HOUR
    if unit == "day":
        return start + DAY
    return _start(start + (32 if unit == "month" else 366) * DAY, unit)
