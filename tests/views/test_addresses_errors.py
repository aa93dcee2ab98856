"""The list of addresses when something goes wrong."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from django.test import Client
from django.urls import reverse

from ipadmin.models import ApiToken, User
from ipadmin.sandbox import Sandbox
from tests.conftest import ClientOf
from tests.services.katapult import html, refusal
from tests.views.address_list import counts, few, shown, url, waiting
from tests.views.conftest import HTMX
from tests.views.katapult import HOSTILE, LIST, Organizations, many

# Used by name only, as fixtures are.
__all__ = ["few", "url", "waiting"]


def unanswered(_: httpx.Request) -> httpx.Response:
    raise httpx.ReadTimeout("slow")


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
    (unanswered, ["Katapult did not answer"]),
    (html(), ["format. It may come from a proxy"]),
    (httpx.Response(200), ["format. It may come from a proxy"]),
    (httpx.Response(302, headers={"Location": "/"}), ["format. It may come from a proxy"]),
]


@pytest.mark.parametrize(("problem", "words"), PROBLEMS)
def test_a_list_that_cannot_be_read_is_explained(
    alices: Client, waiting: str, katapult: Organizations, problem: Any, words: list[str]
) -> None:
    # A page without a proper answer is read twice.
    katapult.lists.extend([problem, problem])
    answer = alices.get(waiting, headers=HTMX)
    assert answer.status_code == 200
    assert all(word in answer.text for word in [*words, "Nothing was changed."])
    assert HOSTILE not in answer.text


def test_a_problem_on_a_later_page_hides_no_address(
    alices: Client, waiting: str, katapult: Organizations
) -> None:
    katapult.listed = many(201)
    unavailable = refusal(503, "service_unavailable")
    katapult.lists.extend([katapult.page, unavailable, unavailable])
    answer = alices.get(waiting)
    assert "Katapult is unavailable" in answer.text
    assert shown(answer) == []


def test_a_failed_list_sets_the_last_error_of_the_token(
    alices: Client, waiting: str, token: ApiToken, katapult: Organizations
) -> None:
    katapult.lists.append(refusal(403, "invalid_api_token"))
    alices.get(waiting)
    token.refresh_from_db()
    assert token.last_error_code == "invalid_api_token"
    assert token.used_at


def test_few_calls_left_are_kept_for_attempts(
    alices: Client, waiting: str, katapult: Organizations
) -> None:
    few = {"X-Ratelimit-Permitted": "1000", "X-Ratelimit-Remaining": "3"}
    katapult.lists.append(
        lambda r: httpx.Response(200, content=katapult.page(r).read(), headers=few)
    )
    alices.get(waiting)
    answer = alices.get(waiting)
    assert "Too many requests this minute" in answer.text
    assert 'data-copy="3"' in answer.text
    assert katapult.calls(LIST) == 1


@pytest.mark.usefixtures("unopenable")
def test_a_token_that_cannot_be_opened(
    alices: Client, waiting: str, katapult: Organizations
) -> None:
    answer = alices.get(waiting)
    assert answer.status_code == 200
    assert "Enter this token again" in answer.text
    assert katapult.requests == []


def test_the_list_of_another_users_token_is_not_found(
    alices: Client, adam_the_operator: User, client_of: ClientOf, bobs_token: ApiToken
) -> None:
    url = reverse("addresses", args=[bobs_token.id])
    assert alices.get(url).status_code == 404
    assert client_of(adam_the_operator).get(url).status_code == 404


def test_a_token_without_an_organization_has_no_list(alices: Client, unready: ApiToken) -> None:
    assert alices.get(reverse("addresses", args=[unready.id])).status_code == 404


def test_only_operators_see_the_list(
    url: str, charlie: User, audrey: User, client_of: ClientOf
) -> None:
    assert client_of(charlie).get(url).status_code == 403
    assert client_of(audrey).get(url, headers=HTMX).status_code == 403


def test_the_list_needs_a_sign_in(client: Client, url: str) -> None:
    assert client.get(f"{url}?q=1")["Location"] == f"/accounts/login/?next={url}%3Fq%3D1"
    assert client.get(url, headers=HTMX)["HX-Redirect"] == "/accounts/login/?next=/"


def test_the_list_refuses_post(alices: Client, url: str) -> None:
    assert alices.post(url).status_code == 405


def test_the_list_is_read_from_the_sandbox(
    alices: Client, waiting: str, token: ApiToken, box: Sandbox
) -> None:
    token.organization_id, token.organization_sub_domain = "", "northwind"
    token.save()
    assert counts(alices.get(waiting))[0] == 30
