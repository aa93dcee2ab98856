"""The activity log: what people did to the site other than attempts."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from ipadmin.audit import activity_log
from ipadmin.audit.activity import Actor, record
from ipadmin.models import LinkKind, User
from tests import tampering
from tests.conftest import ClientOf
from tests.page import Page
from tests.views.conftest import HTMX
from tests.views.katapult import HOSTILE
from tests.views.test_integrity import act, audreys, links

# Used by name only, as fixtures are.
__all__ = ["audreys"]

URL = "/audit/activity/"
pytestmark = pytest.mark.django_db


def page_link(answer: Any, rel: str) -> str:
    return Page(answer).link(rel)


# The log


def test_the_log_leaves_out_what_seals_entries(audreys: Client) -> None:
    tampering.finished()
    act(LinkKind.PRUNED, entries=12, by={"command_line": "root"})
    tampering.finished()
    answer = audreys.get(URL)
    assert links(answer) == [3]
    assert "12 attempts removed" in answer.text
    assert "root (command line)" in answer.text


def test_the_log_by_pages(audreys: Client) -> None:
    for _ in range(2 * activity_log.PER_PAGE + 3):
        act()
    pages = [audreys.get(URL)]
    while older := page_link(pages[-1], "next"):
        pages.append(audreys.get(URL + older))
    assert [number for page in pages for number in links(page)] == [*range(53, 0, -1)]
    back = audreys.get(URL + page_link(pages[-1], "prev"))
    assert links(back) == links(pages[-2])
    first = audreys.get(URL + page_link(back, "prev"))
    assert links(first) == links(pages[0])
    assert page_link(first, "prev") == ""


def test_behind_the_newest_is_the_newest_again(audreys: Client) -> None:
    act()
    assert links(audreys.get(f"{URL}?after=1")) == [1]


def test_behind_the_oldest_is_nothing(audreys: Client) -> None:
    act()
    answer = audreys.get(f"{URL}?before=1")
    assert links(answer) == []
    assert "No older activity" in answer.text


@pytest.mark.parametrize("number", ["", "x", "-1", "1.5", "9" * 30, "²", "1\x00"])
def test_a_page_that_is_none(audreys: Client, number: str) -> None:
    act()
    assert links(audreys.get(URL, {"before": number})) == [1]
    assert links(audreys.get(URL, {"after": number})) == [1]


def test_htmx_gets_the_log_alone(audreys: Client) -> None:
    act()
    answer = audreys.get(f"{URL}?before=9", headers=HTMX)
    assert "<html" not in answer.text
    assert "<h1" not in answer.text
    assert links(answer) == [1]


def test_what_somebody_wrote_into_an_act_is_text(audreys: Client) -> None:
    criteria = {HOSTILE: [HOSTILE]}
    act(
        LinkKind.EXPORT_FINISHED,
        by={"user_name": HOSTILE},
        criteria=criteria,
        sha256=HOSTILE,
        format=HOSTILE,
    )
    text = audreys.get(URL).text
    assert HOSTILE not in text
    assert text.count("&lt;script&gt;") >= 4


@pytest.mark.parametrize(("name", "value"), [("at", "x"), ("details", "{"), ("details", '["x"]')])
def test_an_unreadable_link_is_shown(audreys: Client, name: str, value: str) -> None:
    if connection.vendor != "sqlite" and value != '["x"]':
        pytest.skip("this database takes no such value")
    act(by={"user_name": "carol"})
    act(by={"user_name": "dave"})
    tampering.link(2, name, value)
    answer = audreys.get(URL)
    assert answer.status_code == 200
    assert links(answer) == [2, 1]
    assert "carol" in answer.text


@pytest.mark.skipif(connection.vendor != "sqlite", reason="numbers are numbers elsewhere")
def test_a_link_without_a_number_is_left_out(audreys: Client) -> None:
    act()
    act()
    tampering.link(2, "sequence", "abc")
    answer = audreys.get(URL)
    assert links(answer) == [1]


# Filters


def of(user: User) -> Actor:
    return Actor(user_id=user.pk, user_name=user.username)


@pytest.mark.parametrize(
    ("kind", "numbers"), [("sign-ins", [1]), ("accounts", [2]), ("tokens", [3]), ("history", [4])]
)
def test_one_kind(audreys: Client, alice: User, kind: str, numbers: list[int]) -> None:
    for each in (
        *(LinkKind.SIGNED_IN, LinkKind.ROLES_CHANGED, LinkKind.TOKEN_ADDED),
        LinkKind.CHECKPOINT_CREATED,
    ):
        record(each, of(alice))
    assert links(audreys.get(URL, {"kind": kind})) == numbers


def test_an_unknown_kind_is_none(audreys: Client) -> None:
    act()
    assert links(audreys.get(URL, {"kind": HOSTILE})) == [1]


def test_one_person_by_and_about(audreys: Client, alice: User, bob: User) -> None:
    record(LinkKind.SIGNED_IN, of(alice))
    record(LinkKind.ROLES_CHANGED, of(bob), person="alice", person_id=alice.pk)
    record(LinkKind.SIGN_IN_FAILED, Actor(), name="alice")
    # The name in the record is not what counts: accounts could be renamed once.
    record(LinkKind.SIGNED_IN, Actor(user_id=bob.pk, user_name="alice"))
    assert links(audreys.get(URL, {"person": "ALICE"})) == [3, 2, 1]
    assert links(audreys.get(URL, {"person": "bob"})) == [4, 2]
    assert "no account with the user name nobody" in audreys.get(URL, {"person": "nobody"}).text


def test_a_filtered_log_by_pages(
    audreys: Client, alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a page reads fewer records than there are between two matches."""
    monkeypatch.setattr(activity_log, "SEARCHED", 40)
    for number in range(150):
        record(LinkKind.SIGNED_IN, of(alice if number % 50 == 0 else bob))
    here, seen = URL + "?person=alice", []
    answer = audreys.get(here)
    while older := page_link(answer, "next"):
        seen += links(answer)
        answer = audreys.get(URL + older)
    assert seen + links(answer) == [101, 51, 1]
    back = []
    while newer := page_link(answer, "prev"):
        back += links(answer)
        answer = audreys.get(URL + newer)
    assert sorted({*back, *links(answer)}) == [1, 51, 101]


def test_a_filter_reads_a_limited_number_of_records(audreys: Client, alice: User) -> None:
    counts = []
    for made in (1, 60):
        for _ in range(made):
            record(LinkKind.SIGNED_IN, of(alice))
        with CaptureQueriesContext(connection) as found:
            assert audreys.get(URL, {"person": "alice"}).status_code == 200
        counts.append(len(found))
    assert counts[0] == counts[1] <= 12


@pytest.mark.parametrize("who", ["alice", "adam", "charlie"])
def test_only_auditors(request: pytest.FixtureRequest, client_of: ClientOf, who: str) -> None:
    assert client_of(request.getfixturevalue(who)).get(URL).status_code == 403
