"""The summary of a search: totals, and the bars of the chart over time."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import exp

from ipadmin.audit.search.counts import MAX_DAILY, MAX_HOURLY, Counts, count, day_of
from ipadmin.audit.search.plan import Plan

SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
# The longest period that is shown by the month; longer ones by the year.
MAX_MONTHLY = timedelta(days=366 * 6)
MAX_ERRORS = 5
UNITS = ("hour", "day", "month", "year")


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
    # The period of a bar, in UTC: "hour", "day", "month" or "year".
    unit: str
    bars: list[Bar]

    @property
    def finished(self) -> int:
        return sum(self.outcomes.values()) - self.outcomes.get("pending", 0)

    @property
    def success_rate(self) -> float | None:
        """The share of succeeded among finished attempts; None where none has finished."""
        return self.outcomes.get("succeeded", 0) / self.finished if self.finished else None


def summarize(plan: Plan, now: datetime) -> Summary:
    """Count the matches of a search. A search for a text counts the newest few thousand only."""
    search = plan.search
    # Including attempts that began while the page was made.
    until = min(search.until or now + SECOND, now + SECOND)
    counts = count(plan, now)
    oldest = counts.oldest(until)
    if not search.since and counts.unit == "month" and oldest < until <= oldest + MAX_DAILY:
        # The whole history is so short that it can be shown by the day.
        counts = count(plan.between(oldest, search.until), now)
        oldest = counts.oldest(until)
    # If only the newest were counted, the time before them is not shown as empty.
    since = oldest if counts.is_partial else search.since or oldest
    return _add_up(counts, min(since, until), until)


def _add_up(counts: Counts, since: datetime, until: datetime) -> Summary:
    if _unit(counts.unit, since, until) == "year":
        # Empty years before the first attempt are left out: `since` may be 1970.
        since = max(since, min(_start(counts.oldest(since), "year"), until))
    unit = _unit(counts.unit, since, until)
    starts = _starts(since, until, unit)
    outcomes: Counter[str] = Counter()
    errors = Counter(counts.errors)
    timed, log_seconds = 0, 0.0
    by_bar: dict[datetime, Counter[str]] = defaultdict(Counter)
    for each in counts.counts:
        outcomes[each.outcome] += each.attempts
        start = min(max(_start(each.at, unit), starts[0]), starts[-1])
        by_bar[start][each.outcome] += each.attempts
        if each.error_code:
            errors[each.error_code] += each.attempts
        timed += each.timed
        log_seconds += each.log_seconds
    return Summary(
        attempts=outcomes.total(),
        is_partial=counts.is_partial,
        outcomes=dict(outcomes),
        typical_seconds=exp(log_seconds / timed) if timed else None,
        errors=sorted(errors.items(), key=lambda each: (-each[1], each[0]))[:MAX_ERRORS],
        unit=unit,
        bars=[
            Bar(start, end, dict(by_bar[start]))
            for start, end in zip(starts, [*starts[1:], until], strict=True)
        ],
    )


def _unit(counted_by: str, since: datetime, until: datetime) -> str:
    """The unit of the bars: not smaller than the unit of the counts."""
    length = until - since
    if length <= MAX_HOURLY:
        unit = "hour"
    elif length <= MAX_DAILY:
        unit = "day"
    else:
        unit = "month" if length <= MAX_MONTHLY else "year"
    return max(unit, counted_by, key=UNITS.index)


def _starts(since: datetime, until: datetime, unit: str) -> list[datetime]:
    """The start of each bar; that of the first is the start of the period."""
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
    """The start of the next bar."""
    start = _start(moment, unit)
    if unit == "hour":
        return start + HOUR
    if unit == "day":
        return start + DAY
    return _start(start + (32 if unit == "month" else 366) * DAY, unit)
