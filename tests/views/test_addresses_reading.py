"""How the list of addresses is read, and shown meanwhile."""

# Pytest passes them by name.
# ruff: noqa: PLR0917
from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from ipadmin.models import ApiToken, User
from ipadmin.services import inventory
from ipadmin.views.addresses import SEPARATOR
from tests.conftest import ClientOf
from tests.page import Page
from tests.services.katapult import refusal
from tests.views.address_list import counts, few, shown, url, waiting
from tests.views.conftest import HTMX
from tests.views.katapult import LIST, Organizations, many

# Used by name only, as fixtures are.
__all__ = ["few", "url", "waiting"]


def parts(answer: Any) -> list[str]:
    """The parts of a streamed list."""
    return b"".join(answer.streaming_content).decode().split(SEPARATOR)[:-1]


@pytest.fixture
def reading(token: ApiToken) -> str:
    return reverse("addresses_read", args=[token.id])


def test_the_page_appears_before_the_list_is_read(
    alices: Client, url: str, waiting: str, reading: str, katapult: Organizations
) -> None:
    page = Page(alices.get(url))
    assert (katapult.requests, shown(page.html)) == ([], [])
    assert page.one("#listing").attributes["data-read-now"] == reading
    assert "Reading the addresses of Acme" in page.text
    assert 'content="0; url=?wait=1"' in page.html
    alices.get(waiting)
    again = Page(alices.get(url))
    # Fresh: it is not read again, and without a part to replace.
    assert len(shown(again.html)) == 2
    assert again.values("data-read-now") == []


def test_without_javascript_the_search_is_kept_while_the_list_is_read(
    alices: Client, url: str, katapult: Organizations
) -> None:
    page = Page(alices.get(f"{url}?q=web"))
    assert "url=?q=web&amp;wait=1" in page.html
    assert page.form("family")["q"] == ["web"]


def test_the_list_is_streamed_while_it_is_read(
    alices: Client, reading: str, katapult: Organizations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inventory, "STEP_SECONDS", 0)
    katapult.listed = many(1000)
    answer = alices.get(f"{reading}?q=10.0.3")
    assert "no-store" in answer["Cache-Control"]
    found = parts(answer)
    assert len(found) >= 2
    assert re.search(r"Reading… \d+ of 1,000", Page(found[0]).text)
    assert Page(found[0]).one("[data-stop]")
    assert counts(found[-1]) == [250, 250, 0]
    assert "Updated just now" in Page(found[-1]).text


def test_times_of_a_streamed_list_are_in_the_readers_zone(
    alices: Client, reading: str, few: Organizations
) -> None:
    alices.cookies["timezone"] = "Asia/Tokyo"
    title = Page(parts(alices.get(reading))[-1]).one(".read-at time").attributes["title"]
    assert title
    assert title.endswith("JST")


def test_an_earlier_list_stays_while_it_is_read_again(
    alices: Client, waiting: str, reading: str, katapult: Organizations, monkeypatch: Any
) -> None:
    monkeypatch.setattr(inventory, "STEP_SECONDS", 0)
    alices.get(waiting)
    katapult.listed = many(500)
    *progress, last = parts(alices.get(reading))
    assert progress
    assert [shown(part) for part in progress if "Reading…" in part] == [[]] * len(progress)
    assert counts(last) == [500, 500, 0]


def test_a_stopped_reading_shows_what_was_read(
    alices: Client, url: str, reading: str, katapult: Organizations, monkeypatch: Any
) -> None:
    monkeypatch.setattr(inventory, "STEP_SECONDS", 0)
    katapult.listed = many(1000)
    answer = alices.get(reading)
    next(iter(answer.streaming_content))  # type: ignore[attr-defined]
    # As a server does when the browser is gone; `close` would end the test's database as well.
    for closer in answer._resource_closers:  # type: ignore[attr-defined]
        closer()
    text = Page(alices.get(url, headers=HTMX)).text
    assert re.search(r"not complete: \d+ of 1,000 addresses were read", text)
    assert "Read it again" in text


def test_a_list_that_was_never_read_offers_to_read_it(
    alices: Client, url: str, reading: str, katapult: Organizations
) -> None:
    page = Page(alices.get(url, headers=HTMX))
    assert page.values("data-read") == [reading]


def test_an_error_while_the_list_is_read_is_explained_above_the_earlier_one(
    alices: Client, waiting: str, reading: str, katapult: Organizations
) -> None:
    alices.get(waiting)
    katapult.lists.append(refusal(403, "permission_denied"))
    [part] = parts(alices.get(reading))
    assert "denied permission" in part
    assert len(shown(part)) == 2
    assert "Retry" in part


def test_parts_read_nothing(
    alices: Client, url: str, waiting: str, katapult: Organizations
) -> None:
    alices.get(waiting)
    alices.get(f"{url}?state=allocated", headers=HTMX)
    alices.get(f"{url}?q=1", headers=HTMX)
    assert katapult.calls(LIST) == 1


def test_a_list_is_never_shared_between_tokens(
    alices: Client,
    bob: User,
    waiting: str,
    bobs_token: ApiToken,
    client_of: ClientOf,
    katapult: Organizations,
) -> None:
    alices.get(waiting)
    bobs = reverse("addresses", args=[bobs_token.id])
    assert shown(client_of(bob).get(bobs)) == []
