"""The history page in words: its figures, how far a search went, and why a list is empty."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.html import format_html
from django.utils.safestring import SafeString

from ipadmin.audit.search.pages import Page
from ipadmin.audit.search.summary import Summary
from ipadmin.ui.markup import duration, percent, timestamp

# The unit of a bar of the chart, as an adverb.
UNIT_ADVERBS = {"hour": "Hourly", "day": "Daily", "month": "Monthly", "year": "Yearly"}


@dataclass(frozen=True, slots=True)
class Figure:
    """A number of the summary. `none` is shown instead where there is none."""

    label: str
    value: str
    note: str = ""
    none: str = ""


@dataclass(frozen=True, slots=True)
class EmptyHistory:
    """What the page shows instead of entries. `has_filters`: it offers to clear them."""

    icon: str
    title: str
    text: SafeString | str
    has_filters: bool


def figures(summary: Summary) -> list[Figure]:
    rate, seconds = summary.success_rate, summary.typical_seconds
    attempts = f"{summary.attempts:,}{'+' if summary.is_partial else ''}"
    return [
        Figure("Attempts", attempts),
        Figure(
            "Success rate",
            percent(rate),
            f"of {summary.finished:,} finished" if rate is not None else "",
            "None finished",
        ),
        Figure(
            "Typical duration",
            duration(seconds),
            "of a request to Katapult" if seconds is not None else "",
            "No request was sent",
        ),
    ]


def count(page: Page, summary: Summary) -> str:
    """`50 of 1,204 attempts, newest first`."""
    total = f"{'more than ' if summary.is_partial else ''}{summary.attempts:,}"
    noun = "attempt" if summary.attempts == 1 else "attempts"
    return f"{len(page.entries):,} of {total} {noun}, newest first"


def searched_to(page: Page) -> SafeString | str:
    """How far a search went that stopped before the page was full; empty for any other."""
    if not page.searched_to:
        return ""
    text = "Searched back to {}. There may be more matches before."
    if page.is_newer:
        text = "Searched up to {}. There may be more matches after."
    return format_html(text, timestamp(page.searched_to[0]))


def empty(page: Page, *, has_any: bool) -> EmptyHistory:
    """`has_any`: whether there are entries that the filters do not match."""
    if page.searched_to:
        text = format_html(
            "{} Many entries match one of the filters, and few match all of them, so the history "
            "is searched in parts.",
            searched_to(page),
        )
        return EmptyHistory("search", "No matches so far", text, has_filters=False)
    if has_any:
        return EmptyHistory("search", f"No {_age(page)}attempts match", "", has_filters=True)
    hint = "Attempts to unallocate an address appear here."
    return EmptyHistory("history", "No attempts yet", hint, has_filters=False)


def _age(page: Page) -> str:
    return "older " if page.newer_than else ""
