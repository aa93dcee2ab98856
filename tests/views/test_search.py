"""The search from anywhere, as a page and as a panel, and the live lookup."""

# Pytest passes them by name.
# ruff: noqa: PLR0917
from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries, Settings

from ipadmin.models import ApiToken, User
from ipadmin.services import inventory, snapshots
from tests.conftest import ClientOf
from tests.page import Page
from tests.services.katapult import ADDRESS, IP, OTHER_VM, VM, html, refusal
from tests.views.conftest import HTMX, MakeEntry
from tests.views.katapult import HOSTILE, Organizations, listed

URL = "/search/"
pytestmark = pytest.mark.django_db


@pytest.fixture
def read(token: ApiToken, katapult: Organizations) -> ApiToken:
    """alice's token, with its inventory."""
    katapult.listed = [
        listed(7, id=IP, address=ADDRESS),
        listed(8, OTHER_VM),
        listed(9, None),
        listed(10, "lb_1", allocation_type="LoadBalancer"),
    ]
    inventory.read(token)
    return token


def groups(answer: Any) -> list[str]:
    return Page(answer).texts(".hits h2")


def hits(answer: Any) -> list[str]:
    return Page(answer).texts(".hit .strong")


def test_a_search_is_a_page_and_a_panel(alices: Client, read: ApiToken) -> None:
    page, panel = alices.get(URL, {"q": ADDRESS}), alices.get(URL, {"q": ADDRESS}, headers=HTMX)
    assert hits(page) == hits(panel) == [ADDRESS]
    assert ("<html" in page.text, "<html" in panel.text) == (True, False)
    links = Page(panel).links
    assert links[f"Unallocate {ADDRESS}"] == reverse("unallocate", args=[read.id, IP])


def test_no_search_says_what_can_be_found(alices: Client) -> None:
    answer = alices.get(URL)
    assert "Finds addresses of all your tokens" in answer.text
    assert hits(answer) == []


def test_nothing_found(alices: Client, read: ApiToken) -> None:
    assert "Nothing found for “zzz”" in alices.get(URL, {"q": "zzz"}).text


def test_a_pasted_text(alices: Client, read: ApiToken) -> None:
    text = f"Free {ADDRESS},\n192.0.2.9, 192.0.2.10 and 203.0.113.1"
    answer = alices.post(URL, {"q": text})
    assert hits(answer) == [ADDRESS, "192.0.2.9", "192.0.2.10", "203.0.113.1"]
    summary = "1 can be unallocated, 1 not allocated, 1 can't be unallocated, 1 not found."
    assert summary in Page(answer).notices
    assert hits(alices.get(URL, {"q": text}, headers=HTMX)) == hits(answer)


def test_what_a_pasted_text_finds_is_selected(alices: Client, read: ApiToken) -> None:
    page = Page(alices.post(URL, {"q": f"Free {ADDRESS} and 192.0.2.9"}))
    assert page.one("main form.hits").attributes["action"] == reverse("run_add", args=[read.id])
    assert page.form("address")["address"] == [IP]


def test_a_long_text_is_sent_by_post(alices: Client, read: ApiToken) -> None:
    text = "word " * 20_000 + ADDRESS
    answer = alices.post(URL, {"q": text})
    assert (answer.status_code, "items of the text" in answer.text) == (200, True)
    answer = alices.post(URL, {"q": text[-50_000:]})
    assert hits(answer) == [ADDRESS]
    # It is not shown again.
    assert len(answer.content) < 20_000


def test_a_text_that_a_url_cuts_off_says_so(alices: Client, read: ApiToken) -> None:
    answer = alices.get(URL, {"q": ("word " * 400)[:1000]})
    assert "Only the first 1000 characters were searched" in answer.text
    assert 'name="q" rows=' in answer.text


def test_a_text_of_megabytes_is_refused(alices: Client) -> None:
    assert alices.post(URL, {"q": "x" * 3_000_000}).status_code == 400


def test_post_needs_a_csrf_token(alice: User, client_of: ClientOf) -> None:
    client = client_of(alice, enforce_csrf_checks=True)
    assert client.post(URL, {"q": "x"}).status_code == 403


@pytest.mark.parametrize("text", ["\0", " ", "%", "_", "ip_", "1/2", "::", "\u0130", "x" * 5000])
def test_any_text_can_be_searched(alices: Client, read: ApiToken, text: str) -> None:
    assert alices.get(URL, {"q": text}).status_code == 200


def test_an_unread_list_is_named_with_a_link(alices: Client, read: ApiToken) -> None:
    snapshots.forget(read)
    url = reverse("addresses", args=[read.id])
    for text in (ADDRESS, f"{ADDRESS} 192.0.2.9"):
        answer = alices.get(URL, {"q": text})
        assert Page(answer).text.count("not read yet") == 1
        assert url in Page(answer).links.values()


# Who finds what


def test_an_auditor_finds_history_people_and_pages(
    audrey: User, client_of: ClientOf, read: ApiToken, entry: MakeEntry
) -> None:
    entry(user_name="alan")
    client = client_of(audrey)
    assert groups(client.get(URL, {"q": ADDRESS})) == ["History"]
    assert groups(client.get(URL, {"q": "al"})) == ["People", "History"]
    assert groups(client.get(URL, {"q": "integr"})) == ["Pages"]
    assert groups(client.get(URL, {"q": "host-8"})) == []


def test_without_a_role_only_own_pages_are_found(
    charlie: User, client_of: ClientOf, read: ApiToken, entry: MakeEntry
) -> None:
    made = entry()
    client = client_of(charlie)
    for text in (ADDRESS, "al", "tokens", "Acme", str(made.attempt_id)):
        assert groups(client.get(URL, {"q": text})) == []
    assert hits(client.get(URL, {"q": "password"})) == ["Change password"]


@pytest.mark.parametrize("text", [ADDRESS, f"{ADDRESS} 192.0.2.9", VM, "Acme", "host-8"])
def test_other_peoples_tokens_are_never_searched(
    bob: User, adam_the_operator: User, client_of: ClientOf, read: ApiToken, text: str
) -> None:
    for who in (bob, adam_the_operator):
        answer = client_of(who).get(URL, {"q": text})
        assert str(read.id) not in answer.text
        assert reverse("addresses", args=[read.id]) not in answer.text


def test_entries_of_other_organizations_are_not_found(
    bob: User, client_of: ClientOf, entry: MakeEntry, settings: Settings
) -> None:
    entry()
    client = client_of(bob)
    assert groups(client.get(URL, {"q": ADDRESS})) == ["History"]
    settings.HISTORY_OF_OWN_ORGANIZATIONS = True
    assert groups(client.get(URL, {"q": ADDRESS})) == []
    assert groups(client.get(URL, {"q": "alice"})) == []


def test_hostile_names_are_escaped(
    alices: Client, token: ApiToken, katapult: Organizations, entry: MakeEntry
) -> None:
    katapult.listed = [listed(7, reverse_dns=HOSTILE, allocation_id=HOSTILE)]
    inventory.read(token)
    ApiToken.objects.update(organization_name=HOSTILE, label=HOSTILE[:20])
    entry(reason=HOSTILE, user_name=HOSTILE, address="192.0.2.7")
    for text in ("<script", "192.0.2.7", HOSTILE, "see 192.0.2.7 <script>alert('x')"):
        for headers in ({}, HTMX):
            answer = alices.get(URL, {"q": text}, headers=headers)
            assert "<script>alert" not in answer.text, text
            assert hits(answer), text


def test_queries_do_not_grow_with_the_results(
    alices: Client,
    read: ApiToken,
    katapult: Organizations,
    entry: MakeEntry,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    for _ in range(10):
        entry()
    for text, most in ((ADDRESS, 14), ("192.0.2", 14), (f"{ADDRESS} 192.0.2.9", 8)):
        with django_assert_max_num_queries(most):
            alices.get(URL, {"q": text}, headers=HTMX)
    assert katapult.sent == []


# The live lookup


@pytest.fixture
def lookup(token: ApiToken) -> str:
    return reverse("lookup", args=[token.id])


@pytest.mark.parametrize(
    ("text", "asked"),
    [(f" {ADDRESS}/22", ADDRESS), ("2001:DB8:0::0009", "2001:db8::9"), ("203.0.113.9",) * 2],
)
def test_a_lookup_leads_to_the_page_of_the_address(
    alices: Client, token: ApiToken, lookup: str, katapult: Organizations, text: str, asked: str
) -> None:
    katapult.more = {"address": asked}
    answer = alices.get(lookup, {"q": text})
    assert answer["Location"] == reverse("address", args=[token.id, IP])
    assert katapult.requests[0].url.params["ip_address[address]"] == asked


@pytest.mark.parametrize("text", ["", "web", "192.0.2.0/24", IP, VM, "999.1.1.1"])
def test_other_text_is_searched(
    alices: Client, lookup: str, katapult: Organizations, text: str
) -> None:
    answer = alices.get(lookup, {"q": text})
    assert answer["Location"] == f"/search/?{urlencode({'q': text})}"
    assert katapult.requests == []


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (refusal(404, "ip_address_not_found"), "Address not found"),
        (refusal(403, "invalid_api_token"), "does not accept this token"),
        (refusal(429, "rate_limit_reached"), "Too many requests this minute"),
        (httpx.ConnectError("refused"), "No connection to Katapult could be opened"),
        (html(), "format. It may come from a proxy"),
    ],
)
def test_a_failed_lookup_is_explained(
    alices: Client, lookup: str, katapult: Organizations, problem: Any, words: str
) -> None:
    katapult.reads.append(problem)
    answer = alices.get(lookup, {"q": "203.0.113.77"})
    assert (answer.status_code, words in answer.text) == (200, True)
    assert Page(answer).links["Look up again"] == f"{lookup}?q=203.0.113.77"


def test_a_lookup_waits_when_few_calls_are_left(
    alices: Client, lookup: str, katapult: Organizations
) -> None:
    few = {"X-Ratelimit-Permitted": "1000", "X-Ratelimit-Remaining": "3"}
    katapult.reads.append(httpx.Response(200, json=katapult.body(), headers=few))
    alices.get(lookup, {"q": ADDRESS})
    assert "Few requests are left" in alices.get(lookup, {"q": ADDRESS}).text


@pytest.mark.usefixtures("unopenable")
def test_a_lookup_with_a_token_that_cannot_be_opened(
    alices: Client, lookup: str, katapult: Organizations
) -> None:
    assert "Enter this token again" in alices.get(lookup, {"q": ADDRESS}).text


def test_a_lookup_with_another_users_token_is_not_found(
    alices: Client, bobs_token: ApiToken, katapult: Organizations
) -> None:
    url = reverse("lookup", args=[bobs_token.id])
    assert alices.get(url, {"q": ADDRESS}).status_code == 404
    assert katapult.requests == []


def test_only_operators_look_up_addresses(
    lookup: str, charlie: User, audrey: User, client_of: ClientOf
) -> None:
    assert client_of(charlie).get(lookup).status_code == 403
    assert client_of(audrey).get(lookup).status_code == 403
