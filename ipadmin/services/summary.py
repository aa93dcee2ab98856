"""What a range of the history adds up to: totals, and counts over time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


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
