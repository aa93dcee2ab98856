"""What an explanation offers: a button for each of its pieces of advice.

`Words.steps` in `error_messages.py` names the advice of each code; here it becomes links, forms and
texts to copy, but only those that can help where the explanation is shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from typing import NamedTuple

from django.urls import reverse
from django.utils import timezone

from ipadmin.models import ApiToken
from ipadmin.services import oauth

# Steps that are pages of the token: text, name of the URL, query.
TOKEN_PAGES = {
    "list": ("Refresh the list", "addresses", "?wait=1"),
    "choose": ("Choose organization", "token_organization", ""),
}


class Step(NamedTuple):
    """A button: a link to `url`, a form that posts to it (`is_post`), or one that copies `copied`.
    It can't help before `at`. `opens_dialog`: the page of `url` can be shown in the dialog;
    `read_url`: a script can read the list from there instead."""

    text: str
    url: str = ""
    is_post: bool = False
    copied: str = ""
    at: datetime | None = None
    opens_dialog: bool = False
    read_url: str = ""

    @property
    def seconds(self) -> int:
        return seconds_until(self.at)


def seconds_until(at: datetime | None) -> int:
    left = (at - timezone.now()).total_seconds() if at else 0
    return max(0, ceil(left))


def replace_step(token: ApiToken) -> Step:
    """How to get another secret for a token: from Katapult, if it came from there."""
    if token.is_connection and oauth.is_configured():
        return Step("Connect again", reverse("token_connect", args=[token.id]), is_post=True)
    return Step("Replace token", reverse("token_replace", args=[token.id]))


@dataclass(frozen=True, slots=True)
class Place:
    """Where an explanation is shown.

    `retry` does again what failed (its text, URL and so on); None where the page's own form does.
    `others` are other tokens for the same organization, with the URL of the same page for each.
    `entry_url` is the entry that an error names.
    """

    token: ApiToken | None = None
    retry: Step | None = None
    others: Sequence[tuple[ApiToken, str]] = ()
    entry_url: str = ""
    same_token: ApiToken | None = None


def steps(kinds: Sequence[str], place: Place, at: datetime | None, details: str) -> Iterator[Step]:
    """The steps of these kinds that are possible here."""
    for kind in kinds:
        if kind == "retry" and place.retry:
            yield place.retry._replace(at=at)
        elif kind == "other":
            opens_dialog = bool(place.retry and place.retry.opens_dialog)
            for other, url in place.others:
                yield Step(f"Use “{other.label}”", url, opens_dialog=opens_dialog)
        elif kind == "copy":
            yield Step("Copy details for support", copied=details)
        elif link := _link(kind, place):
            yield link


def _link(kind: str, place: Place) -> Step | None:
    """A step that is another page, if it is possible here."""
    if kind == "entry" and place.entry_url:
        return Step("Open entry", place.entry_url)
    if kind == "open" and place.same_token:
        return Step(f"Open “{place.same_token.label}”", place.same_token.get_absolute_url())
    if (token := place.token) is None or kind not in {*TOKEN_PAGES, "replace"}:
        return None
    if kind == "choose" and token.is_ready:
        return None
    if kind == "replace":
        return replace_step(token)
    text, page, query = TOKEN_PAGES[kind]
    return Step(text, reverse(page, args=[token.id]) + query)
