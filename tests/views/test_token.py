"""One token's page; its form renames it."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from ipadmin.models import ApiToken
from tests.views.conftest import HTMX, PLANTED
from tests.views.katapult import HOSTILE


@pytest.fixture
def url(token: ApiToken) -> str:
    return reverse("token", args=[token.id])


def test_the_page_of_a_token_shows_what_is_known(alices: Client, token: ApiToken, url: str) -> None:
    text = alices.get(url).text
    for shown in ("Live", "Acme", "acme", "••••NARY", token.fingerprint, "Never", "Not checked"):
        assert shown in text
    assert PLANTED not in text


def test_the_page_of_a_token_explains_its_last_error(alices: Client, url: str) -> None:
    ApiToken.objects.update(last_error_code="invalid_api_token", last_error_at=timezone.now())
    assert "invalid_api_token" in alices.get(url).text


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["plain", "htmx"])
def test_renaming_a_token(
    alices: Client, token: ApiToken, url: str, headers: dict[str, str]
) -> None:
    answer = alices.post(url, {"label": " Home "}, headers=headers)
    assert answer["Location"] == url
    token.refresh_from_db()
    assert token.label == "Home"
    assert "The token is now called “Home”." in alices.get(url).text


@pytest.mark.parametrize("label", ["", " ", "x" * 61, "a\x00b"])
def test_a_token_needs_a_name(alices: Client, token: ApiToken, url: str, label: str) -> None:
    answer = alices.post(url, {"label": label})
    assert answer.status_code == 422
    assert "errorlist" in answer.text
    token.refresh_from_db()
    assert token.label == "Live"


def test_a_refused_name_is_not_shown_as_the_name(alices: Client, token: ApiToken, url: str) -> None:
    answer = alices.post(url, {"label": "y" * 61})
    assert "<h1>Live</h1>" in answer.text


def test_two_tokens_cannot_have_one_name(
    alices: Client, token: ApiToken, unready: ApiToken, url: str
) -> None:
    assert alices.post(url, {"label": "Unready"}).status_code == 422
    assert alices.post(url, {"label": "Live"}).status_code == 302


def test_renaming_changes_nothing_else(alices: Client, token: ApiToken, url: str) -> None:
    form = {"label": "Home", "organization_id": "org_2", "owner": "2", "encrypted_secret": "x"}
    alices.post(url, form)
    kept = ApiToken.objects.get()
    assert (kept.organization_id, kept.owner_id) == ("org_1", token.owner_id)
    assert kept.decrypt_secret().reveal() == PLANTED


def test_a_hostile_name_of_a_token_is_escaped(alices: Client, url: str) -> None:
    answer = alices.post(url, {"label": HOSTILE}, follow=True)
    assert HOSTILE not in answer.text
    assert ApiToken.objects.get().label == HOSTILE


def test_the_page_of_a_token_that_cannot_be_decrypted(
    alices: Client, unopenable: ApiToken, url: str
) -> None:
    text = alices.get(url).text
    assert "Enter this token again" in text
    assert reverse("token_replace", args=[unopenable.id]) in text
    assert alices.post(url, {"label": "Home"}).status_code == 302


def test_the_page_of_a_token_without_an_organization(alices: Client, unready: ApiToken) -> None:
    text = alices.get(reverse("token", args=[unready.id])).text
    assert reverse("token_organization", args=[unready.id]) in text
    assert "Not chosen yet" in text
