"""The history page in words: its figures, how far a search went, and why a list is empty."""

from __future__ import annotations

from math import floor
from typing import NamedTuple

from django.utils.html import format_html
from django.utils.safestring import SafeString

from ipadmin.audit.search.pages import Page
from ipadmin.audit.search.summary import Summary
from ipadmin.ui.components import Empty
from ipadmin.ui.markup import duration, timestamp

# The unit of a bar of the chart, as an adverb.
UNIT_ADVERBS = {"hour": "Hourly", "day": "Daily", "month": "Monthly", "year": "Yearly"}


class Figure(NamedTuple):
    """A number of the summary."""

    label: str
    value: str
    note: str = ""


def figures(summary: Summary) -> list[Figure]:
    attempts = "The newest {:,} of more" if summary.is_partial else "{:,}"
    rate, typical = Figure("Success rate", "", "None finished"), "No request was sent"
    if summary.success_rate is not None:
        # Rounded down: 100 % means all.
        share = floor(round(summary.success_rate * 1000, 6)) / 10
        rate = Figure("Success rate", f"{share:g} %", f"of {summary.finished:,} finished")
    seconds = summary.typical_seconds
    if seconds is not None:
        typical = "of a request to Katapult"
    time = "" if seconds is None else duration(round(seconds * 1_000_000))
    total = Figure("Attempts", attempts.format(summary.attempts))
    return [total, rate, Figure("Typical duration", time, typical)]


def count(page: Page, summary: Summary) -> str:
    """`50 of 1,204 attempts, newest first`, or `50 of the newest 2,000 of more attempts`."""
    if summary.is_partial:
        return f"{len(page.entries):,} of the newest {summary.attempts:,} of more attempts"
    noun = "attempt" if summary.attempts == 1 else "attempts"
    return f"{len(page.entries):,} of {summary.attempts:,} {noun}, newest first"


def searched_to(page: Page) -> SafeString | str:
    """How far a search went that stopped before the page was full; empty for any other."""
    if not page.searched_to:
        return ""
    text = "Searched back to {}. There may be more matches before."
    if page.is_newer:
        text = "Searched up to {}. There may be more matches after."
    return format_html(text, timestamp(page.searched_to[0]))


def empty(page: Page, *, has_any: bool) -> Empty:
    """`has_any`: whether there are entries that the filters do not match."""
    if page.searched_to:
        text = format_html(
            "{} Many entries match one of the filters, and few match all of them, so the history "
            "is searched in parts.",
            searched_to(page),
        )
        return Empty("search", "No matches so far", text)
    if has_any:
        age = "older " if page.newer_than else ""
        return Empty("search", f"No {age}attempts match", is_search=True)
    return Empty("history", "No attempts yet", "Attempts to unallocate an address appear here.")
