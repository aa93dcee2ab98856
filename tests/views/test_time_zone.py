"""Times in UTC or in the browser's zone, as the reader chooses."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from ipadmin.models import User
from tests.conftest import ClientOf
from tests.page import Page
from tests.views.conftest import MakeEntry

URL = "/time-zone/"
AT = datetime(2026, 11, 23, 13, 5, 9, tzinfo=UTC)
pytestmark = pytest.mark.django_db


@pytest.fixture
def indian(alices: Client) -> Client:
    """alice's browser, whose clock is India's."""
    alices.cookies["timezone"] = "Asia/Kolkata"
    return alices


def foot(answer: Any) -> str:
    return Page(answer).one(".foot-zone").html or ""


def test_history_in_the_readers_zone(indian: Client, entry: MakeEntry) -> None:
    entry(created_at=AT)
    text = indian.get("/audit/").text
    assert '<span class="unit">Asia/Kolkata</span>' in text
    assert 'datetime="2026-11-23T13:05:09Z" title="2026-11-23 13:05:09 UTC"' in text
    assert "2026-11-23 18:35:09<" in text


def test_an_entry_says_utc_as_well(indian: Client, entry: MakeEntry) -> None:
    made = entry(created_at=AT)
    text = indian.get(made.get_absolute_url()).text
    assert ">2026-11-23 18:35:09 UTC+05:30<" in text
    assert ">2026-11-23 13:05:09 UTC</time>" in text


def test_switching_to_utc_and_back(indian: Client) -> None:
    assert "Times in Asia/Kolkata" in foot(indian.get("/audit/"))
    answer = indian.post(URL, {"choice": "utc", "next": "/audit/?person=bob"})
    assert (answer.status_code, answer["Location"]) == (302, "/audit/?person=bob")
    shown = foot(indian.get("/audit/"))
    assert "Times in UTC" in shown
    assert "Show Asia/Kolkata" in shown
    indian.post(URL, {"choice": "", "next": "/audit/"})
    assert "Times in Asia/Kolkata" in foot(indian.get("/audit/"))


def test_the_cookie_of_the_time_zone(indian: Client) -> None:
    cookie = indian.post(URL, {"choice": "utc"}).cookies["timezone_choice"]
    assert (cookie.value, cookie["samesite"], cookie["path"]) == ("utc", "Lax", "/")
    assert cookie["httponly"]


def test_the_cookie_of_the_time_zone_is_secure_over_https(indian: Client, settings: Any) -> None:
    settings.SESSION_COOKIE_SECURE = True
    assert indian.post(URL, {"choice": "utc"}).cookies["timezone_choice"]["secure"]


@pytest.mark.parametrize(
    "page",
    [
        "",
        "https://evil.example.com/",
        "//evil.example.com/",
        "/\\evil.example.com",
        "javascript:alert(1)",
        "http:///evil.example.com",
        "/" + "x" * 20_000,
        "/\x00",
    ],
)
def test_choosing_a_time_zone_never_redirects_to_another_site(indian: Client, page: str) -> None:
    answer = indian.post(URL, {"choice": "utc", "next": page})
    assert answer.status_code == 302
    assert answer["Location"].startswith("/")
    assert answer["Location"][1:2] not in {"/", "\\"}


def test_the_url_to_return_to_is_escaped(indian: Client) -> None:
    fields = Page(indian.get('/audit/?person="><b>&since=1')).all("[name=next]")
    # Of the forms of the theme and of the time zone.
    url = "/audit/?person=%22%3E%3Cb%3E&since=1"
    assert [field.attributes["value"] for field in fields] == [url, url]


@pytest.mark.parametrize("zone", ["", "UTC", "Etc/UTC", "../../etc/passwd", "<b>", "x" * 4000])
def test_without_a_browser_zone_there_is_nothing_to_choose(alices: Client, zone: str) -> None:
    alices.cookies["timezone"] = zone
    shown = foot(alices.get("/audit/"))
    assert "Times in UTC" in shown
    assert "<form" not in shown


def test_a_page_that_was_posted_to_offers_no_time_zone(indian: Client) -> None:
    answer = indian.post("/tokens/add/", {"label": "typed"})
    assert answer.status_code == 422
    assert "<form" not in foot(answer)


def test_any_signed_in_user_may_choose_a_time_zone(
    charlie: User, client_of: ClientOf, client: Client
) -> None:
    assert client_of(charlie).post(URL, {"choice": "utc"})["Location"] == "/"
    assert client.post(URL, {"choice": "utc"})["Location"].startswith("/accounts/login/")


def test_choosing_a_time_zone_needs_a_csrf_token(alice: User, client_of: ClientOf) -> None:
    answer = client_of(alice, enforce_csrf_checks=True).post(URL, {"choice": "utc"})
    assert (answer.status_code, "timezone_choice" in answer.cookies) == (403, False)
