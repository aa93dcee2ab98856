"""A light or dark theme, as the reader chooses; without a choice, that of the system."""

from __future__ import annotations

import pytest
from django.test import Client, RequestFactory

from ipadmin.views import site
from tests.page import Page

URL = "/theme/"
pytestmark = pytest.mark.django_db


def theme(client: Client, page: str = "/search/") -> str | None:
    return Page(client.get(page)).one("html").attributes.get("data-theme") or None


@pytest.mark.parametrize("choice", ["light", "dark"])
def test_a_chosen_theme_is_kept(alices: Client, choice: str) -> None:
    answer = alices.post(URL, {"choice": choice, "next": "/search/?q=web"})
    assert (answer.status_code, answer["Location"]) == (302, "/search/?q=web")
    cookie = answer.cookies["theme"]
    assert (cookie["samesite"], cookie["httponly"], cookie["path"]) == ("Lax", True, "/")
    assert theme(alices) == theme(alices, "/missing") == choice
    pressed = Page(alices.get("/search/")).texts(".themes [aria-pressed=true]")
    assert pressed == [choice.title()]


@pytest.mark.parametrize("choice", ["", "blue", '"><script>'])
def test_any_other_choice_is_the_theme_of_the_system(alices: Client, choice: str) -> None:
    alices.post(URL, {"choice": "dark"})
    alices.post(URL, {"choice": choice})
    assert theme(alices) is None
    assert Page(alices.get("/search/")).texts(".themes [aria-pressed=true]") == ["System"]


def test_a_forged_cookie_is_ignored(alices: Client) -> None:
    alices.cookies["theme"] = 'dark" onload="x'
    assert theme(alices) is None


@pytest.mark.parametrize(
    "page", ["https://evil.example.com/", "//evil.example.com", "javascript:x"]
)
def test_the_choice_never_leads_to_another_site(alices: Client, page: str) -> None:
    assert alices.post(URL, {"choice": "dark", "next": page})["Location"] == "/"


def test_the_page_of_a_500_has_the_theme_and_the_header(rf: RequestFactory) -> None:
    rf.cookies["theme"] = "dark"
    page = Page(site.server_error(rf.get("/")))
    assert page.one("html").attributes["data-theme"] == "dark"
    assert page.texts(".top strong") == ["SANDBOX"]
    assert page.links["Check the history"] == "/audit/"
