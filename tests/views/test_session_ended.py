"""What happens to a page that is used after the end of its session."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from django.test import Client
from django.urls import reverse

from ipadmin.models import ApiToken, AuditEntry, Session
from tests.conftest import PASSWORD
from tests.page import Page
from tests.services.katapult import IP
from tests.views.conftest import HTMX
from tests.views.katapult import Organizations

REASON = "Ümzug & mehr, OPS-4685"
pytestmark = pytest.mark.django_db


@pytest.fixture
def url(token: ApiToken, katapult: Organizations) -> str:
    return reverse("unallocate", args=[token.id, IP])


@pytest.fixture
def ended(alices: Client) -> Client:
    """alice's browser, with the cookie of a session that is over."""
    Session.objects.all().delete()
    return alices


def sign_in(client: Client, location: str) -> str:
    page = client.get(location)
    assert "You were signed out" in page.text
    form = {"login": "alice", "password": PASSWORD}
    form["next"] = unquote(location.partition("?next=")[2])
    answer = client.post("/accounts/login/", form)
    assert answer.status_code == 302
    return str(answer["Location"])


@pytest.mark.parametrize("headers", [{}, HTMX | {"HX-Current-URL": "http://testserver/tokens/"}])
def test_a_typed_reason_comes_back_after_the_sign_in(
    ended: Client, url: str, katapult: Organizations, headers: dict[str, str]
) -> None:
    form = {"confirmation": "signed", "reason": REASON, "typed_address": "192.0.2.7"}
    answer = ended.post(url, form, headers=headers)
    location = answer["HX-Redirect"] if headers else answer["Location"]
    assert "signed" not in location
    page = Page(ended.get(sign_in(ended, location)))
    assert page.form("reason")["reason"] == [REASON]
    assert page.confirmation() != "signed"
    assert (katapult.sent, AuditEntry.objects.count()) == ([], 0)


def test_a_form_without_a_reason_leads_back_to_its_page(ended: Client) -> None:
    """Not to a URL that takes POST only."""
    page = "http://testserver/tokens/"
    answer = ended.post("/theme/", {"choice": "dark"}, headers={"Referer": page})
    assert sign_in(ended, answer["Location"]) == page


def test_a_form_never_leads_to_another_site(ended: Client, url: str) -> None:
    answer = ended.post(url, headers={"Referer": "https://evil.example.com/"})
    assert answer["Location"] == f"/accounts/login/?next={url}"


def test_a_link_says_that_the_session_ended(ended: Client) -> None:
    assert sign_in(ended, ended.get("/audit/?q=x")["Location"]) == "/audit/?q=x"


def test_without_a_session_nothing_ended(client: Client) -> None:
    location = client.get("/audit/")["Location"]
    assert "You were signed out" not in client.get(location).text


def test_no_secret_is_kept(ended: Client, token: ApiToken) -> None:
    form = {"label": "x", "secret": "hush0hush0hush0hush0", "reason": "why"}
    answer = ended.post(reverse("token_add"), form)
    assert "hush" not in answer["Location"] + str(answer.cookies)


def test_a_form_without_a_cookie_says_how_long_a_session_lasts(client: Client, url: str) -> None:
    """The browser has forgotten the cookie when the session expired."""
    location = client.post(url, {"reason": "why"})["Location"]
    assert "a session lasts 12 hours" in client.get(location).text
