"""The list of addresses as a page and as a part of one, and its URL."""

# Pytest passes them by name.
# ruff: noqa: PLR0917
from __future__ import annotations

import pytest
from django.test import Client

from tests.views.address_list import few, shown, url, waiting
from tests.views.conftest import HTMX
from tests.views.katapult import Organizations

# Used by name only, as fixtures are.
__all__ = ["few", "url", "waiting"]


def test_empty_parameters_are_not_in_the_url(
    alices: Client, url: str, katapult: Organizations
) -> None:
    """The form of a browser without JavaScript sends all of its fields."""
    empty = "?q=web&state=all&sort=-address&family=&type=&vip=&network=&page=3"
    assert alices.get(url + empty)["Location"] == f"{url}?q=web&sort=-address&page=3"
    assert alices.get(f"{url}?q=&wait=1")["Location"] == f"{url}?wait=1"
    answer = alices.get(url + empty, headers=HTMX)
    assert answer["HX-Replace-Url"] == f"{url}?q=web&sort=-address&page=3"


@pytest.mark.parametrize(
    ("before", "query", "header"),
    [
        ("", "?q=w", "HX-Replace-Url"),
        ("?q=w", "?q=we", "HX-Replace-Url"),
        ("?q=we", "?q=&state=all", "HX-Replace-Url"),
        ("?q=we", "?q=we&family=IPv4", "HX-Push-Url"),
        ("", "?state=allocated", "HX-Push-Url"),
        ("", "?page=2", "HX-Push-Url"),
    ],
)
def test_typing_replaces_the_entry_in_the_browsers_history(
    alices: Client, url: str, katapult: Organizations, before: str, query: str, header: str
) -> None:
    current = {"HX-Current-URL": f"http://testserver{url}{before}"}
    answer = alices.get(url + query, headers=HTMX | current)
    assert [each for each in answer.headers if each.endswith("-Url")] == [header]


def test_htmx_gets_the_list_alone(alices: Client, waiting: str, few: Organizations) -> None:
    answer = alices.get(waiting, headers=HTMX)
    assert "<html" not in answer.text
    assert len(shown(answer)) == 4
    assert "HX-Request" in answer["Vary"]
    assert "no-store" in answer["Cache-Control"]


def test_a_full_page_contains_the_list(alices: Client, waiting: str, few: Organizations) -> None:
    answer = alices.get(waiting)
    assert "<html" in answer.text
    assert "HX-Request" in answer["Vary"]
    assert {"no-store", "private"} <= set(answer["Cache-Control"].split(", "))


@pytest.mark.parametrize("header", ["HX-Boosted", "HX-History-Restore-Request"])
def test_history_restores_get_the_full_page_of_the_list(
    alices: Client, waiting: str, few: Organizations, header: str
) -> None:
    alices.get(waiting)
    answer = alices.get(f"{waiting}&state=unallocated", headers=HTMX | {header: "true"})
    assert "<html" in answer.text
    assert shown(answer) == ["192.0.2.20"]
