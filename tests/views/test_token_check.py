"""A kept token is tried again."""

# Pytest passes them by name.
# ruff: noqa: PLR0917
from __future__ import annotations

from typing import Any

import httpx
import pytest
from django.test import Client
from django.urls import reverse

from ipadmin.models import ApiToken
from tests.page import Page
from tests.services.katapult import IP, html, refusal
from tests.views.conftest import HTMX, PLANTED
from tests.views.katapult import HOSTILE, Organizations


@pytest.fixture
def url(token: ApiToken) -> str:
    return reverse("token_check", args=[token.id])


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["plain", "htmx"])
def test_checking_a_token(
    alices: Client, token: ApiToken, url: str, katapult: Organizations, headers: dict[str, str]
) -> None:
    answer = alices.post(url, headers=headers)
    assert answer.status_code == 200
    assert "The token works" in answer.text
    token.refresh_from_db()
    assert token.can_list is True
    assert token.checked_at
    assert katapult.sent == []


def test_checking_clears_the_last_error(
    alices: Client, token: ApiToken, url: str, katapult: Organizations
) -> None:
    ApiToken.objects.update(last_error_code="invalid_api_token")
    alices.post(url)
    token.refresh_from_db()
    assert token.last_error_code == ""


def test_checking_reports_a_missing_scope(
    alices: Client, url: str, katapult: Organizations
) -> None:
    katapult.lists.append(refusal(403, "scope_not_granted", {"scopes": ["ip_addresses:read"]}))
    text = alices.post(url).text
    assert "The token works in part" in text
    assert "list addresses: scope ip_addresses:read is missing" in text


def test_checking_reports_a_list_that_is_not_permitted(
    alices: Client, url: str, katapult: Organizations
) -> None:
    katapult.lists.append(refusal(403, "permission_denied"))
    assert "list addresses: no permission" in alices.post(url).text


def test_checking_finds_a_token_that_is_read_only(
    alices: Client, token: ApiToken, url: str, katapult: Organizations
) -> None:
    katapult.machines = [{"id": "vm_1", "name": "web-01"}]
    katapult.probes.append(refusal(403, "scope_not_granted", {"scopes": ["ip_addresses"]}))
    text = alices.post(url).text
    assert "Read-only" in text
    assert "unallocate: scope ip_addresses is missing" in text
    token.refresh_from_db()
    assert token.can_unallocate is False
    # Nothing on the site offers what can't work.
    pages = [
        reverse("addresses", args=[token.id]) + "?wait=1",
        reverse("address", args=[token.id, IP]),
    ]
    for page in pages:
        assert reverse("unallocate", args=[token.id, IP]) not in alices.get(page).text
    assert "This token can" in alices.get(pages[0]).text
    confirmation = alices.get(reverse("unallocate", args=[token.id, IP])).text
    assert "This token is read-only" in confirmation
    assert 'class="confirm-form"' not in confirmation
    assert reverse("unallocate", args=[token.id, IP]) not in alices.get("/search/?q=192.0.2.7").text


def test_a_failed_check_can_be_made_again(
    alices: Client, token: ApiToken, url: str, katapult: Organizations
) -> None:
    katapult.names.append(refusal(503, "service_unavailable"))
    form = Page(alices.post(url)).one(".explanation form")
    assert (form.attributes["method"], form.attributes["action"]) == ("post", url)


@pytest.mark.parametrize(
    ("problem", "code", "words"),
    [
        (
            refusal(403, "unauthorized_network_for_api_token", {"ip_address": "203.0.113.9"}),
            "unauthorized_network_for_api_token",
            ["Address seen by Katapult", 'data-copy="203.0.113.9"'],
        ),
        (
            refusal(429, "rate_limit_reached", {"total_permitted": 200}),
            "rate_limit_reached",
            ["Too many requests this minute", 'data-copy="200"', "Try again at"],
        ),
        (refusal(418, "new", {}, HOSTILE), "new", ["Katapult answered: new", "&lt;script&gt;"]),
        (httpx.ConnectError("refused"), "not_sent", ["No connection to Katapult could be opened"]),
        (httpx.ReadTimeout("slow"), "answer_lost", ["did not answer"]),
        (html(), "unreadable_answer", ["may come from a proxy"]),
    ],
)
def test_a_failed_check_is_explained_and_kept(
    alices: Client, url: str, katapult: Organizations, problem: Any, code: str, words: list[str]
) -> None:
    katapult.names.append(problem)
    answer = alices.post(url)
    assert answer.status_code == 200
    assert all(word in answer.text for word in [*words, "Nothing was changed."])
    assert HOSTILE not in answer.text
    assert ApiToken.objects.get().last_error_code == code


def test_checking_reports_a_missing_organization(
    alices: Client, url: str, katapult: Organizations
) -> None:
    katapult.lists.append(refusal(404, "organization_not_found"))
    assert "Organization not found" in alices.post(url).text


def test_checking_a_token_without_an_organization(
    alices: Client, unready: ApiToken, katapult: Organizations
) -> None:
    answer = alices.post(reverse("token_check", args=[unready.id]))
    assert "It can access Acme." in answer.text
    unready.refresh_from_db()
    assert not unready.is_ready


@pytest.mark.usefixtures("unopenable")
def test_checking_a_token_that_cannot_be_decrypted(
    alices: Client, url: str, katapult: Organizations
) -> None:
    answer = alices.post(url)
    assert answer.status_code == 200
    assert "Enter this token again" in answer.text
    assert katapult.requests == []


def test_the_page_after_a_check_can_rename(
    alices: Client, token: ApiToken, url: str, katapult: Organizations
) -> None:
    """The page stands at the URL of the check: its form must not post there."""
    rename = reverse("token", args=[token.id])
    assert f'method="post" action="{rename}"' in alices.post(url).text


def test_checking_does_not_show_the_secret(
    alices: Client, url: str, katapult: Organizations
) -> None:
    katapult.names.append(refusal(403, "invalid_api_token", {"details": PLANTED}, PLANTED))
    assert PLANTED not in alices.post(url).text
