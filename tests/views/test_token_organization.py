"""One token stands for one organization: the choice, made once."""

# Pytest passes them by name.
# ruff: noqa: PLR0917
from __future__ import annotations

from typing import Any

import httpx
import pytest
from django.test import Client
from django.urls import reverse

from ipadmin.models import ApiToken
from tests.services.katapult import html, refusal
from tests.views.conftest import HTMX
from tests.views.katapult import HOSTILE, LIST, SECOND, Organizations

CANNOT_NAME = ("no_user_associated_with_identity", "permission_denied")


@pytest.fixture
def url(unready: ApiToken) -> str:
    return reverse("token_organization", args=[unready.id])


@pytest.fixture
def two(katapult: Organizations) -> Organizations:
    katapult.organizations.append(SECOND)
    return katapult


@pytest.fixture
def nameless(katapult: Organizations) -> Organizations:
    """A Katapult that names no organization to this token, as often as it is asked."""
    for _ in range(4):
        katapult.names.append(refusal(404, CANNOT_NAME[0]))
        katapult.names.append(refusal(403, "scope_not_granted", {"scopes": ["organizations:read"]}))
    return katapult


def test_the_organizations_to_choose_from(alices: Client, url: str, two: Organizations) -> None:
    answer = alices.get(url)
    assert answer.status_code == 200
    for shown in ("Acme", "acme", "Brook", 'value="org_2"', "Unready"):
        assert shown in answer.text


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["plain", "htmx"])
def test_choosing_an_organization(
    alices: Client, unready: ApiToken, url: str, two: Organizations, headers: dict[str, str]
) -> None:
    answer = alices.post(url, {"organization": "org_2"}, headers=headers)
    unready.refresh_from_db()
    assert answer["Location"] == reverse("addresses", args=[unready.id])
    assert (unready.organization_id, unready.organization_name) == ("org_2", "Brook")
    assert unready.can_list is True


@pytest.mark.parametrize("choice", ["", "org_3", HOSTILE, "\x00", "acme"])
def test_an_organization_out_of_reach_is_refused(
    alices: Client, unready: ApiToken, url: str, two: Organizations, choice: str
) -> None:
    answer = alices.post(url, {"organization": choice})
    assert answer.status_code == 422
    assert HOSTILE not in answer.text
    unready.refresh_from_db()
    assert not unready.is_ready


def test_a_sub_domain_can_be_typed_where_no_organization_is_listed(
    alices: Client, unready: ApiToken, url: str, nameless: Organizations
) -> None:
    ApiToken.objects.update(missing_scopes=["organizations:read"])
    assert "organizations:read" in alices.get(url).text
    assert alices.post(url, {"sub_domain": " acme "}).status_code == 302
    unready.refresh_from_db()
    assert (unready.organization_id, unready.organization_sub_domain) == ("", "acme")
    assert nameless.requests[-1].url.params["organization[sub_domain]"] == "acme"


def test_a_token_without_any_organization(
    alices: Client, url: str, katapult: Organizations
) -> None:
    katapult.organizations = []
    assert "Katapult lists no organization for this token" in alices.get(url).text


@pytest.mark.parametrize("typed", ["", "x" * 64, "a\x00b"])
def test_an_invalid_sub_domain_is_refused(
    alices: Client, url: str, nameless: Organizations, typed: str
) -> None:
    assert alices.post(url, {"sub_domain": typed}).status_code == 422
    assert nameless.calls(LIST) == 0


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (404, "organization_not_found", "Organization not found"),
        (403, "permission_denied", "Katapult denied permission"),
        (403, "organization_suspended", "The organization is suspended"),
        (429, "rate_limit_reached", "Too many requests this minute"),
        (503, "service_unavailable", "Katapult is unavailable"),
    ],
)
def test_a_sub_domain_that_is_refused(
    alices: Client,
    unready: ApiToken,
    url: str,
    nameless: Organizations,
    status: int,
    code: str,
    words: str,
) -> None:
    nameless.lists.append(refusal(status, code))
    answer = alices.post(url, {"sub_domain": "acme"})
    assert words in answer.text
    assert 'value="acme"' in answer.text
    unready.refresh_from_db()
    assert not unready.is_ready


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (
            refusal(403, "unauthorized_network_for_api_token", {"ip_address": "203.0.113.9"}),
            ["Address seen by Katapult", 'data-copy="203.0.113.9"'],
        ),
        (refusal(403, "invalid_api_token"), ["does not accept this token"]),
        (refusal(429, "rate_limit_reached"), ["Too many requests this minute", "Try again at"]),
        (httpx.ConnectError("refused"), ["No connection to Katapult could be opened"]),
        (html(), ["may come from a proxy"]),
    ],
)
def test_a_list_of_organizations_that_fails_is_explained(
    alices: Client, url: str, two: Organizations, problem: Any, words: list[str]
) -> None:
    two.names.extend([problem, problem])
    for answer in (alices.get(url), alices.post(url, {"organization": "org_2"})):
        assert all(word in answer.text for word in words)
    assert two.calls(LIST) == 0


def test_a_failed_list_of_organizations_offers_no_sub_domain(
    alices: Client, url: str, katapult: Organizations
) -> None:
    """Nothing was found out about what the token may name."""
    katapult.names.append(refusal(503, "service_unavailable"))
    text = alices.get(url).text
    assert "may not list organizations" not in text
    assert "lists no organization" not in text


def test_the_organization_of_a_token_is_chosen_once(
    alices: Client, token: ApiToken, katapult: Organizations
) -> None:
    url = reverse("token_organization", args=[token.id])
    for answer in (alices.get(url), alices.post(url, {"organization": "org_2"})):
        assert answer["Location"] == reverse("token", args=[token.id])
    token.refresh_from_db()
    assert (token.organization_id, katapult.requests) == ("org_1", [])


def test_a_hostile_name_of_an_organization_is_escaped(
    alices: Client, url: str, katapult: Organizations
) -> None:
    katapult.organizations = [
        {"id": f"org_{number}", "name": HOSTILE, "sub_domain": HOSTILE} for number in range(2)
    ]
    assert HOSTILE not in alices.get(url).text
    assert alices.post(url, {"organization": "org_1"}, follow=True).status_code == 200


def test_a_token_that_cannot_be_decrypted_has_no_organizations(
    alices: Client, url: str, katapult: Organizations
) -> None:
    ApiToken.objects.update(encrypted_secret=b"spoilt")
    for answer in (alices.get(url), alices.post(url, {"organization": "org_2"})):
        assert "Enter this token again" in answer.text
    assert katapult.requests == []
