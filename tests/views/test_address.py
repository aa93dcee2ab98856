"""One address, read now."""

# Pytest passes them by name.
# ruff: noqa: PLR0917
from __future__ import annotations

from typing import Any
from urllib.parse import quote

import httpx
import pytest
from django.test import Client
from django.urls import reverse

from ipadmin.models import ApiToken, Outcome, User
from ipadmin.sandbox import Sandbox
from tests.conftest import ClientOf
from tests.page import Page
from tests.sandbox_client import some
from tests.services.katapult import ADDRESS, IP, VM, html, refusal
from tests.views.conftest import HTMX, PLANTED, MakeEntry
from tests.views.katapult import HOSTILE, Organizations, listed


@pytest.fixture
def url(token: ApiToken) -> str:
    """With alice's token in it."""
    return f"{reverse('address_now', args=[ADDRESS])}?token={token.id}"


def test_the_page_shows_everything_known_of_an_address(
    alices: Client, url: str, katapult: Organizations
) -> None:
    katapult.more = {"network": {"name": "Public"}, "address_with_mask": "192.0.2.7/22"}
    answer = alices.get(url)
    assert answer.status_code == 200
    for shown in (ADDRESS, IP, "web-01", VM, "web-01.example.net", "shop", "Public", "/22", "Acme"):
        assert shown in answer.text
    assert f'href="{reverse("unallocate", args=[url.split("=")[1], IP])}"' in answer.text


def test_an_address_is_read_live(alices: Client, url: str, katapult: Organizations) -> None:
    alices.get(url)
    alices.get(url)
    read = [r.url.params.get("ip_address[address]") for r in katapult.requests]
    assert read.count(ADDRESS) == 2


def test_an_unallocated_address_has_no_unallocate_button(
    alices: Client, url: str, katapult: Organizations
) -> None:
    katapult.holder = None
    text = alices.get(url).text
    assert "Not allocated" in text
    assert "unallocate/" not in text


def test_an_address_that_cannot_be_unallocated_says_why(
    alices: Client, url: str, katapult: Organizations
) -> None:
    katapult.more = {"allocation_type": "LoadBalancer"}
    text = alices.get(url).text
    assert "be unallocated from a load balancer" in text
    assert "unallocate/" not in text


def test_an_address_that_is_a_vip_is_marked(
    alices: Client, url: str, katapult: Organizations
) -> None:
    katapult.more = {"vip": True}
    badges = Page(alices.get(url)).texts(".badge")
    assert "VIP" in badges


def test_an_address_outside_the_organization_is_marked(
    alices: Client, url: str, katapult: Organizations
) -> None:
    katapult.listed = [listed(8)]
    text = alices.get(url).text
    assert "Not in the addresses of Acme" in text
    assert "unallocate/" not in text


def test_a_list_that_cannot_be_read(alices: Client, url: str, katapult: Organizations) -> None:
    katapult.lists.append(refusal(403, "permission_denied"))
    answer = alices.get(url)
    assert "web-01" in answer.text
    assert "Not checked whether this address belongs to" in answer.text


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (refusal(404, "ip_address_not_found"), ["Address not found"]),
        (
            refusal(403, "unauthorized_network_for_api_token", {"ip_address": "203.0.113.9"}),
            ["Address seen by Katapult", 'data-copy="203.0.113.9"'],
        ),
        (
            refusal(403, "scope_not_granted", {"scopes": ["ip_addresses:read"]}),
            ["lacks a scope", "ip_addresses:read"],
        ),
        (
            refusal(429, "rate_limit_reached", {"total_permitted": 200}),
            ["Too many requests this minute", 'data-copy="200"', "Try again at"],
        ),
        (refusal(503, "service_unavailable"), ["Katapult is unavailable"]),
        (refusal(418, "new", {}, HOSTILE), ["Katapult answered: new", "&lt;script&gt;"]),
        (httpx.ConnectError("refused"), ["No connection to Katapult could be opened"]),
        (httpx.ReadTimeout("slow"), ["did not answer"]),
        (html(), ["may come from a proxy"]),
    ],
)
def test_a_problem_is_explained_in_place(
    alices: Client,
    url: str,
    katapult: Organizations,
    entry: MakeEntry,
    problem: Any,
    words: list[str],
) -> None:
    made = entry()
    katapult.reads.append(problem)
    answer = alices.get(url)
    assert answer.status_code == 200
    assert all(word in answer.text for word in [*words, "Nothing was changed."])
    assert "When last seen" in answer.text
    assert made.get_absolute_url() in answer.text
    assert HOSTILE not in answer.text


def test_an_unreadable_address_is_not_described(
    alices: Client, url: str, katapult: Organizations
) -> None:
    katapult.reads.append(refusal(503, "service_unavailable"))
    text = alices.get(url).text
    for claim in ("Not allocated", ">Nothing<", "Not checked", ">None<", ">No<"):
        assert claim not in text


@pytest.mark.usefixtures("unopenable")
def test_a_token_that_cannot_be_opened(alices: Client, url: str, katapult: Organizations) -> None:
    answer = alices.get(url)
    assert answer.status_code == 200
    assert "Enter this token again" in answer.text
    assert katapult.requests == []


def test_what_katapult_says_is_escaped(alices: Client, url: str, katapult: Organizations) -> None:
    katapult.more = {
        "reverse_dns": HOSTILE,
        "label": HOSTILE,
        "allocation_type": HOSTILE,
        "allocation_id": HOSTILE,
        "network": {"name": HOSTILE},
        "address_with_mask": HOSTILE,
    }
    answer = alices.get(url)
    assert HOSTILE not in answer.text
    assert answer.text.count("&lt;script&gt;") >= 6


@pytest.mark.parametrize("id", ["ip_<script>", "../x", 'ip_"onclick="x', ""])
def test_a_strange_id_in_an_answer_breaks_nothing(
    alices: Client, url: str, katapult: Organizations, id: str
) -> None:
    katapult.more = {"id": id}
    answer = alices.get(url)
    assert answer.status_code == 200
    assert "ip_<script>" not in answer.text
    assert 'ip_"onclick' not in answer.text
    assert "Unallocate…" not in answer.text


@pytest.mark.parametrize("id", ["x", "ip_" + "9" * 200, "vm_0000000000000001", "-"])
def test_an_unknown_address_id_is_explained(
    alices: Client, token: ApiToken, katapult: Organizations, id: str
) -> None:
    katapult.reads.append(refusal(404, "ip_address_not_found"))
    answer = alices.get(reverse("address", args=[token.id, id]))
    assert answer.status_code == 200
    assert "Address not found" in answer.text


def test_an_id_leads_to_the_page_of_its_address(
    alices: Client, url: str, token: ApiToken, katapult: Organizations
) -> None:
    answer = alices.get(reverse("address", args=[token.id, IP]))
    assert (answer["Location"], len(katapult.requests)) == (url, 1)


def test_the_id_of_what_is_no_address_answers_404(
    alices: Client, token: ApiToken, katapult: Organizations
) -> None:
    katapult.more = {"address": HOSTILE[:60]}
    assert alices.get(reverse("address", args=[token.id, IP])).status_code == 404


@pytest.mark.parametrize("named", ["x", "", "00000000-0000-0000-0000-000000000000"])
def test_a_token_that_is_not_there(
    alices: Client, token: ApiToken, katapult: Organizations, named: str
) -> None:
    answer = alices.get(reverse("address_now", args=[ADDRESS]), {"token": named})
    assert answer.status_code == (404 if named else 200)


def test_each_tab_is_a_link_that_keeps_the_token(
    alices: Client, url: str, katapult: Organizations
) -> None:
    page = Page(alices.get(url))
    assert page.texts(".tabs a") == ["Now", "Timeline", "Attempts"]
    for link in page.values("href", ".tabs"):
        tab = Page(alices.get(link))
        assert tab.one(".tabs [aria-current]").attributes["href"] == link
        assert len(tab.all("h1")) == 1
        part = Page(alices.get(link, headers=HTMX))
        assert len(part.all("h1")) == len(part.all(".tabs")) == 1
        assert "</html>" not in part.html


@pytest.mark.parametrize("tab", ["timeline", "attempts"])
def test_only_the_first_tab_reads_the_address(
    alices: Client, token: ApiToken, katapult: Organizations, entry: MakeEntry, tab: str
) -> None:
    entry()
    assert alices.get(reverse(f"address_{tab}", args=[ADDRESS])).status_code == 200
    assert katapult.requests == []


def test_attempts_show_their_cause(alices: Client, entry: MakeEntry) -> None:
    made = entry(outcome="failed", error_code="permission_denied", reason="OPS-1", user_name="bob")
    entry(outcome="refused", error_code="already_unallocated", basis="check")
    entry()
    page = Page(alices.get(reverse("address_attempts", args=[ADDRESS])))
    causes = page.texts('[data-label="Cause"]')
    assert causes[-1] == "Katapult denied permission permission_denied"
    assert "in the meantime" in causes[1]
    assert len(causes[0]) == 1
    for said in ("OPS-1", "bob", "web-01", "3 in total"):
        assert said in page.text
    assert made.get_absolute_url() in page.html


@pytest.mark.parametrize("id", ["a%00b", "<script>", "a b", "..", "a.b"])
def test_an_invalid_address_id_answers_404(alices: Client, token: ApiToken, id: str) -> None:
    list_url = reverse("addresses", args=[token.id])
    assert alices.get(f"{list_url}{id}/").status_code == 404


def test_an_address_of_another_users_token_is_not_found(
    alices: Client, adam_the_operator: User, client_of: ClientOf, bobs_token: ApiToken
) -> None:
    by_text = f"{reverse('address_now', args=[ADDRESS])}?token={bobs_token.id}"
    for url in (by_text, reverse("address", args=[bobs_token.id, IP])):
        assert alices.get(url).status_code == 404
        assert client_of(adam_the_operator).get(url).status_code == 404


def test_only_operators_follow_an_id(
    token: ApiToken, charlie: User, audrey: User, client_of: ClientOf
) -> None:
    url = reverse("address", args=[token.id, IP])
    assert client_of(charlie).get(url).status_code == 403
    assert client_of(audrey).get(url).status_code == 403


@pytest.mark.parametrize("tab", ["now", "timeline", "attempts"])
def test_only_readers_of_the_history_see_an_address(
    alices: Client, charlie: User, adam: User, audrey: User, client_of: ClientOf, tab: str
) -> None:
    url = reverse(f"address_{tab}", args=[ADDRESS])
    assert alices.get(url).status_code == client_of(audrey).get(url).status_code == 200
    assert client_of(charlie).get(url).status_code == client_of(adam).get(url).status_code == 403


def test_an_address_needs_a_sign_in(client: Client, url: str) -> None:
    assert client.get(url)["Location"] == f"/accounts/login/?next={quote(url)}"
    assert "HX-Redirect" in client.get(url, headers=HTMX)


def test_an_address_refuses_post(alices: Client, url: str) -> None:
    assert alices.post(url).status_code == 405


def test_kept_by_no_cache_and_without_the_secret(
    alices: Client, url: str, katapult: Organizations, entry: MakeEntry
) -> None:
    entry(outcome=Outcome.FAILED, error_code="permission_denied")
    answer = alices.get(url)
    assert "no-store" in answer["Cache-Control"]
    assert PLANTED not in answer.text


def test_an_address_is_read_from_the_sandbox(alices: Client, token: ApiToken, box: Sandbox) -> None:
    found = some(box)
    answer = alices.get(reverse("address", args=[token.id, found["id"]]), follow=True)
    assert found["address"] in answer.text
    assert found["reverse_dns"] in answer.text
