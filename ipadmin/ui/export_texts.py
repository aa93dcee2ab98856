"""The form of an export in words: which attempts, how many lines, and what the formats are."""

from __future__ import annotations

from collections.abc import Iterator

from ipadmin.audit.export.csv import COLUMNS as CSV_COLUMNS
from ipadmin.audit.export.csv import SHORT
from ipadmin.audit.export.export import Format
from ipadmin.audit.search.summary import Summary
from ipadmin.ui.components import Fact
from ipadmin.ui.history_form import HistoryFilters

FORMATS = [
    (Format.CSV.value, "CSV, for spreadsheets. Cells that would run as a formula are neutralised."),
    (
        Format.JSON_LINES.value,
        "JSON lines: each entry whole, with its seal, so it can be verified.",
    ),
]
COLUMNS = [
    ("short", f"The {len(SHORT)} most important"),
    ("all", f"All {len(CSV_COLUMNS)}"),
]


def facts(filters: HistoryFilters) -> Iterator[Fact]:
    """The filters that apply."""
    chips = filters.chips()
    if not (filters.search.since or filters.search.until):
        yield Fact("Time", "All time")
    yield from (Fact(chip.label, chip.text) for chip in chips)
    if filters.within is not None:
        yield Fact("Organizations", "Only your own")


def lines(summary: Summary) -> str:
    """`1,204 attempts: 1,205 lines, as of now.`"""
    count = summary.attempts
    if summary.is_partial:
        return f"More than {count:,} attempts, one line each."
    attempts, lines = "attempt" if count == 1 else "attempts", "lines" if count else "line"
    return f"{count:,} {attempts}: {count + 1:,} {lines}, as of now."
