"""The history page in words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.utils.html import strip_tags

from ipadmin.audit.search.pages import Cursor, ListedEntry, Page
from ipadmin.audit.search.summary import Summary
from ipadmin.ui import history_texts

NOON = Cursor(datetime(2026, 1, 2, 12, tzinfo=UTC), 7)


def summary(**changed: Any) -> Summary:
    parts: dict[str, Any] = {
        "attempts": 1204,
        "is_partial": False,
        "outcomes": {},
        "typical_seconds": None,
    }
    return Summary(**parts | {"errors": [], "unit": "day", "zone": UTC, "bars": []} | changed)


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({}, "1 of 1,204 attempts, newest first"),
        ({"attempts": 1}, "1 of 1 attempt, newest first"),
        ({"is_partial": True}, "1 of the newest 1,204 of more attempts"),
    ],
)
def test_count_of_entries(changed: dict[str, Any], text: str) -> None:
    assert (
        history_texts.count(
            Page([ListedEntry._make([None] * len(ListedEntry._fields))]), summary(**changed)
        )
        == text
    )


@pytest.mark.parametrize(
    ("is_newer", "text"),
    [
        (False, "Searched back to 2026-01-02 12:00:00 UTC. There may be more matches before."),
        (True, "Searched up to 2026-01-02 12:00:00 UTC. There may be more matches after."),
    ],
)
def test_how_far_a_search_went(is_newer: bool, text: str) -> None:
    page = Page([], searched_to=NOON, is_newer=is_newer)
    assert strip_tags(history_texts.searched_to(page)) == text
    assert history_texts.empty(page, has_any=True).title == "No matches so far"


@pytest.mark.parametrize(
    ("page", "has_any", "title"),
    [
        (Page([]), False, "No attempts yet"),
        (Page([]), True, "No attempts match"),
        (Page([], newer_than=NOON), True, "No older attempts match"),
    ],
)
def test_why_a_list_is_empty(page: Page, has_any: bool, title: str) -> None:
    assert history_texts.empty(page, has_any=has_any).title == title


def test_figures_without_finished_attempts() -> None:
    rate, duration = history_texts.figures(summary())[1:]
    assert (rate.value, rate.note) == ("", "None finished")
    assert (duration.value, duration.note) == ("", "No request was sent")
