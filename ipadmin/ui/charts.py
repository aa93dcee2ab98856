"""The geometry of the chart of attempts over time.

Horizontal lengths are per cent of the plot's width, which the page decides. Vertical lengths are
pixels, 0 at the top.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, tzinfo
from itertools import count
from math import ceil
from typing import NamedTuple

from ipadmin.audit.search.summary import Bar, Summary
from ipadmin.models.audit_entry import Outcome
from ipadmin.ui.time_zones import bar_text, name_of

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
# Least distance of two times on the axis, in per cent: enough on a phone.
MIN_TICK_DISTANCE = 20
# Units between two times on the axis.
TICK_STEPS = {
    "hour": (1, 2, 3, 6, 12, 24, 48, 72, 168),
    "day": (1, 2, 3, 7, 14, 28, 56),
    "month": (1, 2, 3, 6, 12, 24, 60),
    "year": (1, 2, 5, 10, 20, 50),
}


class Segment(NamedTuple):
    outcome: str
    y: float
    height: float


class Column(NamedTuple):
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


class Tick(NamedTuple):
    """A text on an axis."""

    at: float
    text: str


class Chart(NamedTuple):
    """`columns` are oldest first; `legend` has the outcomes that occur, in the order of `STACK`,
    and how often; `zone` is the name of the zone of the times."""

    columns: list[Column]
    y_ticks: list[Tick]
    x_ticks: list[Tick]
    legend: list[tuple[Outcome, int]]
    zone: str
    height: int = HEIGHT
    base: int = BASE


def chart(summary: Summary, url_for: Callable[[Bar], str]) -> Chart:
    """`url_for`: the URL of the entries of a bar."""
    marks = _round_numbers(max((sum(bar.counts.values()) for bar in summary.bars), default=0))
    outcomes = [outcome for outcome in STACK if summary.outcomes.get(outcome)]
    slot = 100 / max(len(summary.bars), 1)
    width = min(slot * BAR_SHARE_OF_SLOT, MAX_BAR_WIDTH)
    columns = []
    for index, bar in enumerate(summary.bars):
        counts = {outcome: bar.counts.get(outcome, 0) for outcome in outcomes}
        parts = [f"{n:,} {outcome}" for outcome, n in counts.items() if n]
        columns.append(
            Column(
                left=round(index * slot, 2),
                span=round(slot, 2),
                x=round((index + 0.5) * slot - width / 2, 2),
                width=round(width, 2),
                segments=_segments(counts, marks[-1]),
                href=url_for(bar) if parts else "",
                when=bar_text(bar.since, summary.unit, summary.zone),
                parts=", ".join(parts),
                counts=[f"{n:,}" for n in counts.values()],
            )
        )
    y_ticks = [Tick(round(BASE - (BASE - TOP) * n / marks[-1], 2), short(n)) for n in marks]
    x_ticks = _times([bar.since for bar in summary.bars], summary.unit, summary.zone, slot)
    legend = [(outcome, summary.outcomes[outcome]) for outcome in outcomes]
    return Chart(columns, y_ticks, x_ticks, legend, name_of(summary.zone))


def sparkline(summary: Summary) -> str:
    """The path of a small chart of all attempts, 100 wide and 100 high."""
    totals = [sum(bar.counts.values()) for bar in summary.bars]
    most, slot = max([*totals, 1]), 100 / max(len(totals), 1)
    return "".join(
        f"M{index * slot:.4g} 100v-{100 * total / most:.3g}h{slot * BAR_SHARE_OF_SLOT:.3g}V100z"
        for index, total in enumerate(totals)
        if total
    )


def _segments(counts: dict[Outcome, int], full: int) -> list[Segment]:
    """Each has `MIN_SEGMENT_HEIGHT`, and of the rest of the bar's height its share."""
    shown = {outcome: n for outcome, n in counts.items() if n}
    total = sum(shown.values())
    rest = max((BASE - TOP) * total / full - MIN_SEGMENT_HEIGHT * len(shown), 0)
    segments, y = [], float(BASE)
    for outcome, n in shown.items():
        height = MIN_SEGMENT_HEIGHT + rest * n / total
        y -= height
        segments.append(Segment(outcome, round(y, 2), round(height, 2)))
    return segments


def _round_numbers(most: int) -> list[int]:
    """At most five, with the same distance, from 0 to `most` or more."""
    steps = (digit * 10**power for power in count() for digit in (1, 2, 5))
    step = next(step for step in steps if step * MAX_INTERVALS >= most)
    return [step * n for n in range(max(ceil(most / step), 1) + 1)]


def short(number: int) -> str:
    """`800`, `5,000`, `20k`, `1.5M`: for the vertical axis."""
    if number < 10_000:
        return f"{number:,}"
    return f"{number / 1000:g}k" if number < 1_000_000 else f"{number / 1_000_000:,g}M"


def _times(starts: list[datetime], unit: str, zone: tzinfo, slot: float) -> list[Tick]:
    """As many times as fit on the axis: midnights, Mondays, Januaries."""
    steps = TICK_STEPS[unit]
    step = next((step for step in steps if step * slot >= MIN_TICK_DISTANCE), steps[-1])
    ticks = []
    for index, start in enumerate(starts):
        local = start.astimezone(zone)
        if not _ordinal(local, unit) % step:
            # Midnight is shown as its day.
            style = "day" if unit == "hour" and not local.hour else unit
            text = bar_text(start, f"{style} tick", zone)
            ticks.append(Tick(round((index + 0.5) * slot, 3), text))
    return ticks


def _ordinal(start: datetime, unit: str) -> int:
    """The number of the hour, day, month or year since year 0. Multiples of 7 days are Mondays."""
    day = start.toordinal() - 1
    return {
        "hour": day * 24 + start.hour,
        "day": day,
        "month": start.year * 12 + start.month - 1,
        "year": start.year,
    }[unit]
