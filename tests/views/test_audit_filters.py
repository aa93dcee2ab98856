"""The audit history, filtered by its URL alone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from selectolax.lexbor import LexborNode as Node

from ipadmin.models import Outcome
from tests.page import Page, one, text_of
from tests.services.katapult import ADDRESS, IP
from tests.views.audit_page import URL, ids, shown
from tests.views.conftest import HTMX, MakeEntry
from tests.views.katapult import HOSTILE

TOKEN = "7d1f5a3e-2b4c-4d6e-9f80-a1b2c3d4e5f6"


def chip(link: Node) -> tuple[str, str]:
    """The label and the value of the filter that this link removes."""
    assert link.parent
    label = text_of(one(link.parent, "span"))
    return label, text_of(link.parent).removeprefix(label).strip()


@pytest.mark.parametrize(
    ("query", "hits"),
    [
        ({}, ""),
        ({"when": "all"}, "ab"),
        ({"when": "all", "outcome": "succeeded"}, "a"),
        ({"when": "all", "outcome": ["succeeded", "failed"]}, "ab"),
        ({"when": "all", "outcome": "unknown"}, ""),
        ({"when": "all", "person": "ALICE"}, "a"),
        ({"when": "all", "person": "  bob "}, "b"),
        ({"when": "all", "person": ["bob", "alice"]}, "ab"),
        ({"when": "all", "token": TOKEN}, "b"),
        ({"when": "all", "organization": "org_1"}, "ab"),
        ({"when": "all", "environment": "live"}, "b"),
        ({"when": "all", "error": "no_allocation"}, "b"),
        ({"q": ADDRESS}, "a"),
        ({"q": "2001:DB8:"}, "b"),
        ({"q": "2001:db8::/32"}, "b"),
        ({"q": IP}, "a"),
        ({"q": "%"}, ""),
        ({"q": "bo"}, "b"),
        ({"q": "no_allocation"}, "b"),
        ({"q": "web", "outcome": "succeeded"}, "a"),
        ({"at": "2026-01-02T03:08:00"}, "a"),
        ({"since": "2026-02-01"}, "b"),
        ({"until": "2026-01-31T23:59"}, "a"),
        ({"until": "2026-01-02T03:04:05"}, "a"),
        ({"until": "2026-01-02T03:04:04"}, ""),
        ({"since": "2026-01-02T03:04:05", "until": "2026-03-01"}, "ab"),
        ({"when": "all", "unknown": "x"}, "ab"),
    ],
)
def test_a_filter(alices: Client, entry: MakeEntry, query: dict[str, Any], hits: str) -> None:
    made = {
        "a": entry(created_at=datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)),
        "b": entry(
            created_at=datetime(2026, 2, 2, tzinfo=UTC),
            outcome=Outcome.FAILED,
            user_name="Bob",
            address="2001:db8::9",
            address_id="ip_0000000000000009",
            token_id=TOKEN,
            environment="live",
            error_code="no_allocation",
        ),
    }
    answer = alices.get(f"{URL}?{urlencode(query, doseq=True)}")
    assert answer.status_code == 200
    assert shown(answer) == ids(*(made[name] for name in reversed(hits)))


def test_a_filter_asked_for_by_htmx(alices: Client, entry: MakeEntry) -> None:
    his, _ = entry(user_name="bob"), entry(user_name="alice")
    answer = alices.get(f"{URL}?person=bob", headers=HTMX)
    assert "<html" not in answer.text
    assert shown(answer) == ids(his)


def test_a_chip_for_each_filter_with_the_url_without_it(alices: Client, entry: MakeEntry) -> None:
    entry()
    query = "outcome=succeeded&outcome=failed&person=alice&before=99-9"
    page = Page(alices.get(f"{URL}?{query}"))
    links = page.all('a[aria-label^="Remove"]')
    assert [(*chip(link), link.attributes["href"]) for link in links] == [
        ("Outcome", "Succeeded", "?outcome=failed&person=alice"),
        ("Outcome", "Failed", "?outcome=succeeded&person=alice"),
        ("Person", "alice", "?outcome=succeeded&outcome=failed"),
    ]


def test_the_history_says_how_many_match_and_how_the_search_was_read(
    alices: Client, entry: MakeEntry
) -> None:
    for _ in range(3):
        entry()
    text = alices.get(f"{URL}?q={ADDRESS}").text
    assert "3 of 3 attempts, newest first" in text
    assert f"the address {ADDRESS}" in text
    assert f'href="/addresses/{ADDRESS}/timeline/"' in text


def test_the_chip_of_a_time_says_utc(alices: Client, entry: MakeEntry) -> None:
    entry()
    assert "2026-01-02 03:04:05 UTC" in alices.get(f"{URL}?since=2026-01-02T03:04:05").text


def test_the_filter_form_keeps_its_values(alices: Client, entry: MakeEntry) -> None:
    entry(token_id=TOKEN, token_label="Ops")
    query = f"person=alice&person=bob&outcome=failed&since=2026-01-02T03:04:05&token={TOKEN}&q=w"
    form = Page(alices.get(f"{URL}?{query}")).form("at")
    assert form["person"][:2] == ["alice", "bob"]
    assert form["token"] == [TOKEN]
    assert form["q"] == ["w"]
    assert form["outcome"] == ["failed"]
    assert form["since"] == ["2026-01-02T03:04:05"]


def test_the_filter_form_keeps_values_that_no_list_offers(alices: Client, entry: MakeEntry) -> None:
    entry()
    text = alices.get(f"{URL}?token={TOKEN}&organization=org_9").text
    assert f'<option value="{TOKEN}" selected>' in text
    assert '<option value="org_9" selected>' in text


def test_a_search_from_the_page_is_of_all_time(alices: Client, entry: MakeEntry) -> None:
    """The form does not send along the last 30 days that nobody asked for."""
    entry()
    assert 'name="when"' not in alices.get(URL).text
    assert 'name="when" value="7d"' in alices.get(f"{URL}?when=7d").text


def test_a_filter_without_matches_is_explained(alices: Client, entry: MakeEntry) -> None:
    entry()
    text = alices.get(f"{URL}?person=nobody").text
    assert "No attempts match" in text
    assert 'href="?person=nobody&amp;when=all">Search all time' in text
    assert "Clear all filters" in text


@pytest.mark.parametrize(
    "query",
    [
        "outcome=no-such",
        "since=yesterday",
        "since=2026-13-99",
        "until=%00",
        "person=a%00b",
        "q=" + "9" * 201,
        "q=a%00b",
        "token=" + "x" * 61,
        "token=live",
        "environment=mars",
        "at=now",
        "until=9999-12-31T23:59:59",
        "since=0001-01-01T00:00:00%2B14:00",
    ],
)
def test_an_invalid_filter_is_not_applied(alices: Client, entry: MakeEntry, query: str) -> None:
    made = entry()
    answer = alices.get(f"{URL}?{query}")
    assert answer.status_code == 200
    assert shown(answer) == ids(made)


def test_an_invalid_filter_is_explained(alices: Client, entry: MakeEntry) -> None:
    """The filters are folded away: they must open, or the words stand outside of them."""
    entry()
    query = f"{URL}?since=yesterday"
    assert "Enter a valid date/time." in alices.get(query, headers=HTMX).text
    page = Page(alices.get(query))
    assert "Enter a valid date/time." in page.text
    assert page.all("details.filters[open]")


@pytest.mark.parametrize(
    "query",
    [
        f"person={HOSTILE}",
        f"q={HOSTILE}",
        f"token={HOSTILE}",
        f"organization={HOSTILE}",
        f"error={HOSTILE}",
        f"environment={HOSTILE}",
        f"when={HOSTILE}",
        f"at={HOSTILE}",
        f"zone={HOSTILE}",
        f"since={HOSTILE}",
        f"outcome={HOSTILE}",
        f"{HOSTILE}=1&person=alice",
        "person=alice&before=" + HOSTILE,
        "person='%20OR%201=1--",
        "q=%25_%5C",
        "q=%E2%80%AEmoc&q=%F0%9F%92%A9",
        "%ff%fe=%ff",
        "&&&=&=",
    ],
)
def test_hostile_query_strings(alices: Client, entry: MakeEntry, query: str) -> None:
    entry()
    answer = alices.get(f"{URL}?{query}")
    assert answer.status_code == 200
    assert HOSTILE not in answer.text


def test_the_rows_of_the_history_are_escaped(alices: Client, entry: MakeEntry) -> None:
    names = ["reason", "user_name", "organization_name", "allocation_name", "allocation_id"]
    names += ["allocation_type", "token_label", "address_label", "reverse_dns", "address"]
    entry(**dict.fromkeys(names, HOSTILE))
    text = alices.get(URL).text
    assert HOSTILE not in text
    assert text.count("&lt;script&gt;") >= 6
