"""The audit history, paged by its URL alone."""

from __future__ import annotations

import pytest
from django.test import Client

from ipadmin.audit.search import pages, plan
from ipadmin.audit.search.pages import PER_PAGE
from ipadmin.models import Outcome
from tests.views.audit_page import URL, ids, link, shown
from tests.views.conftest import HTMX, MakeEntry


@pytest.fixture
def three_pages(entry: MakeEntry) -> list[str]:
    """The attempt ids, newest first."""
    made = [entry(user_name="alice") for _ in range(2 * PER_PAGE + 1)]
    return ids(*reversed(made))


def test_paging_through_the_history_and_back(alices: Client, three_pages: list[str]) -> None:
    first = alices.get(URL)
    second = alices.get(URL + link(first, "next"))
    third = alices.get(URL + link(second, "next"))
    assert shown(first) + shown(second) + shown(third) == three_pages
    assert (link(first, "prev"), link(third, "next")) == ("", "")
    assert shown(alices.get(URL + link(third, "prev"))) == shown(second)
    assert shown(alices.get(URL + link(second, "prev"))) == shown(first)


def test_the_newest_page_has_no_newer_one(alices: Client, three_pages: list[str]) -> None:
    second = alices.get(URL + link(alices.get(URL), "next"))
    assert link(alices.get(URL + link(second, "prev")), "prev") == ""


def test_a_new_entry_does_not_move_older_pages(
    alices: Client, three_pages: list[str], entry: MakeEntry
) -> None:
    older = link(alices.get(URL), "next")
    entry()
    assert shown(alices.get(URL + older)) == three_pages[PER_PAGE : 2 * PER_PAGE]


def test_pages_of_the_history_keep_the_filters(
    alices: Client, three_pages: list[str], entry: MakeEntry
) -> None:
    entry(user_name="bob")
    older = link(alices.get(f"{URL}?person=alice&outcome=succeeded"), "next")
    assert older.startswith("?person=alice&outcome=succeeded&before=")
    assert shown(alices.get(URL + older)) == three_pages[PER_PAGE : 2 * PER_PAGE]


def test_a_full_last_page_has_no_next(alices: Client, entry: MakeEntry) -> None:
    for _ in range(PER_PAGE):
        entry()
    assert 'aria-label="Pages"' not in alices.get(URL).text


@pytest.mark.parametrize(
    "place",
    [
        "before=x",
        "before=-1",
        "before=",
        "before=%00",
        f"before={'9' * 30}-1",
        "after=7",
        "after=²-²",
    ],
)
def test_a_cursor_that_is_none_is_the_first_page(
    alices: Client, entry: MakeEntry, place: str
) -> None:
    made = entry()
    assert shown(alices.get(f"{URL}?{place}")) == ids(made)


@pytest.mark.parametrize("query", ["before=0-0", "before=1-1", "after=99999999999999999-9"])
def test_a_page_beyond_the_end_leads_back(alices: Client, entry: MakeEntry, query: str) -> None:
    made = entry()
    answer = alices.get(f"{URL}?{query}")
    assert "Nothing has been tried yet" not in answer.text
    back = link(answer, "prev")
    assert shown(alices.get(URL + back) if back else answer) == ids(made)


def test_a_search_that_was_limited_says_so_and_continues(
    alices: Client, entry: MakeEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "SEARCHED_ENTRIES", (1, 2))
    monkeypatch.setattr(plan, "MAX_SORTED_ENTRIES", 1)
    made = entry(user_name="bob", outcome=Outcome.FAILED)
    for _ in range(3):
        entry(user_name="bob")
        entry(outcome=Outcome.FAILED)
    first = alices.get(f"{URL}?person=bob&outcome=failed", headers=HTMX)
    assert "Searched back to" in first.text
    second = alices.get(URL + link(first, "next"))
    assert shown(second) == ids(made)
    assert "Search further" not in second.text
