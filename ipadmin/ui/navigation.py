"""The links at the top of every page."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest
from django.urls import reverse

from ipadmin.access import Abilities


@dataclass(frozen=True, slots=True)
class NavigationLink:
    text: str
    url: str
    is_current: bool = False


def links(request: HttpRequest, abilities: Abilities) -> list[NavigationLink]:
    """The sections that the user may see, with the current one marked."""
    current = _section(request)
    sections = {
        "Addresses": ("addresses_home", abilities.may_unallocate),
        "Tokens": ("tokens", abilities.may_unallocate),
        "History": ("audit", abilities.may_view_history),
        "People": ("admin:index", abilities.may_manage_people),
    }
    return [
        NavigationLink(text, reverse(url), text == current)
        for text, (url, is_shown) in sections.items()
        if is_shown
    ]


def _section(request: HttpRequest) -> str:
    if request.path.startswith(reverse("audit")):
        return "History"
    name = (request.resolver_match.url_name if request.resolver_match else "") or ""
    if name.startswith("address") or name == "unallocate":
        return "Addresses"
    return "Tokens" if name.startswith("token") else ""
