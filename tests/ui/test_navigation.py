"""The links at the top of every page."""

from __future__ import annotations

import pytest
from django.test import RequestFactory
from django.urls import resolve

from ipadmin.access import Abilities
from ipadmin.ui import navigation

ALL = Abilities(may_unallocate=True, may_view_history=True, may_manage_people=True)


@pytest.mark.parametrize(
    ("path", "current"),
    [
        ("/tokens/", ["Tokens"]),
        ("/runs/", ["Runs"]),
        ("/audit/", ["History"]),
        ("/addresses/192.0.2.7/timeline/", ["Addresses"]),
        ("/addresses/", ["Addresses"]),
        ("/", []),
    ],
)
def test_the_current_section_is_marked(path: str, current: list[str]) -> None:
    request = RequestFactory().get(path)
    request.resolver_match = resolve(path)
    links = navigation.links(request, ALL)
    assert [link.text for link in links if link.is_current] == current


def test_only_permitted_sections_are_shown() -> None:
    links = navigation.links(RequestFactory().get("/"), Abilities(may_view_history=True))
    assert [link.text for link in links] == ["Runs", "History"]
