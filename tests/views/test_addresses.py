"""The list of an organization's addresses: what it shows, and how it is read."""

# Pytest passes them by name.
# ruff: noqa: PLR0917
from __future__ import annotations

import re

import httpx
import pytest
from django.test import Client
from django.urls import reverse

from ipadmin.katapult.types import Organization
from ipadmin.models import ApiToken, User
from tests.conftest import ClientOf
from tests.page import Page
from tests.services.conftest import keep_token
from tests.services.katapult import OTHER_VM
from tests.views.address_list import counts, few, shown, url
from tests.views.conftest import HTMX, PLANTED
from tests.views.katapult import HOSTILE, LIST, Organizations, listed, many

# Used by name only, as fixtures are.
__all__ = ["few", "url"]


# What is shown


def test_addresses_are_listed_in_numeric_order(
    alices: Client, url: str, few: Organizations
) -> None:
    answer = alices.get(url)
    assert answer.status_code == 200
    assert shown(answer) == ["192.0.2.3", "192.0.2.20", "192.0.2.100", "2001:db8::9"]
    for text in ("Acme", "Live", "Zebra.example.net", OTHER_VM, "Virtual machine", "VIP"):
        assert text in answer.text


def test_unallocate_is_offered_only_where_it_can_work(
    alices: Client, url: str, few: Organizations
) -> None:
    answer = alices.get(url)
    ids = [each for each in Page(answer).ids if each.startswith("unallocate-ip_")]
    assert [each.removeprefix("unallocate-ip_").lstrip("0") for each in ids] == ["3", "9"]
    text = answer.text
    assert "be unallocated from a load balancer" in text


def test_every_htmx_link_has_an_href(alices: Client, url: str, few: Organizations) -> None:
    links = Page(alices.get(url)).all("a[hx-get]")
    assert len(links) >= 9
    assert [link.html for link in links if not link.attributes.get("href")] == []


def test_the_list_says_when_it_was_updated_and_offers_refresh(
    alices: Client, url: str, few: Organizations
) -> None:
    page = Page(alices.get(url))
    assert re.search(r"Updated \d\d:\d\d:\d\d UTC", page.text)
    assert page.one(".read-at time[datetime]")
    assert "Refresh" in page.text


def test_an_unknown_kind_is_shown_as_it_is(
    alices: Client, url: str, katapult: Organizations
) -> None:
    katapult.listed = [listed(1, "db_1", allocation_type="ManagedDatabase")]
    assert "ManagedDatabase" in alices.get(url).text


def test_keys_that_are_missing_or_new(alices: Client, url: str, katapult: Organizations) -> None:
    katapult.listed = [{"id": "ip_1", "address": "192.0.2.1", "allocation_id": None, "new": {}}]
    assert shown(alices.get(url)) == ["192.0.2.1"]


def test_the_list_links_to_the_lists_of_other_tokens(
    alices: Client, alice: User, url: str, katapult: Organizations
) -> None:
    other = keep_token(alice, "x" * 20, Organization("org_2", "Brook", "brook"), "Other")
    text = alices.get(url).text
    assert reverse("addresses", args=[other.id]) in text
    assert "Brook" in text


def test_the_list_is_of_the_tokens_organization(
    alices: Client, url: str, katapult: Organizations
) -> None:
    alices.get(url)
    assert katapult.requests[0].url.params["organization[id]"] == "org_1"


def test_the_token_is_sent_in_the_header_only(
    alices: Client, url: str, katapult: Organizations
) -> None:
    assert PLANTED not in alices.get(url).text
    assert katapult.requests[0].headers["Authorization"] == f"Bearer {PLANTED}"


# How many


def test_a_list_without_addresses(alices: Client, url: str, katapult: Organizations) -> None:
    katapult.listed = []
    answer = alices.get(url)
    assert "This organization has no addresses" in answer.text
    assert counts(answer) == [0, 0, 0]


def test_a_list_of_one_address(alices: Client, url: str, katapult: Organizations) -> None:
    katapult.listed = [listed(1)]
    answer = alices.get(url)
    assert (shown(answer), counts(answer)) == (["192.0.2.1"], [1, 1, 0])
    assert 'rel="next"' not in answer.text


def test_a_tab_without_addresses(alices: Client, url: str, katapult: Organizations) -> None:
    katapult.listed = [listed(1)]
    answer = alices.get(f"{url}?state=unallocated")
    assert "No unallocated addresses" in answer.text
    assert "Show all 1" in answer.text


@pytest.mark.parametrize(
    ("page", "first", "last", "rows"),
    [("1", 1, 50, 50), ("4", 151, 200, 50), ("5", 201, 201, 1), ("6", 201, 201, 1)],
)
def test_a_list_longer_than_one_api_page_is_read_whole(
    alices: Client, url: str, katapult: Organizations, page: str, first: int, last: int, rows: int
) -> None:
    katapult.listed = many(201)
    answer = alices.get(f"{url}?page={page}")
    assert katapult.calls(LIST) == 2
    assert (len(set(shown(answer))), counts(answer)) == (rows, [201, 201, 0])
    assert f"{first}\N{EN DASH}{last} of 201 addresses" in answer.text


def test_pages_of_the_list_keep_the_search(
    alices: Client, url: str, katapult: Organizations
) -> None:
    katapult.listed = many(120)
    text = alices.get(f"{url}?q=10.0&page=2").text
    assert re.search(r'href="\?q=10.0&amp;page=1"[^>]* rel="prev"', text)
    assert re.search(r'href="\?q=10.0&amp;page=3"[^>]* rel="next"', text)


def test_a_large_set_has_no_totals(alices: Client, url: str, katapult: Organizations) -> None:
    katapult.listed = many(201)

    def without_totals(request: httpx.Request) -> httpx.Response:
        body = katapult.page(request).read()
        body = body.replace(b'"total":201,"total_pages":2', b'"total":null,"total_pages":null')
        return httpx.Response(200, content=body)

    katapult.lists.extend([without_totals] * 2)
    assert counts(alices.get(url)) == [201, 201, 0]


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
def test_hostile_query_strings(alices: Client, url: str, few: Organizations, query: str) -> None:
    answer = alices.get(f"{url}?{query}")
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
    alices: Client, url: str, katapult: Organizations, id: str
) -> None:
    katapult.listed = [listed(1), listed(2, id=id)]
    answer = alices.get(url)
    assert answer.status_code == 200
    assert "ip_<script>" not in answer.text
    assert 'ip"onclick' not in answer.text


# Live, and for a little while not


def test_each_full_page_reads_the_addresses_again(
    alices: Client, url: str, katapult: Organizations
) -> None:
    alices.get(url)
    katapult.listed = [listed(1)]
    assert shown(alices.get(url)) == ["192.0.2.1"]


def test_htmx_parts_use_the_addresses_of_the_last_full_page(
    alices: Client, url: str, katapult: Organizations
) -> None:
    alices.get(url)
    alices.get(f"{url}?state=allocated", headers=HTMX)
    alices.get(f"{url}?q=1", headers=HTMX)
    assert katapult.calls(LIST) == 1


def test_refresh_reads_the_addresses_again(
    alices: Client, url: str, katapult: Organizations
) -> None:
    alices.get(url)
    alices.get(f"{url}?refresh=1", headers=HTMX)
    assert katapult.calls(LIST) == 2


def test_a_snapshot_is_never_shared_between_users(
    alices: Client,
    bob: User,
    url: str,
    bobs_token: ApiToken,
    client_of: ClientOf,
    katapult: Organizations,
) -> None:
    alices.get(url)
    katapult.listed = [listed(1)]
    bobs = reverse("addresses", args=[bobs_token.id])
    assert shown(client_of(bob).get(bobs, headers=HTMX)) == ["192.0.2.1"]


# Part and whole


def test_htmx_gets_the_list_alone(alices: Client, url: str, few: Organizations) -> None:
    answer = alices.get(url, headers=HTMX)
    assert "<html" not in answer.text
    assert len(shown(answer)) == 4
    assert "HX-Request" in answer["Vary"]
    assert "no-store" in answer["Cache-Control"]


def test_a_full_page_contains_the_list(alices: Client, url: str, few: Organizations) -> None:
    answer = alices.get(url)
    assert "<html" in answer.text
    assert "HX-Request" in answer["Vary"]
    assert {"no-store", "private"} <= set(answer["Cache-Control"].split(", "))


@pytest.mark.parametrize("header", ["HX-Boosted", "HX-History-Restore-Request"])
def test_history_restores_get_the_full_page_of_the_list(
    alices: Client, url: str, few: Organizations, header: str
) -> None:
    answer = alices.get(f"{url}?state=unallocated", headers=HTMX | {header: "true"})
    assert "<html" in answer.text
    assert shown(answer) == ["192.0.2.20"]
