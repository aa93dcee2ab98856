"""The audit history: filtered and paged by its URL alone."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.utils import timezone

from ipadmin.models import AuditEntry, Outcome, User
from ipadmin.services.history import PER_PAGE
from tests.conftest import ClientOf
from tests.services.katapult import ADDRESS, IP
from tests.views.conftest import HTMX, MakeEntry
from tests.views.katapult import HOSTILE

URL = "/audit/"
ENTRY = re.compile(r'class="whole-row" href="/audit/([^/]+)/"')
CHIP = re.compile(
    r'<li><span class="quiet">([^<]*)</span> (.*?) <a href="([^"]*)" aria-label="Remove', re.DOTALL
)


def shown(answer: Any) -> list[str]:
    """The attempt ids of the rows, in order."""
    return ENTRY.findall(answer.text)


def link(answer: Any, rel: str) -> str:
    found = re.search(rf'rel="{rel}" href="([^"]*)"', answer.text)
    return found[1].replace("&amp;", "&") if found else ""


def ids(*entries: AuditEntry) -> list[str]:
    return [str(each.attempt_id) for each in entries]


# What is shown


def test_nothing_yet(alices: Client) -> None:
    answer = alices.get(URL)
    assert answer.status_code == 200
    assert "Nothing has been tried yet" in answer.text
    assert "<form method" not in answer.text.split("<main")[1]


def test_newest_first(alices: Client, entry: MakeEntry) -> None:
    old, new = entry(), entry(outcome=Outcome.PENDING)
    assert shown(alices.get(URL)) == ids(new, old)


def test_what_a_row_says(alices: Client, entry: MakeEntry) -> None:
    entry(reason="moved", user_name="bob", created_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    text = alices.get(URL).text
    for said in (ADDRESS, "web-01", "bob", "Acme", "moved", "2026-01-02 03:04:05", "Succeeded"):
        assert said in text


def test_what_was_done_elsewhere_is_marked(alices: Client, entry: MakeEntry) -> None:
    entry(environment="live")
    assert 'data-environment="live">LIVE' in alices.get(URL).text


@pytest.mark.parametrize("who", ["alice", "audrey"])
def test_everybodys_attempts(
    request: pytest.FixtureRequest, client_of: ClientOf, entry: MakeEntry, who: str
) -> None:
    made = entry(user_name="somebody")
    assert shown(client_of(request.getfixturevalue(who)).get(URL)) == ids(made)


def test_an_auditor_is_led_to_no_address(
    audrey: User, client_of: ClientOf, entry: MakeEntry
) -> None:
    text = client_of(audrey).get(URL).text
    assert "/addresses/" not in text
    assert "/tokens/" not in text


# Filters


@pytest.mark.parametrize(
    ("query", "hits"),
    [
        ({}, "ab"),
        ({"outcome": "succeeded"}, "a"),
        ({"outcome": ["succeeded", "failed"]}, "ab"),
        ({"outcome": "unknown"}, ""),
        ({"person": "ALICE"}, "a"),
        ({"person": "ali"}, ""),
        ({"person": "  bob "}, "b"),
        ({"address": ADDRESS}, "a"),
        ({"address": "2001:DB8"}, "b"),
        ({"address": IP}, "a"),
        ({"address": IP.upper()}, ""),
        ({"address": "%"}, ""),
        ({"token": "live"}, "a"),
        ({"token": "FEDCBA9876543210"}, "b"),
        ({"since": "2026-02-01"}, "b"),
        ({"until": "2026-01-31T23:59"}, "a"),
        ({"until": "2026-01-02T03:04:05"}, "a"),
        ({"until": "2026-01-02T03:04:04"}, ""),
        ({"since": "2026-01-02T03:04:05", "until": "2026-03-01"}, "ab"),
        ({"person": "alice", "outcome": "failed"}, ""),
        ({"unknown": "x"}, "ab"),
    ],
)
@pytest.mark.parametrize("headers", [{}, HTMX], ids=["plain", "htmx"])
def test_a_filter(
    alices: Client,
    entry: MakeEntry,
    query: dict[str, Any],
    hits: str,
    headers: dict[str, str],
) -> None:
    made = {
        "a": entry(created_at=datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)),
        "b": entry(
            created_at=datetime(2026, 2, 2, tzinfo=UTC),
            outcome=Outcome.FAILED,
            user_name="Bob",
            address="2001:db8::9",
            address_id="ip_0000000000000009",
            token_label="Other",
            token_fingerprint="fedcba9876543210",
        ),
    }
    answer = alices.get(f"{URL}?{urlencode(query, doseq=True)}", headers=headers)
    assert answer.status_code == 200
    assert shown(answer) == ids(*(made[name] for name in reversed(hits)))


def test_a_chip_for_each_filter_with_the_url_without_it(alices: Client, entry: MakeEntry) -> None:
    entry()
    query = "outcome=succeeded&outcome=failed&person=alice&before=99"
    chips = CHIP.findall(alices.get(f"{URL}?{query}").text)
    assert [(label, text) for label, text, _ in chips] == [
        ("Outcome", "succeeded"),
        ("Outcome", "failed"),
        ("Person", "alice"),
    ]
    assert [url.replace("&amp;", "&") for _, _, url in chips] == [
        "?outcome=failed&person=alice",
        "?outcome=succeeded&person=alice",
        "?outcome=succeeded&outcome=failed",
    ]


def test_the_chip_of_a_moment_says_utc(alices: Client, entry: MakeEntry) -> None:
    entry()
    assert "2026-01-02 03:04:05 UTC" in alices.get(f"{URL}?since=2026-01-02T03:04:05").text


def test_the_form_keeps_what_was_asked(alices: Client, entry: MakeEntry) -> None:
    entry()
    text = alices.get(f"{URL}?person=alice&outcome=failed&since=2026-01-02T03:04:05").text
    assert re.search(r'name="person" value="alice"', text)
    assert re.search(r'value="failed"[^>]*checked', text)
    assert 'value="2026-01-02T03:04:05"' in text


def test_nothing_matches(alices: Client, entry: MakeEntry) -> None:
    entry()
    text = alices.get(f"{URL}?person=nobody").text
    assert "No attempt matches these filters" in text
    assert "Clear all filters" in text


@pytest.mark.parametrize(
    "query",
    [
        "outcome=no-such",
        "since=yesterday",
        "since=2026-13-99",
        "until=%00",
        "person=a%00b",
        "address=" + "9" * 65,
        "token=" + "x" * 61,
        "until=9999-12-31T23:59:59",
        "since=0001-01-01T00:00:00%2B14:00",
    ],
)
@pytest.mark.parametrize("headers", [{}, HTMX], ids=["plain", "htmx"])
def test_what_is_not_understood_is_not_applied(
    alices: Client, entry: MakeEntry, query: str, headers: dict[str, str]
) -> None:
    made = entry()
    answer = alices.get(f"{URL}?{query}", headers=headers)
    assert answer.status_code == 200
    assert shown(answer) == ids(made)


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["plain", "htmx"])
def test_what_is_not_understood_is_said(
    alices: Client, entry: MakeEntry, headers: dict[str, str]
) -> None:
    """The filters are folded away: they must open, or the words stand outside of them."""
    entry()
    text = alices.get(f"{URL}?since=yesterday", headers=headers).text
    assert "Enter a valid date/time." in text
    assert headers or re.search(r'<details class="card filters"\s+open>', text)


@pytest.mark.parametrize(
    "query",
    [
        f"person={HOSTILE}",
        f"address={HOSTILE}",
        f"token={HOSTILE}",
        f"since={HOSTILE}",
        f"outcome={HOSTILE}",
        f"{HOSTILE}=1&person=alice",
        "person=alice&before=" + HOSTILE,
        "person='%20OR%201=1--",
        "address=%25_%5C",
        "%ff%fe=%ff",
        "&&&=&=",
    ],
)
@pytest.mark.parametrize("headers", [{}, HTMX], ids=["plain", "htmx"])
def test_hostile_query_strings(
    alices: Client, entry: MakeEntry, query: str, headers: dict[str, str]
) -> None:
    entry()
    answer = alices.get(f"{URL}?{query}", headers=headers)
    assert answer.status_code == 200
    assert HOSTILE not in answer.text


def test_what_an_entry_holds_is_escaped(alices: Client, entry: MakeEntry) -> None:
    names = ["reason", "user_name", "organization_name", "allocation_name", "allocation_id"]
    names += ["allocation_type", "token_label", "address_label", "reverse_dns", "address"]
    entry(**dict.fromkeys(names, HOSTILE))
    text = alices.get(URL).text
    assert HOSTILE not in text
    assert text.count("&lt;script&gt;") >= 6


# Pages


@pytest.fixture
def three_pages(entry: MakeEntry) -> list[str]:
    """The attempt ids, newest first."""
    made = [entry(user_name="alice") for _ in range(2 * PER_PAGE + 1)]
    return ids(*reversed(made))


def test_there_and_back(alices: Client, three_pages: list[str]) -> None:
    first = alices.get(URL)
    second = alices.get(URL + link(first, "next"))
    third = alices.get(URL + link(second, "next"))
    assert shown(first) + shown(second) + shown(third) == three_pages
    assert (link(first, "prev"), link(third, "next")) == ("", "")
    assert shown(alices.get(URL + link(third, "prev"))) == shown(second)
    assert shown(alices.get(URL + link(second, "prev"))) == shown(first)


def test_the_newest_page_has_no_newer_one(alices: Client, three_pages: list[str]) -> None:
    second = alices.get(URL + link(alices.get(URL), "next"))
    assert link(alices.get(URL + link(second, "prev")), "prev") == ""


def test_pages_stay_where_they_are(
    alices: Client, three_pages: list[str], entry: MakeEntry
) -> None:
    older = link(alices.get(URL), "next")
    entry()
    assert shown(alices.get(URL + older)) == three_pages[PER_PAGE : 2 * PER_PAGE]


def test_pages_keep_the_filters(alices: Client, three_pages: list[str], entry: MakeEntry) -> None:
    entry(user_name="bob")
    older = link(alices.get(f"{URL}?person=alice&outcome=succeeded"), "next")
    assert older.startswith("?person=alice&outcome=succeeded&before=")
    assert shown(alices.get(URL + older)) == three_pages[PER_PAGE : 2 * PER_PAGE]


def test_a_full_page_is_the_last(alices: Client, entry: MakeEntry) -> None:
    for _ in range(PER_PAGE):
        entry()
    assert 'aria-label="Pages"' not in alices.get(URL).text


@pytest.mark.parametrize("number", ["x", "-1", "1.5", "", "%00", "9" * 30, "²"])
@pytest.mark.parametrize("name", ["before", "after"])
def test_no_number_is_the_first_page(
    alices: Client, entry: MakeEntry, name: str, number: str
) -> None:
    made = entry()
    assert shown(alices.get(f"{URL}?{name}={number}")) == ids(made)


@pytest.mark.parametrize("query", ["before=0", "before=1", "after=999999999999999999"])
def test_beyond_the_end_is_no_dead_end(alices: Client, entry: MakeEntry, query: str) -> None:
    entry()
    answer = alices.get(f"{URL}?{query}")
    assert answer.status_code == 200
    assert "Nothing has been tried yet" not in answer.text


# Part and whole


def test_htmx_gets_the_part(alices: Client, entry: MakeEntry) -> None:
    made = entry()
    answer = alices.get(URL, headers=HTMX)
    assert "<html" not in answer.text
    assert shown(answer) == ids(made)
    assert "HX-Request" in answer["Vary"]
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.parametrize("header", ["HX-Boosted", "HX-History-Restore-Request"])
def test_the_history_gets_the_whole(alices: Client, entry: MakeEntry, header: str) -> None:
    made = entry()
    answer = alices.get(URL, headers=HTMX | {header: "true"})
    assert "<html" in answer.text
    assert shown(answer) == ids(made)


# Whose


def test_only_readers_of_the_history(charlie: User, adam: User, client_of: ClientOf) -> None:
    assert client_of(charlie).get(URL).status_code == 403
    assert client_of(adam).get(URL).status_code == 403


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_nothing_changes_it(alices: Client, entry: MakeEntry, method: str) -> None:
    made = entry(created_at=timezone.now() - timedelta(days=1))
    assert getattr(alices, method)(URL).status_code == 405
    assert getattr(alices, method)(made.get_absolute_url()).status_code == 405
    assert AuditEntry.objects.count() == 1
