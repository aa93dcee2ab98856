"""The filters of the history and its pages."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from django.http import QueryDict

from ipadmin.filters import HistoryFilters
from ipadmin.models import AuditEntry
from ipadmin.services import history
from ipadmin.services.history import PER_PAGE

pytestmark = pytest.mark.django_db


def entry(**fields: Any) -> AuditEntry:
    given = {
        "attempt_id": uuid.uuid4(),
        "user_id": 1,
        "user_name": "alice",
        "token_id": uuid.uuid4(),
        "token_label": "Live",
        "token_fingerprint": "0123456789abcdef",
        "address_id": "ip_AbC",
        "address": "2001:db8::1",
    }
    return AuditEntry.objects.create(**given | fields)


def found(query: str) -> list[AuditEntry]:
    return list(HistoryFilters(QueryDict(query)).apply(AuditEntry.objects.all()))


@pytest.mark.parametrize(
    ("query", "is_found"),
    [
        ("", True),
        ("outcome=pending", True),
        ("outcome=failed", False),
        ("outcome=failed&outcome=pending", True),
        ("outcome=nonsense", True),
        ("person=ALICE", True),
        ("person=alic", False),
        ("address=2001:DB8", True),
        ("address=ip_AbC", True),
        ("address=ip_Ab", False),
        ("address=192", False),
        ("address=%25", False),
        ("address=_001", False),
        ("token=live", True),
        ("token=0123456789ABCDEF", True),
        ("token=0123", False),
        ("person=alice&outcome=failed", False),
        ("page=3&unknown=1", True),
    ],
)
def test_filter(query: str, is_found: bool) -> None:
    entry()
    assert bool(found(query)) is is_found


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
    ],
)
def test_moments_are_utc_and_the_last_second_is_included(query: str, is_found: bool) -> None:
    entry(created_at=datetime(2026, 11, 23, 12, 0, 0, 999_999, tzinfo=UTC))
    assert bool(found(query)) is is_found


@pytest.mark.parametrize(
    "query",
    [
        "until=9999-12-31T23:59:59",
        "until=9999-12-31",
        "since=0001-01-01T00:00:00",
        "since=0001-01-01T00:00:00%2B14:00",
        "until=9999-12-31T23:59:59-14:00",
        "person=%00",
        "address=%F0%9F%92%A9",
        "token=" + "x" * 5000,
        "address=%25%27;DROP TABLE",
        "since=%0A",
        "outcome=%00",
        "until=99999999999999999999",
    ],
)
def test_hostile_filters_are_harmless(query: str) -> None:
    entry()
    filters = HistoryFilters(QueryDict(query))
    assert len(filters.apply(AuditEntry.objects.all())) <= 1
    for _label, _text, url in filters.active():
        assert url.startswith("?")


def test_a_chip_takes_only_itself_away() -> None:
    filters = HistoryFilters(
        QueryDict("outcome=failed&outcome=unknown&person=bob&before=7&since=2026-11-23")
    )
    chips = {text: QueryDict(url[1:]) for _label, text, url in filters.active()}
    assert set(chips) == {"failed", "unknown", "bob", "2026-11-23 00:00:00 UTC"}
    assert chips["failed"].getlist("outcome") == ["unknown"]
    assert chips["failed"]["person"] == "bob"
    assert "person" not in chips["bob"]
    assert not any("before" in query for query in chips.values())


# Pages


def fill(count: int) -> list[int]:
    """So many entries; their ids, newest first."""
    AuditEntry.objects.bulk_create(
        AuditEntry(attempt_id=uuid.uuid4(), user_id=1, token_id=uuid.uuid4()) for _ in range(count)
    )
    return list(AuditEntry.objects.values_list("id", flat=True))


def page(**where: int | None) -> history.Slice:
    return history.page(AuditEntry.objects.all(), **where)


def ids(shown: history.Slice) -> list[int]:
    return [each.id for each in shown.entries]


@pytest.mark.parametrize("count", [0, 1, PER_PAGE])
def test_what_fits_on_a_page_has_no_other(count: int) -> None:
    everything = fill(count)
    shown = page()
    assert ids(shown) == everything
    assert (shown.older_than, shown.newer_than) == (None, None)


@pytest.mark.parametrize("count", [PER_PAGE + 1, 2 * PER_PAGE, 2 * PER_PAGE + 1])
def test_there_and_back_again(count: int) -> None:
    everything = fill(count)
    shown, there = page(), []
    there += ids(shown)
    while shown.older_than:
        shown = page(before=shown.older_than)
        there += ids(shown)
    assert there == everything
    back = ids(shown)
    while shown.newer_than:
        shown = page(after=shown.newer_than)
        back = ids(shown) + back
    assert back == everything


@pytest.mark.parametrize("far", [0, 1, 10**18 - 1])
@pytest.mark.parametrize("side", ["before", "after"])
def test_no_page_is_a_dead_end(side: str, far: int) -> None:
    """Wherever a link leads, there are entries, or a link to where they are."""
    everything = fill(3)
    shown = page(**{side: far})
    if shown.older_than is not None:
        assert ids(page(before=shown.older_than))
    if shown.newer_than is not None:
        assert ids(page(after=shown.newer_than))
    assert ids(shown) or shown.older_than or shown.newer_than
    assert set(ids(shown)) <= set(everything)


def test_recent_attempts_are_the_newest_on_that_address() -> None:
    mine = [entry() for _ in range(history.RECENT + 1)]
    entry(address_id="ip_other")
    assert history.recent_attempts("ip_AbC") == mine[:0:-1]
