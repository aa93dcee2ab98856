"""The links of the history's filters, and what they tell of whom."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.http import QueryDict
from django.utils import timezone

from ipadmin.audit.search import pages
from ipadmin.audit.search.summary import Bar
from tests.history import keep
from tests.ui.test_history_form import TOKEN, asked, found

pytestmark = pytest.mark.django_db


def chips(query: str) -> dict[str, QueryDict]:
    """By its text, the query without it."""
    return {chip.text: QueryDict(chip.url[1:]) for chip in asked(query).chips()}


def test_a_chip_takes_only_itself_away() -> None:
    query = "outcome=failed&outcome=unknown&person=bob&before=7-7&since=2026-11-23"
    without = chips(query)
    assert set(without) == {"Failed", "Unknown", "bob", "2026-11-23 00:00:00 UTC"}
    assert without["Failed"].getlist("outcome") == ["unknown"]
    assert without["Failed"]["person"] == "bob"
    assert "person" not in without["bob"]
    assert not any("before" in each for each in without.values())


@pytest.mark.parametrize("query", ["person=bob", "person=bob&when=all", "person=bob&when=7d"])
def test_a_period_with_a_name_is_no_chip(query: str) -> None:
    assert set(chips(query)) == {"bob"}


@pytest.mark.parametrize("written", [TOKEN, TOKEN.upper(), UUID(TOKEN).hex, f"{{{TOKEN}}}"])
def test_the_chip_of_a_token_goes_however_its_id_was_written(written: str) -> None:
    keep(token_id=TOKEN, token_label="Ops")
    without = chips(f"when=all&token={written}&token={written}")
    assert list(without) == ["Ops"]
    assert without["Ops"].getlist("token") == []


def test_a_chip_says_what_people_call_it() -> None:
    keep(organization_name="Acme Ltd")
    query = "organization=org_1&environment=sandbox&at=2026-11-23T12:00:00&q=web&error=x"
    said = [(chip.label, chip.text) for chip in asked(query).chips()]
    assert said == [
        ("Search", "web"),
        ("Around", "2026-11-23 12:00:00 UTC ± 5 min"),
        ("Organization", "Acme Ltd"),
        ("Katapult", "Sandbox"),
        ("Error", "x"),
    ]


def test_a_url_with_another_time_has_no_other() -> None:
    filters = asked("person=bob&since=2026-11-01&until=2026-11-02&after=1-1")
    assert QueryDict(filters.url(when="7d")[1:]).dict() == {"person": "bob", "when": "7d"}


def test_a_click_on_a_bar_asks_for_exactly_its_entries() -> None:
    start = datetime(2026, 11, 23, 12, tzinfo=UTC)
    inside = [keep(created_at=start), keep(created_at=start + timedelta(seconds=3599.999))]
    keep(created_at=start - timedelta(microseconds=1))
    keep(created_at=start + timedelta(hours=1))
    bar = Bar(start, start + timedelta(hours=1), {})
    url = asked("when=all&zone=Asia/Kolkata").bar_url(bar)
    assert found(url[1:]) == inside[::-1]


def test_another_page_asks_the_same() -> None:
    entry = keep()
    filters = asked("person=alice&outcome=&after=1-1")
    url = filters.page_url("before", pages.cursor_of(entry))
    cursor = pages.cursor_text(pages.cursor_of(entry))
    assert QueryDict(url[1:]).dict() == {"person": "alice", "before": cursor}
    assert filters.page_url("after", None) == ""


def test_a_form_carries_everything_along() -> None:
    query = "person=alice&person=bob&q=web&before=1-1&outcome="
    assert asked(query).query() == [("person", "alice"), ("person", "bob"), ("q", "web")]


def test_criteria_are_moments_and_not_today() -> None:
    criteria = asked("when=today&person=bob&until=", ["org_1"]).criteria()
    today = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    assert criteria == {"person": ["bob"], "since": [today.isoformat()], "within": ["org_1"]}


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("192.0.2.", ""),
        ("192.0.2.7/32", "192.0.2.7"),
        ("192.0.2.7/31", ""),
        ("2001:db8::", ""),
        ("web", ""),
        ("", ""),
    ],
)
def test_a_whole_address_has_a_story(typed: str, address: str) -> None:
    assert asked(f"q={typed}").timeline == address


# Some organizations only


@pytest.mark.parametrize(
    "query", ["", "q=192.0.2.", "person=alice", "organization=org_1", "q=vm_x"]
)
def test_within_some_organizations_others_do_not_exist(query: str) -> None:
    own = keep(allocation_id="vm_x")
    keep(organization_id="org_2", allocation_id="vm_x")
    assert found(query, ["org_1"]) == [own]
    assert found(query, []) == []


@pytest.mark.parametrize("query", ["organization=org_2", "organization=ORG_2&when=all"])
def test_within_some_organizations_another_can_not_be_asked_for(query: str) -> None:
    keep(organization_id="org_2", organization_name="Brook")
    assert found(query, ["org_1"]) == []
    assert not any("Brook" in chip.text for chip in asked(query, ["org_1"]).chips())


def test_within_some_organizations_a_token_has_no_name() -> None:
    keep(organization_id="org_2", token_id=TOKEN, token_label="Brook's")
    chips = asked(f"token={TOKEN}", ["org_1"]).chips()
    assert [chip.text for chip in chips if chip.label == "Token"] == [TOKEN]


def test_what_a_list_may_not_have_is_offered_when_it_is_chosen() -> None:
    keep(token_id=TOKEN, token_label="Ops")
    assert asked(f"token={TOKEN}").firsts["token"] == (TOKEN, f"Ops · {TOKEN[:8]}")
    assert asked("organization=org_9").firsts == {"organization": ("org_9", "org_9")}
    assert asked("").firsts == {}
