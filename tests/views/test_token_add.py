"""A pasted token is tried at once, and kept only if it is of use."""

# Pytest passes them by name.
# ruff: noqa: PLR0917
from __future__ import annotations

from typing import Any

import httpx
import pytest
from django.test import Client
from django.urls import reverse

from ipadmin.models import ApiToken, User
from ipadmin.sandbox import Sandbox
from tests.page import Page
from tests.services.katapult import html, refusal
from tests.views.conftest import HTMX
from tests.views.katapult import HOSTILE, SECOND, Organizations

URL = "/tokens/add/"
SECRET = "pasted0token0pasted0XYZ9"
NEW = {"label": "New", "secret": SECRET}

# What refuses a token, each with its own words.
NO: list[tuple[int, str, dict[str, Any], list[str]]] = [
    (400, "missing_api_token", {}, ["Katapult received no API token"]),
    (
        403,
        "unauthorized_network_for_api_token",
        {"ip_address": "203.0.113.9"},
        ["from this network", "Address seen by Katapult", 'data-copy="203.0.113.9"'],
    ),
    (403, "invalid_api_token", {"details": "expired"}, ["does not accept this token"]),
    (403, "invalid_capabilities_token", {}, ["was never valid"]),
    (403, "organization_suspended", {}, ["The organization is suspended"]),
    (403, "organization_not_activated", {}, ["The organization is not activated"]),
    (404, "route_not_found", {}, ["Check the setting KATAPULT_API_URL"]),
    (
        429,
        "rate_limit_reached",
        {"total_permitted": 200},
        ["Too many requests this minute", 'data-copy="200"', "Try again at"],
    ),
    (503, "service_unavailable", {}, ["Katapult is unavailable"]),
    (500, "unhandled_exception", {}, ["Internal error in Katapult"]),
    (418, "never_heard_of", {"why": HOSTILE}, ["never_heard_of", "Own words"]),
]


def test_the_form_that_adds_a_token(alices: Client) -> None:
    answer = alices.get(URL)
    assert answer.status_code == 200
    assert 'type="password" name="secret"' in answer.text
    assert "ip_addresses" in answer.text


def test_adding_a_token(alices: Client, alice: User, katapult: Organizations) -> None:
    answer = alices.post(URL, NEW)
    token = ApiToken.objects.get()
    assert answer.status_code == 302
    assert answer["Location"] == reverse("token", args=[token.id])
    assert (token.owner, token.label, token.organization_name) == (alice, "New", "Acme")
    assert token.decrypt_secret().reveal() == SECRET
    assert (token.can_list, token.last_four) == (True, "XYZ9")


@pytest.mark.usefixtures("katapult")
def test_adding_a_token_with_htmx(alices: Client) -> None:
    assert alices.post(URL, NEW, headers=HTMX).status_code == 302
    assert ApiToken.objects.count() == 1


def test_a_new_token_is_checked_with_calls_that_change_nothing(
    alices: Client, katapult: Organizations
) -> None:
    alices.post(URL, NEW)
    assert katapult.methods == "GET GET GET GET"
    assert {r.headers["Authorization"] for r in katapult.requests} == {f"Bearer {SECRET}"}


def test_of_several_organizations_one_is_chosen_next(
    alices: Client, katapult: Organizations
) -> None:
    katapult.organizations.append(SECOND)
    answer = alices.post(URL, NEW)
    token = ApiToken.objects.get()
    assert answer["Location"] == reverse("token_organization", args=[token.id])
    assert not token.is_ready


def test_a_new_token_without_the_scope_to_list_organizations(
    alices: Client, katapult: Organizations
) -> None:
    scopes = {"scopes": ["organizations:read"]}
    for _ in range(2):
        katapult.names.append(refusal(404, "no_user_associated_with_identity"))
        katapult.names.append(refusal(403, "scope_not_granted", scopes))
    answer = alices.post(URL, NEW, follow=True)
    assert "organizations:read" in answer.text
    assert ApiToken.objects.get().missing_scopes == ["organizations:read"]


def test_a_new_token_that_may_not_list_addresses_is_kept(
    alices: Client, katapult: Organizations
) -> None:
    katapult.lists.append(refusal(403, "scope_not_granted", {"scopes": ["ip_addresses:read"]}))
    answer = alices.post(URL, NEW, follow=True)
    assert "ip_addresses:read" in answer.text
    assert ApiToken.objects.get().can_list is False


@pytest.mark.parametrize(("status", "code", "detail", "words"), NO, ids=[each[1] for each in NO])
def test_a_token_that_is_refused_is_not_kept(
    alices: Client,
    katapult: Organizations,
    status: int,
    code: str,
    detail: dict[str, Any],
    words: list[str],
) -> None:
    katapult.names.append(refusal(status, code, detail, "Own words"))
    answer = alices.post(URL, NEW, headers=HTMX)
    assert answer.status_code == 200
    assert all(word in answer.text for word in [*words, "Nothing was changed."])
    assert SECRET not in answer.text
    assert HOSTILE not in answer.text
    assert ('value="New"' in answer.text, ApiToken.objects.count()) == (True, 0)


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (httpx.ConnectError("refused"), "No connection to Katapult could be opened"),
        (httpx.ReadTimeout("slow"), "Katapult did not answer"),
        (html(), "format. It may come from a proxy"),
    ],
)
def test_a_token_that_cannot_be_tried_is_not_kept(
    alices: Client, katapult: Organizations, failure: Any, words: str
) -> None:
    katapult.names.append(failure)
    assert words in alices.post(URL, NEW).text
    assert ApiToken.objects.count() == 0


@pytest.mark.parametrize(
    "form",
    [
        {"label": "New"},
        {"secret": SECRET},
        {"label": "x" * 61, "secret": SECRET},
        {"label": "a\x00b", "secret": SECRET},
        {"label": "New", "secret": "two words"},
        {"label": "New", "secret": "schlüssel"},
        {"label": "New", "secret": "x" * 2001},
        {"label": "New", "secret": "a\x00b"},
    ],
)
def test_a_mistake_in_the_form_that_adds_a_token(
    alices: Client, katapult: Organizations, form: dict[str, str]
) -> None:
    answer = alices.post(URL, form)
    assert answer.status_code == 422
    assert "errorlist" in answer.text
    assert (katapult.requests, ApiToken.objects.count()) == ([], 0)


@pytest.mark.parametrize("secret", ["two words of a secret", SECRET])
def test_a_secret_is_never_shown_again(
    alices: Client, katapult: Organizations, secret: str
) -> None:
    assert secret not in alices.post(URL, {"label": "", "secret": secret}).text


@pytest.mark.usefixtures("katapult")
def test_the_same_token_is_not_added_twice(alices: Client) -> None:
    alices.post(URL, NEW)
    answer = alices.post(URL, NEW | {"label": "Again"})
    assert answer.status_code == 200
    assert "You have already added this token" in answer.text
    [link] = Page(answer).all(".steps a")
    assert link.attributes["href"] == reverse("token", args=[ApiToken.objects.get().id])


def test_two_tokens_cannot_have_one_label(
    alices: Client, token: ApiToken, katapult: Organizations
) -> None:
    answer = alices.post(URL, {"label": " Live ", "secret": SECRET})
    assert answer.status_code == 422
    assert "already have a token with this label" in answer.text
    assert katapult.requests == []


@pytest.mark.usefixtures("katapult")
def test_two_users_may_use_one_label(alices: Client, bobs_token: ApiToken) -> None:
    assert alices.post(URL, {"label": "Bob's", "secret": SECRET}).status_code == 302


@pytest.mark.usefixtures("katapult")
def test_spaces_around_a_pasted_token_are_removed(alices: Client) -> None:
    alices.post(URL, {"label": "New", "secret": f"  {SECRET}\n"})
    assert ApiToken.objects.get().decrypt_secret().reveal() == SECRET


def test_a_hostile_name_of_a_user_or_organization_is_escaped(
    alices: Client, katapult: Organizations
) -> None:
    katapult.organizations = [{"id": "org_1", "name": HOSTILE, "sub_domain": HOSTILE}]
    answer = alices.post(URL, {"label": HOSTILE, "secret": SECRET}, follow=True)
    assert answer.status_code == 200
    assert HOSTILE not in answer.text
    assert ApiToken.objects.get().organization_name == HOSTILE


def test_adding_a_token_of_the_sandbox(alices: Client, box: Sandbox) -> None:
    alices.post(URL, {"label": "New", "secret": f"{box.token}-second"})
    assert ApiToken.objects.get().organization_sub_domain == "harbour-labs"
