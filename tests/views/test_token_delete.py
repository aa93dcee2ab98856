"""A token is forgotten; what was done with it is not."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from ipadmin.models import ApiToken, AuditEntry
from tests.views.conftest import HTMX, MakeEntry
from tests.views.katapult import HOSTILE


@pytest.fixture
def url(token: ApiToken) -> str:
    return reverse("token_delete", args=[token.id])


def test_deleting_a_token_asks_first(alices: Client, url: str) -> None:
    answer = alices.get(url)
    assert answer.status_code == 200
    assert "Delete “Live”?" in answer.text
    assert "The history is kept" in answer.text
    assert ApiToken.objects.count() == 1


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["plain", "htmx"])
def test_deleting_a_token(alices: Client, url: str, headers: dict[str, str]) -> None:
    answer = alices.post(url, headers=headers)
    assert answer["Location"] == "/tokens/"
    assert ApiToken.objects.count() == 0
    assert "Token “Live” was deleted." in alices.get("/tokens/").text


def test_the_history_of_a_deleted_token_stays(
    alices: Client, token: ApiToken, url: str, entry: MakeEntry
) -> None:
    made = entry(token_id=token.id, token_fingerprint=token.fingerprint)
    alices.post(url)
    page = alices.get(made.get_absolute_url()).text
    assert AuditEntry.objects.count() == 1
    assert "Live" in page
    assert token.fingerprint in page


def test_deleting_a_token_twice_answers_404(alices: Client, url: str) -> None:
    alices.post(url)
    assert alices.post(url).status_code == 404


def test_a_hostile_name_of_a_deleted_token_is_escaped(alices: Client, url: str) -> None:
    ApiToken.objects.update(label=HOSTILE)
    assert HOSTILE not in alices.get(url).text
    assert HOSTILE not in alices.post(url, follow=True).text


@pytest.mark.usefixtures("unopenable")
def test_a_token_that_cannot_be_decrypted_can_be_deleted(alices: Client, url: str) -> None:
    assert alices.post(url).status_code == 302
    assert ApiToken.objects.count() == 0


def test_a_token_without_an_organization_can_be_deleted(alices: Client, unready: ApiToken) -> None:
    url = reverse("token_delete", args=[unready.id])
    assert alices.get(url).status_code == 200
    assert alices.post(url).status_code == 302
