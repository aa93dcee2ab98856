"""Another secret in the place of the old one."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from django.test import Client
from django.urls import reverse

from ipadmin.models import ApiToken
from tests.services.katapult import html, refusal
from tests.views.conftest import HTMX, PLANTED
from tests.views.katapult import HOSTILE, SECOND, Organizations

SECRET = "another0token0another0NEW1"


@pytest.fixture
def url(token: ApiToken) -> str:
    return reverse("token_replace", args=[token.id])


def kept() -> str:
    return ApiToken.objects.get().decrypt_secret().reveal()


def test_the_form_that_replaces_a_token(alices: Client, url: str) -> None:
    answer = alices.get(url)
    assert answer.status_code == 200
    assert 'type="password" name="secret"' in answer.text
    assert PLANTED not in answer.text


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["plain", "htmx"])
def test_replacing_a_token(
    alices: Client, token: ApiToken, url: str, katapult: Organizations, headers: dict[str, str]
) -> None:
    answer = alices.post(url, {"secret": SECRET}, headers=headers)
    assert answer["Location"] == reverse("token", args=[token.id])
    assert kept() == SECRET
    assert ApiToken.objects.get().last_four == "NEW1"
    assert {r.headers["Authorization"] for r in katapult.requests} == {f"Bearer {SECRET}"}


@pytest.mark.usefixtures("katapult")
def test_replacing_a_token_that_cannot_be_decrypted(
    alices: Client, unopenable: ApiToken, url: str
) -> None:
    alices.post(url, {"secret": SECRET})
    assert kept() == SECRET
    assert "Enter this token again" not in alices.get("/tokens/").text


def test_a_token_of_another_organization_is_refused(
    alices: Client, url: str, katapult: Organizations
) -> None:
    katapult.organizations = [SECOND]
    katapult.lists.append(refusal(404, "organization_not_found"))
    answer = alices.post(url, {"secret": SECRET})
    assert answer.status_code == 422
    assert "access Acme, the organization of" in answer.text
    assert kept() == PLANTED


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (
            refusal(403, "unauthorized_network_for_api_token", {"ip_address": "203.0.113.9"}),
            ["Address seen by Katapult", 'data-copy="203.0.113.9"'],
        ),
        (
            refusal(429, "rate_limit_reached", {"total_permitted": 200}),
            ["Too many requests this minute", 'data-copy="200"', "Try again at"],
        ),
        (refusal(418, "new", {}, HOSTILE), ["Katapult answered: new", "&lt;script&gt;"]),
        (httpx.ConnectError("refused"), ["No connection to Katapult could be opened"]),
        (httpx.ReadTimeout("slow"), ["did not answer"]),
        (html(), ["may come from a proxy"]),
    ],
)
def test_a_refused_replacement_leaves_the_old_token(
    alices: Client, url: str, katapult: Organizations, problem: Any, words: list[str]
) -> None:
    katapult.names.append(problem)
    answer = alices.post(url, {"secret": SECRET})
    assert answer.status_code == 200
    assert all(word in answer.text for word in [*words, "Nothing was changed."])
    assert SECRET not in answer.text
    assert HOSTILE not in answer.text
    assert kept() == PLANTED


@pytest.mark.parametrize(
    "secret", ["", "two words of a secret", "x" * 2001, "a\x00b", "schl\xfcssel"]
)
def test_a_mistake_in_the_form_that_replaces_a_token(
    alices: Client, url: str, katapult: Organizations, secret: str
) -> None:
    answer = alices.post(url, {"secret": secret})
    assert answer.status_code == 422
    assert "errorlist" in answer.text
    assert (kept(), katapult.requests) == (PLANTED, [])
