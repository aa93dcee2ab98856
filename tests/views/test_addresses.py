"""The list of an organization's addresses: what it shows."""

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
from tests.history import keep
from tests.page import Page, one, text_of
from tests.services.conftest import keep_token
from tests.services.katapult import ADDRESS, IP, OTHER_VM, VM
from tests.views.address_list import counts, few, shown, url, waiting
from tests.views.conftest import PLANTED, MakeEntry
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


def test_only_what_can_be_unallocated_can_be_selected(
    alices: Client, waiting: str, few: Organizations, token: ApiToken
) -> None:
    page = Page(alices.get(waiting))
    boxes = [each.attributes["value"] or "" for each in page.all("[data-select]")]
    assert [id.removeprefix("ip_").lstrip("0") for id in boxes] == ["3", "9"]
    assert "Unallocate all 2…" in page.buttons
    filtered = Page(alices.get(f"{waiting}&q=zebra"))
    assert "Unallocate all 1 that match…" in filtered.buttons
    assert filtered.one("#selection [name=q]").attributes["value"] == "zebra"
    ApiToken.objects.update(can_unallocate=False)
    assert Page(alices.get(waiting)).all("[data-select], #selection") == []


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
