"""Tabs, search and order of the list of addresses."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.services.katapult import OTHER_VM
from tests.views.address_list import counts, few, shown, url, waiting
from tests.views.katapult import HOSTILE, Organizations

# Used by name only, as fixtures are.
__all__ = ["few", "url", "waiting"]


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("", ["3", "20", "100", "9"]),
        ("state=allocated", ["3", "100", "9"]),
        ("state=unallocated", ["20"]),
        ("state=all", ["3", "20", "100", "9"]),
        ("sort=address", ["3", "20", "100", "9"]),
        ("sort=-address", ["9", "100", "20", "3"]),
        ("sort=reverse_dns", ["20", "100", "3", "9"]),
        ("sort=-reverse_dns", ["3", "100", "20", "9"]),
        ("sort=vip", ["3", "20", "100", "9"]),
        ("sort=allocation", ["100", "3", "9", "20"]),
        ("q=192.0.2", ["3", "20", "100"]),
        ("q=192.0.2.0/27", ["3", "20"]),
        ("q=2001:db8::/32", ["9"]),
        ("q=ZEBRA", ["3"]),
        ("q=loadbalancer", ["100"]),
        (f"q={OTHER_VM}", ["9"]),
        ("q=%20apple%20", ["100"]),
        ("q=192.0.2&state=allocated&sort=-address", ["100", "3"]),
    ],
)
def test_the_url_filters_and_sorts_the_list(
    alices: Client, waiting: str, few: Organizations, query: str, numbers: list[str]
) -> None:
    answer = alices.get(f"{waiting}&{query}")
    assert [address.replace(":", ".").split(".")[-1] for address in shown(answer)] == numbers


def test_the_tabs_count_the_matches_of_the_search(
    alices: Client, waiting: str, few: Organizations
) -> None:
    assert counts(alices.get(waiting)) == [4, 3, 1]
    assert counts(alices.get(f"{waiting}&q=192.0.2&state=allocated")) == [3, 2, 1]


def test_the_chosen_tab_and_order_are_marked(
    alices: Client, waiting: str, few: Organizations
) -> None:
    text = alices.get(f"{waiting}&state=allocated&sort=-address").text
    assert 'aria-current="page"' in text
    assert 'aria-sort="descending"' in text


def test_a_tab_keeps_the_search_and_not_the_page(
    alices: Client, waiting: str, few: Organizations
) -> None:
    text = alices.get(f"{waiting}&q=192&sort=vip&page=1").text
    assert 'href="?q=192&amp;sort=vip&amp;state=allocated"' in text


def test_matches_of_the_search_are_marked(alices: Client, waiting: str, few: Organizations) -> None:
    assert "<mark>Zebra</mark>" in alices.get(f"{waiting}&q=zebra").text


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("q=nothing-like-it", "No results for “nothing-like-it”"),
        ("q=zebra&state=unallocated", "No unallocated address matches."),
        (f"q={HOSTILE}", "No results for “&lt;script&gt;"),
    ],
)
def test_a_search_without_matches_is_explained(
    alices: Client, waiting: str, few: Organizations, query: str, words: str
) -> None:
    answer = alices.get(f"{waiting}&{query}")
    assert words in answer.text
    assert "Clear search" in answer.text
    assert shown(answer) == []
