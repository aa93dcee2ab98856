"""The links at the top of every page."""

from __future__ import annotations

from typing import NamedTuple

from django.http import HttpRequest
from django.urls import reverse

from ipadmin.access import Abilities


class NavigationLink(NamedTuple):
    text: str
    url: str
    # The name of the URL, for shortcuts.
    name: str
    is_current: bool


def links(request: HttpRequest, abilities: Abilities) -> list[NavigationLink]:
    """The sections that the user may see, with the current one marked."""
    name = (request.resolver_match.url_name if request.resolver_match else "") or ""
    if request.path.startswith(reverse("audit")):
        name = "audit"
    may_unallocate = abilities.may_unallocate
    # Title, URL, whether it is shown, and the names of the URLs in it.
    sections = (
        (
            "Addresses",
            "addresses_home",
            abilities.may_unallocate,
            ("address", "unallocate", "machine"),
        ),
        ("Runs", "runs", abilities.may_view_history, ("run",)),
        ("Tokens", "tokens", may_unallocate, ("token",)),
        ("History", "audit", abilities.may_view_history, ("audit",)),
        ("People", "people", abilities.may_manage_people, ("people", "person")),
        ("Notifications", "notifications", abilities.may_manage_people, ("notifications",)),
    )
    return [
        NavigationLink(title, reverse(url), url, name.startswith(names))
        for title, url, is_shown, names in sections
        if is_shown
    ]
