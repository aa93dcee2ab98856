"""Malformed requests get a 4xx, never a 500."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import Settings

from ipadmin.models import ApiToken, User
from tests.conftest import ClientOf

FORM = "application/x-www-form-urlencoded"
pytestmark = pytest.mark.django_db


@pytest.fixture
def quiet(alices: Client) -> Client:
    """alice's browser, whose 500s are answers instead of exceptions."""
    alices.raise_request_exception = False
    return alices


@pytest.mark.parametrize("path", ["/accounts/login/", "/theme/", "/tokens/add/", "/nowhere/"])
@pytest.mark.parametrize("charset", ["latin-1", "utf-16", "nonsense", "utf-8-sig"])
def test_a_form_in_another_charset(client: Client, quiet: Client, path: str, charset: str) -> None:
    for browser in (client, quiet):
        browser.raise_request_exception = False
        answer = browser.generic("POST", path, b"a=1", f"{FORM}; charset={charset}")
        assert 400 <= answer.status_code < 500


@pytest.mark.parametrize("url", ["http://[::1", "http://x:99999999/", "//[", "\x00", "ü://"])
def test_an_invalid_current_url(quiet: Client, token: ApiToken, url: str) -> None:
    headers = {"HX-Request": "true", "HX-Current-URL": url}
    for path in ("/audit/", f"/tokens/{token.id}/addresses/", "/search/?q=x", "/"):
        assert quiet.get(path, headers=headers).status_code < 500
    assert Client().get("/audit/", headers=headers).status_code < 500


@pytest.mark.parametrize("place", ["/audit/", "/audit/export/", "/tokens/TOKEN/addresses/"])
@pytest.mark.parametrize(
    "name", ["before", "after", "page", "status", "at", "since", "run", "lines", "entries", "q"]
)
def test_a_number_with_fifty_digits(quiet: Client, token: ApiToken, place: str, name: str) -> None:
    path = place.replace("TOKEN", str(token.id))
    assert quiet.get(path, {name: "9" * 50}).status_code < 500
    assert quiet.post(path, {name: "9" * 50}).status_code < 500


@pytest.mark.parametrize("forwarded", ["192.0.2.1", "", "nonsense", "192.0.2.1, , "])
def test_fewer_forwarded_addresses_than_proxies(
    client: Client, settings: Settings, forwarded: str
) -> None:
    settings.TRUSTED_PROXY_COUNT = settings.ALLAUTH_TRUSTED_PROXY_COUNT = 2
    client.raise_request_exception = False
    headers = {"X-Forwarded-For": forwarded}
    form = {"login": "alice", "password": "wrong"}
    answer = client.post("/accounts/login/", form, headers=headers)
    assert answer.status_code < 500


def test_a_large_body_is_not_read(quiet: Client) -> None:
    upload = SimpleUploadedFile("large", b"x" * 3_000_000)
    answer = quiet.post("/theme/", {"theme": "dark", "file": upload})
    assert answer.status_code == 400
    assert "theme" not in answer.cookies


def test_an_invalid_length(quiet: Client) -> None:
    answer = quiet.generic("POST", "/theme/", b"theme=dark", FORM, CONTENT_LENGTH="-1")
    assert answer.status_code == 400


@pytest.mark.parametrize("place", ["/audit/integrity/{}/", "/tokens/TOKEN/addresses/?page={}"])
def test_a_url_with_fifty_digits(
    quiet: Client, audrey: User, client_of: ClientOf, token: ApiToken, place: str
) -> None:
    auditor = client_of(audrey)
    auditor.raise_request_exception = False
    path = place.format("9" * 50).replace("TOKEN", str(token.id))
    assert quiet.get(path).status_code < 500
    assert auditor.get(path).status_code < 500


def test_a_checkpoint_with_fifty_digits(audrey: User, client_of: ClientOf) -> None:
    auditor = client_of(audrey)
    auditor.raise_request_exception = False
    answer = auditor.post("/audit/integrity/", {"checkpoint": f"{'9' * 50}:{'a' * 64}"})
    assert answer.status_code == 422
