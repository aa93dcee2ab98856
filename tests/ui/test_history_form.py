"""The filters of the history: from a URL to a search, and back to other URLs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from django.http import QueryDict
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from ipadmin.audit.search import pages
from ipadmin.audit.search.plan import fetch_plan
from ipadmin.models import AuditEntry, Outcome, User
from ipadmin.ui.history_form import HistoryFilters
from tests.examples import share_of
from tests.history import keep

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
TOKEN = "7d1f5a3e-2b4c-4d6e-9f80-a1b2c3d4e5f6"


def asked(query: str, within: list[str] | None = None) -> HistoryFilters:
    return HistoryFilters(QueryDict(query), within)


def found(query: str, within: list[str] | None = None) -> list[AuditEntry]:
    """By the page, and by the whole condition, which are the same."""
    filters = asked(query, within)
    entries = list(filters.apply(AuditEntry.objects.all()))
    shown = pages.page(fetch_plan(filters.search)).entries
    assert [each.pk for each in shown] == [each.pk for each in entries]
    return entries


@pytest.mark.parametrize(
    ("query", "is_found"),
    [
        ("", True),
        ("outcome=pending", True),
        ("outcome=failed", False),
        ("outcome=failed&outcome=pending", True),
        ("outcome=nonsense", True),
        ("person=ALICE", True),
        ("person=%20alice%20", True),
        ("person=alic", False),
        ("person=bob&person=alice", True),
        ("person=&person=%20", True),
        ("q=2001:DB8:", True),
        ("q=ip_AbCdEf", True),
        ("q=ip_AbCd", False),
        ("q=192.", False),
        ("q=%25", False),
        ("q=_001", False),
        ("q=%20%20", True),
        (f"token={TOKEN}", True),
        (f"token={TOKEN.upper()}", True),
        (f"token={TOKEN[:-1]}0", False),
        (f"token={TOKEN[:-1]}0&token={TOKEN}", True),
        ("token=live", True),
        ("organization=ORG_1", True),
        ("organization=org_2", False),
        ("organization=org_2&organization=org_1", True),
        ("environment=sandbox", True),
        ("environment=live", False),
        ("environment=mars", True),
        ("error=answer_lost", True),
        ("error=ANSWER_LOST", False),
        ("person=alice&outcome=failed", False),
        ("q=alice&person=alice&outcome=pending&environment=sandbox", True),
        ("page=3&unknown=1", True),
        # As it was called once.
        ("address=192", True),
    ],
)
def test_filter(query: str, is_found: bool) -> None:
    User.objects.create(username="alice")
    keep(
        outcome=Outcome.PENDING,
        address="2001:db8::1",
        address_id="ip_AbCdEf",
        token_id=TOKEN,
        error_code="answer_lost",
    )
    assert bool(found(query)) is is_found


# Time


@pytest.mark.parametrize(
    ("query", "is_found"),
    [
        ("since=2026-11-23T12:00:00", True),
        ("since=2026-11-23T12:00:01", False),
        ("until=2026-11-23T12:00:00", True),
        ("until=2026-11-23T11:59:59", False),
        ("until=2026-11-23T12:00", True),
        ("since=2026-11-23", True),
        ("since=2026-11-24", False),
        ("until=2026-11-23", True),
        ("until=2026-11-22", False),
        ("since=2026-11-23T14:00:00%2B02:00", True),
        ("until=2026-11-23T14:00:00%2B02:00", True),
        ("until=2026-11-23T13:59:59%2B02:00", False),
        ("since=2026-11-23T12:00:00&until=2026-11-23T12:00:00", True),
        ("since=tomorrow", True),
        ("at=2026-11-23T12:00:00", True),
        ("at=2026-11-23T11:55:00", True),
        ("at=2026-11-23T12:05:00", True),
        ("at=2026-11-23T11:54:59", False),
        ("at=2026-11-23T12:05:01", False),
        # The most exact one counts.
        ("at=2026-11-23T12:00:00&until=2026-11-01&when=today", True),
        ("since=2026-11-23&when=today", True),
    ],
)
def test_moments_are_utc_and_the_last_second_is_included(query: str, is_found: bool) -> None:
    keep(created_at=datetime(2026, 11, 23, 12, 0, 0, 999_999, tzinfo=UTC))
    assert bool(found(query)) is is_found


def test_moments_are_read_in_the_zone_that_the_url_names() -> None:
    keep(created_at=datetime(2026, 11, 23, 12, tzinfo=UTC))
    berlin = "zone=Europe/Berlin"
    assert found(f"since=2026-11-23T13:00:00&{berlin}")
    assert not found(f"since=2026-11-23T13:00:01&{berlin}")
    with timezone.override(ZoneInfo("America/New_York")):
        assert found(f"until=2026-11-23T13:00:00&{berlin}")


@pytest.mark.parametrize(
    ("query", "days"),
    [
        ("", 30),
        ("outcome=failed", 30),
        ("when=today", 1),
        ("when=7d", 7),
        ("when=90d", 90),
        ("when=nonsense", None),
        ("when=all", None),
        ("q=alice", None),
        ("q=alice&when=7d", 7),
        ("q=%00", 30),
        ("since=yesterday", None),
    ],
)
def test_the_last_days_where_neither_time_nor_search_is_given(query: str, days: int | None) -> None:
    search = asked(query).search
    today = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    assert search.since == (days and today - (days - 1) * DAY)
    assert search.until is None


def test_an_end_before_the_beginning_is_not_understood() -> None:
    filters = asked("since=2026-11-23&until=2026-11-22")
    assert "until" in filters.errors
    assert (filters.search.since, filters.search.until) == (None, None)


def test_a_preset_is_chosen_or_none_is() -> None:
    def chosen(query: str) -> list[str]:
        return [name for name, _, is_chosen in asked(query).period_links() if is_chosen]

    assert chosen("") == chosen("when=30d") == ["Last 30 days"]
    assert chosen("q=alice") == chosen("when=all") == ["All time"]
    assert chosen("at=2026-11-23") == chosen("since=2026-11-23") == []


# What may come from anybody


@pytest.mark.parametrize(
    "query",
    [
        "until=9999-12-31T23:59:59",
        "until=9999-12-31",
        "since=0001-01-01T00:00:00",
        "since=0001-01-01T00:00:00%2B14:00",
        "until=9999-12-31T23:59:59-14:00",
        "at=9999-12-31",
        "at=0002-01-01",
        "person=%00",
        "organization=%00",
        "error=%00",
        "q=%00",
        "q=%F0%9F%92%A9",
        "q=" + "9" * 5000,
        "token=" + "x" * 5000,
        "token=%00",
        "person=" + "x" * 5000,
        "q=%25%27;DROP TABLE",
        "since=%0A",
        "outcome=%00",
        "until=99999999999999999999",
        "zone=../../etc/passwd&since=2026-11-23",
        "person=x&" * 300,
    ],
)
def test_hostile_filters_are_harmless(query: str) -> None:
    keep()
    filters = asked(query)
    assert len(filters.apply(AuditEntry.objects.all())) <= 1
    assert all(chip.url.startswith("?") for chip in filters.chips())
    assert isinstance(filters.criteria(), dict)


@pytest.mark.parametrize("name", ["person", "organization", "token"])
def test_so_many_values_and_no_more(name: str) -> None:
    """Every chip's link repeats all the others."""
    many = [f"{name}={UUID(int=number)}" for number in range(51)]
    assert len(asked("&".join(many[:50] * 2)).chips()) == 50
    too_many = asked("&".join(many))
    assert too_many.errors[name] == ["At most 50 at once."]
    assert too_many.chips() == []


NAMES = ["q", "when", "since", "until", "at", "zone", "outcome", "person", "token", "organization"]
pairs = st.tuples(st.sampled_from([*NAMES, "environment", "error", "before", "x"]), st.text())


@settings(deadline=None, max_examples=share_of(150))
@given(st.lists(pairs, max_size=8), st.none() | st.just(["org_1"]))
def test_any_query_has_a_page_with_links(
    given_: list[tuple[str, str]], within: list[str] | None
) -> None:
    query = QueryDict(mutable=True)
    for name, value in given_:
        query.appendlist(name, value.encode("utf-8", "replace").decode())
    filters = HistoryFilters(query, within)
    assert pages.page(fetch_plan(filters.search)).entries == []
    for url in [filters.url(), *(chip.url for chip in filters.chips())]:
        HistoryFilters(QueryDict(url[1:]), within).chips()


def test_several_people_may_stand_in_one_text() -> None:
    ids = [User.objects.create(username=name).pk for name in ("alice", "bob", "charlie")]
    filters = HistoryFilters(QueryDict("person=Alice, bob,&person=charlie"))
    assert filters.search.people == ids
