"""The list of an organization's addresses: tabs, search, order, pages, and what goes wrong."""

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
from ipadmin.models import ApiToken, User
from ipadmin.sandbox import Sandbox
from tests.conftest import ClientOf
from tests.services.conftest import keep_token
from tests.services.katapult import OTHER_VM, html, refusal
from tests.views.conftest import HTMX, PLANTED
from tests.views.katapult import HOSTILE, LIST, Organizations, listed, many


@pytest.fixture
def url(token: ApiToken) -> str:
    return reverse("addresses", args=[token.id])


def shown(answer: Any) -> list[str]:
    """The addresses of the rows, in order."""
    return re.findall(r'id="row-[^"]+">\s*<th[^>]*>\s*<span[^>]*data-copy="([^"]+)"', answer.text)


def counts(answer: Any) -> list[int]:
    """Of the tabs: all, allocated, unallocated."""
    tabs = answer.text.split('class="tabs"')[1].split("</nav>")[0]
    return [int(number) for number in re.findall(r'class="count">(\d+)<', tabs)]


@pytest.fixture
def few(katapult: Organizations) -> Organizations:
    """Some of each kind, in no order."""
    katapult.listed = [
        listed(20, None, reverse_dns="192-0-2-20.rdns.katapult.io"),
        listed(3, reverse_dns="Zebra.example.net", vip=True),
        listed(9, OTHER_VM, address="2001:db8::9", reverse_dns=None),
        listed(100, "lb_1", allocation_type="LoadBalancer", reverse_dns="apple.example.net"),
    ]
    return katapult


# What is shown


def test_every_address_in_the_order_of_numbers(
    alices: Client, url: str, few: Organizations
) -> None:
    answer = alices.get(url)
    assert answer.status_code == 200
    assert shown(answer) == ["192.0.2.3", "192.0.2.20", "192.0.2.100", "2001:db8::9"]
    for text in ("Acme", "Live", "Zebra.example.net", OTHER_VM, "Virtual machine", "VIP"):
        assert text in answer.text


def test_unallocate_only_where_it_can_work(alices: Client, url: str, few: Organizations) -> None:
    text = alices.get(url).text
    assert re.findall(r'id="unallocate-ip_0*(\d+)"', text) == ["3", "9"]
    assert "be unallocated from a load balancer" in text


def test_a_link_beside_every_part(alices: Client, url: str, few: Organizations) -> None:
    text = alices.get(url).text
    links = re.findall(r'<a [^>]*hx-get="([^"]*)"[^>]*>', text)
    assert len(links) >= 9
    for tag in re.findall(r"<a [^>]*hx-get[^>]*>", text):
        assert re.search(r'\shref="[^"]+"', tag), tag


def test_when_it_was_read_and_refresh(alices: Client, url: str, few: Organizations) -> None:
    text = alices.get(url).text
    assert re.search(r"Updated <time datetime=.*>\d\d:\d\d:\d\d UTC</time>", text)
    assert "Refresh" in text


def test_an_unknown_kind_is_shown_as_it_is(
    alices: Client, url: str, katapult: Organizations
) -> None:
    katapult.listed = [listed(1, "db_1", allocation_type="ManagedDatabase")]
    assert "ManagedDatabase" in alices.get(url).text


def test_keys_that_are_missing_or_new(alices: Client, url: str, katapult: Organizations) -> None:
    katapult.listed = [{"id": "ip_1", "address": "192.0.2.1", "allocation_id": None, "new": {}}]
    assert shown(alices.get(url)) == ["192.0.2.1"]


def test_another_token_is_a_click_away(
    alices: Client, alice: User, url: str, katapult: Organizations
) -> None:
    other = keep_token(alice, "x" * 20, Organization("org_2", "Brook", "brook"), "Other")
    text = alices.get(url).text
    assert reverse("addresses", args=[other.id]) in text
    assert "Brook" in text


def test_the_organization_is_the_tokens(alices: Client, url: str, katapult: Organizations) -> None:
    alices.get(url)
    assert katapult.requests[0].url.params["organization[id]"] == "org_1"


def test_the_secret_is_in_the_header_alone(
    alices: Client, url: str, katapult: Organizations
) -> None:
    assert PLANTED not in alices.get(url).text
    assert katapult.requests[0].headers["Authorization"] == f"Bearer {PLANTED}"


# Tabs, search, order


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("", ["3", "20", "100", "9"]),
        ("state=allocated", ["3", "100", "9"]),
        ("state=unallocated", ["20"]),
        ("state=all", ["3", "20", "100", "9"]),
        ("sort=address", ["3", "20", "100", "9"]),
        ("sort=-address", ["9", "100", "20", "3"]),
        ("sort=reverse_dns", ["9", "20", "100", "3"]),
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
@pytest.mark.parametrize("headers", [{}, HTMX], ids=["plain", "htmx"])
def test_what_the_url_asks_for(
    alices: Client,
    url: str,
    few: Organizations,
    query: str,
    numbers: list[str],
    headers: dict[str, str],
) -> None:
    answer = alices.get(f"{url}?{query}", headers=headers)
    assert [re.split(r"[.:]", address)[-1] for address in shown(answer)] == numbers


def test_counts_are_those_of_the_search(alices: Client, url: str, few: Organizations) -> None:
    assert counts(alices.get(url)) == [4, 3, 1]
    assert counts(alices.get(f"{url}?q=192.0.2&state=allocated")) == [3, 2, 1]


def test_the_chosen_tab_and_order_are_marked(alices: Client, url: str, few: Organizations) -> None:
    text = alices.get(f"{url}?state=allocated&sort=-address").text
    assert 'aria-current="page"' in text
    assert 'aria-sort="descending"' in text


def test_a_tab_keeps_the_search_and_not_the_page(
    alices: Client, url: str, few: Organizations
) -> None:
    text = alices.get(f"{url}?q=192&sort=vip&page=1").text
    assert 'href="?q=192&amp;sort=vip&amp;state=allocated"' in text


def test_what_was_searched_for_is_marked(alices: Client, url: str, few: Organizations) -> None:
    assert "<mark>Zebra</mark>" in alices.get(f"{url}?q=zebra").text


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("q=nothing-like-it", "No results for “nothing-like-it”"),
        ("q=zebra&state=unallocated", "No unallocated address matches."),
        (f"q={HOSTILE}", "No results for “&lt;script&gt;"),
    ],
)
def test_nothing_found(
    alices: Client, url: str, few: Organizations, query: str, words: str
) -> None:
    answer = alices.get(f"{url}?{query}")
    assert words in answer.text
    assert "Clear search" in answer.text
    assert shown(answer) == []


# How many


def test_no_address(alices: Client, url: str, katapult: Organizations) -> None:
    katapult.listed = []
    answer = alices.get(url)
    assert "This organization has no addresses" in answer.text
    assert counts(answer) == [0, 0, 0]


def test_one_address(alices: Client, url: str, katapult: Organizations) -> None:
    katapult.listed = [listed(1)]
    answer = alices.get(url)
    assert (shown(answer), counts(answer)) == (["192.0.2.1"], [1, 1, 0])
    assert 'rel="next"' not in answer.text


def test_no_address_in_a_state(alices: Client, url: str, katapult: Organizations) -> None:
    katapult.listed = [listed(1)]
    answer = alices.get(f"{url}?state=unallocated")
    assert "No unallocated addresses" in answer.text
    assert "Show all 1" in answer.text


@pytest.mark.parametrize(
    ("page", "first", "last", "rows"),
    [("1", 1, 50, 50), ("4", 151, 200, 50), ("5", 201, 201, 1), ("6", 201, 201, 1)],
)
def test_more_than_the_api_gives_at_once(
    alices: Client, url: str, katapult: Organizations, page: str, first: int, last: int, rows: int
) -> None:
    katapult.listed = many(201)
    answer = alices.get(f"{url}?page={page}")
    assert katapult.calls(LIST) == 2
    assert (len(set(shown(answer))), counts(answer)) == (rows, [201, 201, 0])
    assert f"{first}\N{EN DASH}{last} of 201 addresses" in answer.text


def test_pages_keep_the_search(alices: Client, url: str, katapult: Organizations) -> None:
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
        "page=-1",
        "page=x",
        "page=%00",
        "page=" + "9" * 5000,
        "page=1e9",
        "state=<script>",
        "sort=__class__",
        "sort=--address",
        "sort=-",
        "q=%00%ff%fe",
        "q=" + "(" * 3000,
        "q=/",
        "q=999.1.1.1/99",
        "q=%5C",
        "q=%C3%9F&q=%C5%BF",
        "refresh",
        "state=allocated&state=all",
        "%00=%00",
        "q[]=1;2",
        "q=" + "%F0%9F%98%80" * 50,
    ],
)
@pytest.mark.parametrize("headers", [{}, HTMX], ids=["plain", "htmx"])
def test_hostile_query_strings(
    alices: Client, url: str, few: Organizations, query: str, headers: dict[str, str]
) -> None:
    answer = alices.get(f"{url}?{query}", headers=headers)
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
def test_an_id_that_is_none_breaks_nothing(
    alices: Client, url: str, katapult: Organizations, id: str
) -> None:
    katapult.listed = [listed(1), listed(2, id=id)]
    answer = alices.get(url)
    assert answer.status_code == 200
    assert "ip_<script>" not in answer.text
    assert 'ip"onclick' not in answer.text


# Live, and for a little while not


def test_a_page_is_read_anew(alices: Client, url: str, katapult: Organizations) -> None:
    alices.get(url)
    katapult.listed = [listed(1)]
    assert shown(alices.get(url)) == ["192.0.2.1"]


def test_the_parts_after_it_are_not(alices: Client, url: str, katapult: Organizations) -> None:
    alices.get(url)
    alices.get(f"{url}?state=allocated", headers=HTMX)
    alices.get(f"{url}?q=1", headers=HTMX)
    assert katapult.calls(LIST) == 1


def test_refresh_reads_anew(alices: Client, url: str, katapult: Organizations) -> None:
    alices.get(url)
    alices.get(f"{url}?refresh=1", headers=HTMX)
    assert katapult.calls(LIST) == 2


def test_a_snapshot_is_one_persons(
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


def test_htmx_gets_the_part(alices: Client, url: str, few: Organizations) -> None:
    answer = alices.get(url, headers=HTMX)
    assert "<html" not in answer.text
    assert len(shown(answer)) == 4
    assert "HX-Request" in answer["Vary"]
    assert "no-store" in answer["Cache-Control"]


def test_the_part_is_in_the_whole(alices: Client, url: str, few: Organizations) -> None:
    answer = alices.get(url)
    assert "<html" in answer.text
    assert "HX-Request" in answer["Vary"]
    assert {"no-store", "private"} <= set(answer["Cache-Control"].split(", "))


@pytest.mark.parametrize("header", ["HX-Boosted", "HX-History-Restore-Request"])
def test_the_history_gets_the_whole(
    alices: Client, url: str, few: Organizations, header: str
) -> None:
    answer = alices.get(f"{url}?state=unallocated", headers=HTMX | {header: "true"})
    assert "<html" in answer.text
    assert shown(answer) == ["192.0.2.20"]


# What goes wrong is said in its place


PROBLEMS: list[tuple[Any, list[str]]] = [
    (
        refusal(403, "unauthorized_network_for_api_token", {"ip_address": "203.0.113.9"}),
        ["from this network", "Address seen by Katapult", 'data-copy="203.0.113.9"'],
    ),
    (
        refusal(403, "scope_not_granted", {"scopes": ["ip_addresses:read", "ip_addresses"]}),
        ["lacks a scope", "ip_addresses:read, ip_addresses"],
    ),
    (refusal(403, "invalid_api_token", {"details": "gone"}), ["does not accept this token"]),
    (refusal(403, "permission_denied"), ["denied permission"]),
    (refusal(403, "organization_suspended"), ["The organization is suspended"]),
    (refusal(404, "organization_not_found"), ["Organization not found"]),
    (
        refusal(429, "rate_limit_reached", {"total_permitted": 200}),
        ["Too many requests this minute", 'data-copy="200"', "Try again at"],
    ),
    (refusal(503, "service_unavailable"), ["Katapult is unavailable"]),
    (refusal(500, "unhandled_exception"), ["Internal error in Katapult"]),
    (refusal(418, "never_heard_of", {}, HOSTILE), ["never_heard_of", "&lt;script&gt;"]),
    (httpx.ConnectError("refused"), ["No connection to Katapult could be opened"]),
    (httpx.ReadTimeout("slow"), ["Katapult did not answer"]),
    (html(), ["format. It may come from a proxy"]),
    (httpx.Response(200), ["format. It may come from a proxy"]),
    (httpx.Response(302, headers={"Location": "/"}), ["format. It may come from a proxy"]),
]


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["plain", "htmx"])
@pytest.mark.parametrize(("problem", "words"), PROBLEMS)
def test_a_problem_is_explained_in_place(
    alices: Client,
    url: str,
    katapult: Organizations,
    problem: Any,
    words: list[str],
    headers: dict[str, str],
) -> None:
    katapult.lists.append(problem)
    answer = alices.get(url, headers=headers)
    assert answer.status_code == 200
    assert all(word in answer.text for word in [*words, "Nothing was changed."])
    assert "Try again" in answer.text
    assert HOSTILE not in answer.text


def test_a_problem_on_a_later_page_hides_no_address(
    alices: Client, url: str, katapult: Organizations
) -> None:
    katapult.listed = many(201)
    katapult.lists.extend([katapult.page, refusal(503, "service_unavailable")])
    answer = alices.get(url)
    assert "Katapult is unavailable" in answer.text
    assert shown(answer) == []


def test_an_address_can_be_looked_up_even_so(
    alices: Client, url: str, token: ApiToken, katapult: Organizations
) -> None:
    katapult.lists.append(refusal(403, "permission_denied"))
    assert reverse("address_find", args=[token.id]) in alices.get(url).text


def test_the_token_keeps_what_went_wrong(
    alices: Client, url: str, token: ApiToken, katapult: Organizations
) -> None:
    katapult.lists.append(refusal(403, "invalid_api_token"))
    alices.get(url)
    token.refresh_from_db()
    assert token.last_error_code == "invalid_api_token"
    assert token.used_at


def test_few_calls_left_are_kept_for_attempts(
    alices: Client, url: str, katapult: Organizations
) -> None:
    few = {"X-Ratelimit-Permitted": "1000", "X-Ratelimit-Remaining": "3"}
    katapult.lists.append(
        lambda r: httpx.Response(200, content=katapult.page(r).read(), headers=few)
    )
    alices.get(url)
    answer = alices.get(url)
    assert "Too many requests this minute" in answer.text
    assert 'data-copy="3"' in answer.text
    assert katapult.calls(LIST) == 1


@pytest.mark.usefixtures("unopenable")
def test_a_token_that_cannot_be_opened(alices: Client, url: str, katapult: Organizations) -> None:
    answer = alices.get(url)
    assert answer.status_code == 200
    assert "Enter this token again" in answer.text
    assert katapult.requests == []


# Whose


def test_somebody_elses(
    alices: Client, adam_the_operator: User, client_of: ClientOf, bobs_token: ApiToken
) -> None:
    url = reverse("addresses", args=[bobs_token.id])
    assert alices.get(url).status_code == 404
    assert client_of(adam_the_operator).get(url).status_code == 404


def test_without_an_organization(alices: Client, unready: ApiToken) -> None:
    assert alices.get(reverse("addresses", args=[unready.id])).status_code == 404


def test_only_operators(url: str, charlie: User, audrey: User, client_of: ClientOf) -> None:
    assert client_of(charlie).get(url).status_code == 403
    assert client_of(audrey).get(url, headers=HTMX).status_code == 403


def test_anonymous(client: Client, url: str) -> None:
    assert client.get(f"{url}?q=1")["Location"] == f"/accounts/login/?next={url}%3Fq%3D1"
    assert client.get(url, headers=HTMX)["HX-Redirect"] == "/accounts/login/?next=/"


def test_wrong_method(alices: Client, url: str) -> None:
    assert alices.post(url).status_code == 405


def test_in_the_sandbox(alices: Client, url: str, token: ApiToken, box: Sandbox) -> None:
    token.organization_id, token.organization_sub_domain = "", "northwind"
    token.save()
    assert counts(alices.get(url))[0] == 30
