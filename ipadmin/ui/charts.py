"""The geometry of the chart of attempts over time.

Horizontal lengths are per cent of the plot's width, which the page decides. Vertical lengths are
pixels, 0 at the top.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from math import ceil

from ipadmin.audit.search.summary import Bar, Summary
from ipadmin.models.audit_entry import Outcome
from ipadmin.ui.time_zones import text_of

# From the bottom of a bar to its top.
STACK = (Outcome.SUCCEEDED, Outcome.REFUSED, Outcome.UNKNOWN, Outcome.FAILED, Outcome.PENDING)

HEIGHT = 134  # px
# Above the plot is the text of the bar under the pointer, below it are the times.
TOP = 22  # px
BASE = HEIGHT - 20  # px
# So that a single failure among thousands is visible.
MIN_SEGMENT_HEIGHT = 2  # px
BAR_SHARE_OF_SLOT = 0.8
MAX_BAR_WIDTH = 4  # per cent
MAX_INTERVALS = 4
# Least distance of two times on the axis, in per cent; on a phone, others are hidden.
MIN_TICK_DISTANCE = 12.5
MIN_TICK_DISTANCE_ON_PHONE = 20
# Units between two times on the axis.
TICK_STEPS = {
    "hour": (1, 2, 3, 6, 12, 24, 48, 72, 168),
    "day": (1, 2, 7, 14, 28, 56),
    "month": (1, 2, 3, 6, 12, 24, 60),
    "year": (1, 2, 5, 10, 20, 50),
}


@dataclass(frozen=True, slots=True)
class Segment:
    outcome: str
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Column:
    """A drawn bar. `left` and `span`: its slot, which is a link. `counts`: in the order of the
    legend. Without attempts there are no segments and no `href`."""

    left: float
    span: float
    x: float
    width: float
    segments: list[Segment]
    href: str
    when: str
    parts: str
    counts: list[str]

    @property
    def label(self) -> str:
        return f"{self.when} (UTC): {self.parts}"


@dataclass(frozen=True, slots=True)
class Tick:
    """A text on an axis. Phones hide minor ones."""

    at: float
    text: str
    is_minor: bool = False


@dataclass(frozen=True, slots=True)
class Legend:
    outcome: str
    name: str
    count: int


@dataclass(frozen=True, slots=True)
class Chart:
    """`columns` are oldest first; `legend` has the outcomes that occur, in the order of `STACK`."""

    columns: list[Column]
    y_ticks: list[Tick]
    x_ticks: list[Tick]
    legend: list[Legend]
    height: int = HEIGHT
    top: int = TOP
    base: int = BASE
    plot: int = BASE - TOP


def chart(summary: Summary, url_for: Callable[[Bar], str]) -> Chart:
    """`url_for`: the URL of the entries of a bar."""
    marks = _nice(max((sum(bar.counts.values()) for bar in summary.bars), default=0))
    legend = [
        Legend(outcome.value, outcome.label, summary.outcomes.get(outcome, 0))
        for outcome in STACK
        if summary.outcomes.get(outcome) or any(bar.counts.get(outcome) for bar in summary.bars)
    ]
    slot = 100 / max(len(summary.bars), 1)
    return Chart(
        columns=[
            _column(
                bar,
                legend,
                left=index * slot,
                slot=slot,
                segments=_segments(bar, legend, marks[-1]),
                when=text_of(bar.since, summary.unit, UTC),
                url_for=url_for,
            )
            for index, bar in enumerate(summary.bars)
        ],
        y_ticks=[Tick(round(BASE - (BASE - TOP) * n / marks[-1], 2), short(n)) for n in marks],
        x_ticks=_times([bar.since for bar in summary.bars], summary.unit, slot),
        legend=legend,
    )


def _column(
    bar: Bar,
    legend: list[Legend],
    *,
    left: float,
    slot: float,
    segments: list[Segment],
    when: str,
    url_for: Callable[[Bar], str],
) -> Column:
    counts = [bar.counts.get(each.outcome, 0) for each in legend]
    width = min(slot * BAR_SHARE_OF_SLOT, MAX_BAR_WIDTH)
    said = [f"{n:,} {each.name.lower()}" for n, each in zip(counts, legend, strict=True) if n]
    return Column(
        left=round(left, 3),
        span=round(slot, 3),
        x=round(left + (slot - width) / 2, 3),
        width=round(width, 3),
        segments=segments,
        href=url_for(bar) if said else "",
        when=when,
        parts=", ".join(said) or "no attempts",
        counts=[f"{n:,}" for n in counts],
    )


def _segments(bar: Bar, legend: list[Legend], full: int) -> list[Segment]:
    counts = [bar.counts.get(each.outcome, 0) for each in legend]
    segments, y = [], float(BASE)
    for each, height in zip(legend, _heights(counts, full), strict=True):
        if height:
            y -= height
            segments.append(Segment(each.outcome, round(y, 2), round(height, 2)))
    return segments


def _heights(counts: list[int], full: int) -> list[float]:
    """Heights of the segments of a bar: proportional, but at least `MIN_SEGMENT_HEIGHT`, for which
    taller segments are shortened."""
    total, present = sum(counts), sum(1 for n in counts if n)
    if not total:
        return [0.0] * len(counts)
    whole = max((BASE - TOP) * total / full, MIN_SEGMENT_HEIGHT * present)
    raised = [max(whole * n / total, MIN_SEGMENT_HEIGHT) if n else 0.0 for n in counts]
    spare = sum(height - MIN_SEGMENT_HEIGHT for height in raised if height)
    taken = (sum(raised) - whole) / spare if spare else 0
    return [height - (height - MIN_SEGMENT_HEIGHT) * taken if height else 0.0 for height in raised]


def _nice(most: int) -> list[int]:
    """At most five round numbers with the same distance, from 0 to `most` or more."""
    steps = (digit * 10**power for power in count() for digit in (1, 2, 5))
    step = next(step for step in steps if step * MAX_INTERVALS >= most)
    return [step * n for n in range(max(ceil(most / step), 1) + 1)]


def short(number: int) -> str:
    """`800`, `5,000`, `20k`, `1.5M`: for the vertical axis."""
    if number < 10_000:
        return f"{number:,}"
    return f"{number / 1000:g}k" if number < 1_000_000 else f"{number / 1_000_000:,g}M"


def _times(starts: list[datetime], unit: str, slot: float) -> list[Tick]:
    """As many times as fit on the axis: midnights, Mondays, Januaries."""
    steps = TICK_STEPS[unit]
    step = next((step for step in steps if step * slot >= MIN_TICK_DISTANCE), steps[-1])
    stride = ceil(MIN_TICK_DISTANCE_ON_PHONE / (step * slot))
    marked = [
        (index, start) for index, start in enumerate(starts) if not _ordinal(start, unit) % step
    ]
    return [
        Tick(round((index + 0.5) * slot, 3), _tick_text(start, unit), is_minor=bool(n % stride))
        for n, (index, start) in enumerate(marked)
    ]


def _ordinal(start: datetime, unit: str) -> int:
    """The number of the hour, day, month or year since year 0. Multiples of 7 days are Mondays."""
    day = start.toordinal() - 1
    return {
        "hour": day * 24 + start.hour,
        "day": day,
        "month": start.year * 12 + start.month - 1,
        "year": start.year,
    }[unit]


def _tick_text(start: datetime, unit: str) -> str:
    # Midnight is shown as its day.
    is_midnight = unit == "hour" and not start.hour
    return text_of(start, "day tick" if is_midnight else f"{unit} tick", UTC)
