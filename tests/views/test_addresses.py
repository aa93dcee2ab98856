"""The list of an organization's addresses: what it shows, and how it is read."""

# Pytest passes them by name.
# ruff: noqa: PLR0917
from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from django.test import Client
from django.urls import reverse

from ipadmin.katapult.types import Organization
from ipadmin.models import ApiToken, Outcome, User
from ipadmin.services import inventory
from ipadmin.views.addresses import SEPARATOR
from tests.conftest import ClientOf
from tests.history import keep
from tests.page import Page, one, text_of
from tests.services.conftest import keep_token
from tests.services.katapult import ADDRESS, IP, OTHER_VM, VM, refusal
from tests.views.address_list import counts, few, shown, url, waiting
from tests.views.conftest import HTMX, PLANTED, MakeEntry
from tests.views.katapult import HOSTILE, LIST, Organizations, listed, many

# Used by name only, as fixtures are.
__all__ = ["few", "url", "waiting"]


# What is shown


def test_addresses_are_listed_in_numeric_order(
    alices: Client, waiting: str, few: Organizations
) -> None:
    answer = alices.get(waiting)
    assert answer.status_code == 200
    assert shown(answer) == ["192.0.2.3", "192.0.2.20", "192.0.2.100", "2001:db8::9"]
    for text in ("Acme", "Live", "Zebra.example.net", OTHER_VM, "Virtual machine", "VIP"):
        assert text in answer.text


def test_unallocate_is_offered_only_where_it_can_work(
    alices: Client, waiting: str, few: Organizations
) -> None:
    answer = alices.get(waiting)
    ids = [each for each in Page(answer).ids if each.startswith("unallocate-ip_")]
    assert [each.removeprefix("unallocate-ip_").lstrip("0") for each in ids] == ["3", "9"]
    text = answer.text
    assert "be unallocated from a load balancer" in text


def test_every_htmx_link_has_an_href(alices: Client, waiting: str, few: Organizations) -> None:
    links = Page(alices.get(waiting)).all("a[hx-get]")
    assert len(links) >= 9
    assert [link.html for link in links if not link.attributes.get("href")] == []


def test_the_list_says_when_it_was_updated_and_offers_refresh(
    alices: Client, waiting: str, few: Organizations
) -> None:
    page = Page(alices.get(waiting))
    assert "Updated just now" in page.text
    assert page.one(".read-at time[datetime]")
    assert "Refresh" in page.text


def test_an_unknown_kind_is_shown_as_it_is(
    alices: Client, waiting: str, katapult: Organizations
) -> None:
    katapult.listed = [listed(1, "db_1", allocation_type="ManagedDatabase")]
    assert "ManagedDatabase" in alices.get(waiting).text


def test_keys_that_are_missing_or_new(
    alices: Client, waiting: str, katapult: Organizations
) -> None:
    katapult.listed = [{"id": "ip_1", "address": "192.0.2.1", "allocation_id": None, "new": {}}]
    assert shown(alices.get(waiting)) == ["192.0.2.1"]


def test_the_list_links_to_the_lists_of_other_tokens(
    alices: Client, alice: User, waiting: str, katapult: Organizations
) -> None:
    other = keep_token(alice, "x" * 20, Organization("org_2", "Brook", "brook"), "Other")
    text = alices.get(waiting).text
    assert reverse("addresses", args=[other.id]) in text
    assert "Brook" in text


def test_the_list_is_of_the_tokens_organization(
    alices: Client, url: str, waiting: str, katapult: Organizations
) -> None:
    alices.get(waiting)
    assert katapult.requests[0].url.params["organization[id]"] == "org_1"


def test_the_token_is_sent_in_the_header_only(
    alices: Client, waiting: str, katapult: Organizations
) -> None:
    assert PLANTED not in alices.get(waiting).text
    assert katapult.requests[0].headers["Authorization"] == f"Bearer {PLANTED}"


# How many


def test_a_list_without_addresses(alices: Client, waiting: str, katapult: Organizations) -> None:
    katapult.listed = []
    answer = alices.get(waiting)
    assert "This organization has no addresses" in answer.text
    assert counts(answer) == [0, 0, 0]


def test_a_list_of_one_address(alices: Client, waiting: str, katapult: Organizations) -> None:
    katapult.listed = [listed(1)]
    answer = alices.get(waiting)
    assert (shown(answer), counts(answer)) == (["192.0.2.1"], [1, 1, 0])
    assert 'rel="next"' not in answer.text


def test_a_tab_without_addresses(alices: Client, waiting: str, katapult: Organizations) -> None:
    katapult.listed = [listed(1)]
    answer = alices.get(f"{waiting}&state=unallocated")
    assert "No unallocated addresses" in answer.text
    assert "Show all addresses" in answer.text


@pytest.mark.parametrize(
    ("page", "first", "last", "rows"),
    [("1", 1, 50, 50), ("4", 151, 200, 50), ("5", 201, 201, 1), ("6", 201, 201, 1)],
)
def test_a_list_longer_than_one_api_page_is_read_whole(
    alices: Client,
    waiting: str,
    katapult: Organizations,
    page: str,
    first: int,
    last: int,
    rows: int,
) -> None:
    katapult.listed = many(201)
    answer = alices.get(f"{waiting}&page={page}")
    assert katapult.calls(LIST) == 2
    assert (len(set(shown(answer))), counts(answer)) == (rows, [201, 201, 0])
    assert f"{first}\N{EN DASH}{last} of 201 addresses" in answer.text


def test_pages_of_the_list_keep_the_search(
    alices: Client, waiting: str, katapult: Organizations
) -> None:
    katapult.listed = many(120)
    text = alices.get(f"{waiting}&q=10.0&page=2").text
    assert re.search(r'href="\?q=10.0&amp;page=1"[^>]* rel="prev"', text)
    assert re.search(r'href="\?q=10.0&amp;page=3"[^>]* rel="next"', text)


def test_a_large_set_has_no_totals(alices: Client, waiting: str, katapult: Organizations) -> None:
    katapult.listed = many(201)

    def without_totals(request: httpx.Request) -> httpx.Response:
        body = katapult.page(request).read()
        body = body.replace(b'"total":201,"total_pages":2', b'"total":null,"total_pages":null')
        return httpx.Response(200, content=body)

    katapult.lists.extend([without_totals] * 2)
    assert counts(alices.get(waiting)) == [201, 201, 0]


@pytest.mark.parametrize(
    "query",
    [
        "page=0",
        "page=x",
        "page=%00",
        "page=" + "9" * 5000,
        "state=<script>",
        "sort=__class__",
        "sort=--address",
        "q=%00%ff%fe",
        "q=" + "(" * 3000,
        "q=999.1.1.1/99",
        "q=%5C",
        "state=allocated&state=all",
        "%00=%00",
        "q[]=1;2",
        "q=" + "%F0%9F%98%80" * 50,
    ],
)
def test_hostile_query_strings(
    alices: Client, waiting: str, few: Organizations, query: str
) -> None:
    answer = alices.get(f"{waiting}&{query}")
    assert answer.status_code == 200
    assert "<script>" not in answer.text
    assert "listing-bar" in answer.text


def test_names_are_escaped(
    alices: Client, url: str, token: ApiToken, katapult: Organizations
) -> None:
    katapult.listed = [
        listed(1, HOSTILE, reverse_dns=HOSTILE, allocation_type=HOSTILE, address=HOSTILE[:60])
    ]
    token.label = token.organization_name = HOSTILE
    token.save()
    for query in ("", "?q=script", "?q=<script>"):
        answer = alices.get(url + query)
        assert HOSTILE not in answer.text
        assert answer.text.count("&lt;") > 5


@pytest.mark.parametrize("id", ["ip_<script>", "../../x", "ip 1", 'ip"onclick="x', "ip_é"])
def test_a_hostile_address_id_is_escaped(
    alices: Client, waiting: str, katapult: Organizations, id: str
) -> None:
    katapult.listed = [listed(1), listed(2, id=id)]
    answer = alices.get(waiting)
    assert answer.status_code == 200
    assert "ip_<script>" not in answer.text
    assert 'ip"onclick' not in answer.text


# Reading


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


# Names of machines


def test_names_of_machines_lead_to_their_pages(
    alices: Client, token: ApiToken, waiting: str, katapult: Organizations
) -> None:
    katapult.machines = [{"id": VM, "name": "web-01"}]
    page = Page(alices.get(waiting))
    assert page.links["web-01"] == reverse("machine", args=[token.id, VM])
    assert shown(alices.get(f"{waiting}&q=web-01")) == ["192.0.2.7", "192.0.2.8"]
    assert "lacks the scope" not in page.text


def test_without_the_scope_a_hint_says_how_names_are_shown(
    alices: Client, token: ApiToken, waiting: str, entry: MakeEntry, katapult: Organizations
) -> None:
    token.can_list_machines = False
    token.save()
    hint = "this token lacks the scope virtual_machines:read."
    assert f"Names of machines are not shown: {hint}" in Page(alices.get(waiting)).text
    keep(organization_id="org_1", allocation_id=VM, allocation_name="web-01")
    page = Page(alices.get(waiting))
    assert f"Names of machines are from the history: {hint}" in page.text
    assert "web-01 Virtual machine as of" in page.rows[0]


# After an attempt


@pytest.mark.parametrize(
    ("fields", "note"),
    [
        ({"outcome": Outcome.PENDING}, "checking…"),
        ({"outcome": Outcome.SUCCEEDED}, "Unallocated"),
        (
            {"outcome": Outcome.REFUSED, "error_code": "already_unallocated"},
            "Was already unallocated",
        ),
    ],
)
def test_the_row_of_an_address_shows_an_attempt_at_once(
    alices: Client, url: str, waiting: str, katapult: Organizations, fields: Any, note: str
) -> None:
    alices.get(waiting)
    made = keep(organization_id="org_1", address_id=IP, address=ADDRESS, **fields)
    page = Page(alices.get(url))
    row = page.one(f"#row-{IP}")
    assert one(row, "td.end a").attributes["href"] == made.get_absolute_url()
    assert text_of(one(row, "td.end a")) == note
    assert counts(page.html) == ([2, 2, 0] if made.is_open else [2, 1, 1])


# Part and whole


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
