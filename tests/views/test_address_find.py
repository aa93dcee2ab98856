"""From whatever was pasted to the page it means."""

# Pytest passes them by name.
# ruff: noqa: PLR0917
from __future__ import annotations

from typing import Any
from urllib.parse import quote

import httpx
import pytest
from django.test import Client
from django.urls import reverse

from ipadmin.models import ApiToken, User
from ipadmin.sandbox import Sandbox
from tests.conftest import ClientOf
from tests.sandbox_client import some
from tests.services.katapult import ADDRESS, IP, html, refusal
from tests.views.katapult import HOSTILE, Organizations


@pytest.fixture
def url(token: ApiToken) -> str:
    return reverse("address_find", args=[token.id])


@pytest.fixture
def page(token: ApiToken) -> str:
    return reverse("address", args=[token.id, IP])


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        (ADDRESS, ADDRESS),
        (f"  {ADDRESS}\n", ADDRESS),
        (f"{ADDRESS}/22", ADDRESS),
        (f"{ADDRESS}/255.255.252.0", ADDRESS),
        ("2001:DB8:0:0:0:0:0:9", "2001:db8::9"),
        ("2001:0db8::0009", "2001:db8::9"),
        ("2001:db8::9/48", "2001:db8::9"),
    ],
)
def test_a_looked_up_address_leads_to_its_page(
    alices: Client, url: str, page: str, katapult: Organizations, text: str, asked: str
) -> None:
    katapult.more = {"address": asked}
    assert alices.get(url, {"q": text})["Location"] == page
    assert katapult.requests[0].url.params["ip_address[address]"] == asked


@pytest.mark.parametrize("text", [IP, f" {IP}\t"])
def test_an_id_leads_to_its_page_unread(
    alices: Client, url: str, page: str, katapult: Organizations, text: str
) -> None:
    assert alices.get(url, {"q": text})["Location"] == page
    assert katapult.requests == []


@pytest.mark.parametrize(
    "text",
    ["web-0", "192.0.2", "192.0.2.", "10.0.0.0/99", "ip_<b>", "ip_\u00e9", HOSTILE, "\x00", "7"],
)
def test_other_text_leads_to_a_search(
    alices: Client, url: str, token: ApiToken, katapult: Organizations, text: str
) -> None:
    answer = alices.get(url, {"q": text})
    listing = reverse("addresses", args=[token.id])
    assert answer["Location"] == f"{listing}?q={quote(text.strip(), safe='').replace('%20', '+')}"
    page = alices.get(answer["Location"])
    assert page.status_code == 200
    assert HOSTILE not in page.text


@pytest.mark.parametrize("query", ["", "?q=", "?q=%20", "?x=1"])
def test_looking_up_nothing_leads_to_the_list(
    alices: Client, url: str, token: ApiToken, katapult: Organizations, query: str
) -> None:
    answer = alices.get(url + query)
    assert answer["Location"] == reverse("addresses", args=[token.id])
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
    alices: Client, url: str, katapult: Organizations, problem: Any, words: str
) -> None:
    katapult.reads.append(problem)
    answer = alices.get(url, {"q": "203.0.113.77"})
    assert answer.status_code == 200
    assert words in answer.text
    assert "203.0.113.77" in answer.text
    assert "Not allocated" not in answer.text
    assert "Nobody has tried" not in answer.text


def test_a_lookup_waits_when_few_calls_are_left(
    alices: Client, url: str, katapult: Organizations
) -> None:
    few = {"X-Ratelimit-Permitted": "1000", "X-Ratelimit-Remaining": "3"}
    katapult.reads.append(httpx.Response(200, json=katapult.body(), headers=few))
    alices.get(url, {"q": ADDRESS})
    assert "Few requests are left" in alices.get(url, {"q": ADDRESS}).text


@pytest.mark.usefixtures("unopenable")
def test_a_token_that_cannot_be_opened(alices: Client, url: str, katapult: Organizations) -> None:
    assert "Enter this token again" in alices.get(url, {"q": ADDRESS}).text


def test_a_lookup_with_another_users_token_is_not_found(
    alices: Client, bobs_token: ApiToken, katapult: Organizations
) -> None:
    url = reverse("address_find", args=[bobs_token.id])
    assert alices.get(url, {"q": ADDRESS}).status_code == 404
    assert katapult.requests == []


def test_only_operators_look_up_addresses(
    url: str, charlie: User, audrey: User, client_of: ClientOf
) -> None:
    assert client_of(charlie).get(url).status_code == 403
    assert client_of(audrey).get(url).status_code == 403


def test_a_lookup_needs_a_sign_in(client: Client, url: str) -> None:
    assert client.get(url)["Location"] == f"/accounts/login/?next={url}"


def test_a_lookup_refuses_post(alices: Client, url: str) -> None:
    assert alices.post(url, {"q": ADDRESS}).status_code == 405


def test_an_address_is_looked_up_in_the_sandbox(
    alices: Client, token: ApiToken, url: str, box: Sandbox
) -> None:
    found = some(box)
    answer = alices.get(url, {"q": found["address"]})
    assert answer["Location"] == reverse("address", args=[token.id, found["id"]])
