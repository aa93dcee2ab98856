"""What a range of the history adds up to, compared with a plain count."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from math import exp, log
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ipadmin.audit.counters import SHORTEST_US
from ipadmin.audit.search import local_days, pages, people, plan
from ipadmin.audit.search.plan import fetch_plan
from ipadmin.audit.search.query import Search, interpret
from ipadmin.audit.search.summary import Bar, Summary, summarize
from ipadmin.models import AuditEntry, Outcome
from tests.audit.search.made_up import NOW, Question, bounds, histories, kept, questions
from tests.examples import share_of
from tests.history import keep

pytestmark = pytest.mark.django_db
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def counted(bar: Bar, entries: list[AuditEntry]) -> Counter[str]:
    return Counter(e.outcome for e in entries if bar.since <= e.created_at < bar.until)


def typical(entries: list[AuditEntry]) -> float | None:
    times = [
        log(max(e.duration_us, SHORTEST_US) / 1e6) for e in entries if e.duration_us is not None
    ]
    return exp(sum(times) / len(times)) if times else None


def errors(entries: list[AuditEntry]) -> list[tuple[str, int]]:
    codes = Counter(e.error_code for e in entries if e.error_code)
    return sorted(codes.items(), key=lambda each: (-each[1], each[0]))


def whole(summary: Summary, matches: list[AuditEntry]) -> None:
    """It says of all matches, newest first, what a plain count does."""
    assert summary.attempts == len(matches)
    assert summary.outcomes == Counter(e.outcome for e in matches)
    assert summary.errors == errors(matches)
    assert summary.typical_seconds == pytest.approx(typical(matches))
    for bar in summary.bars:
        assert bar.counts == counted(bar, matches)
    assert sum(sum(bar.counts.values()) for bar in summary.bars) == len(matches)


def newest_part(summary: Summary, matches: list[AuditEntry]) -> None:
    """It says less than there is, and of its newest part what a plain count does."""
    assert summary.attempts <= len(matches)
    newest = matches[: summary.attempts]
    for bar in summary.bars[1:]:
        assert bar.counts == counted(bar, newest)
    assert sum(summary.bars[0].counts.values()) == counted(summary.bars[0], newest).total()


@settings(max_examples=share_of(200), deadline=None, suppress_health_check=SLOW)
@given(
    many=histories,
    question=questions,
    seed=st.integers(0, 10**6),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/Los_Angeles", "Asia/Kolkata"]),
)
def test_the_summary_equals_a_plain_count(
    many: list[dict[str, Any]], question: Question, seed: int, zone: str
) -> None:
    with kept(many) as entries, bounds(seed):
        matches = [entry for entry in entries if question.matches(entry)]
        summary = summarize(fetch_plan(question.search()), NOW, ZoneInfo(zone))
        (newest_part if summary.is_partial else whole)(summary, matches)
        assert all(one.until == next_.since for one, next_ in pairwise(summary.bars))
        if not seed:
            assert not summary.is_partial


# What a bar is


@pytest.mark.parametrize(
    ("zone", "days"),
    [
        ("UTC", {24: 1, 25: 2, 26: 1}),
        ("Europe/Berlin", {25: 3, 26: 1}),
        ("America/Los_Angeles", {24: 2, 25: 2}),
        ("Asia/Kolkata", {25: 3, 26: 1}),
        ("Pacific/Apia", {25: 2, 26: 2}),
    ],
)
@pytest.mark.parametrize("typed", ["", "192.0.2.7"])
def test_the_days_of_bars_are_those_of_the_zone(
    zone: str, days: dict[int, int], typed: str
) -> None:
    """On 25 October 2026 Europe changes from summer to winter time."""
    for day, hour, minute in ((24, 22, 30), (25, 1, 0), (25, 18, 29), (26, 0, 15)):
        keep(created_at=datetime(2026, 10, day, hour, minute, tzinfo=UTC))
    text = interpret(typed, people.beginning) if typed else None
    search = Search(since=datetime(2026, 10, 1, tzinfo=UTC), interpretation=text)
    summary = summarize(fetch_plan(search), NOW, ZoneInfo(zone))
    assert (summary.unit, str(summary.zone)) == ("day", zone)
    bars = [bar for bar in summary.bars if bar.counts]
    assert {bar.since.astimezone(summary.zone).day: bar.counts for bar in bars} == {
        day: {"succeeded": count} for day, count in days.items()
    }
    assert {bar.since.astimezone(summary.zone).hour for bar in summary.bars[1:]} == {0}


def test_days_of_very_many_attempts_are_in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_days, "MAX_MOVED", 0)
    keep(created_at=NOW - HOUR)
    search = Search(since=NOW - 30 * DAY)
    assert summarize(fetch_plan(search), NOW, ZoneInfo("Asia/Tokyo")).zone == UTC


def summary_of(*ages: timedelta, **asked: Any) -> Summary:
    for age in ages:
        keep(created_at=NOW - age)
    return summarize(fetch_plan(Search(**asked)), NOW)


@pytest.mark.parametrize(
    ("length", "unit", "bars"),
    [
        (HOUR, "hour", 2),
        (2 * DAY - 2 * HOUR, "hour", 47),
        (3 * DAY, "day", 4),
        (91 * DAY, "day", 92),
        (93 * DAY, "month", 4),
        (5 * 366 * DAY, "month", 61),
    ],
)
def test_the_length_of_a_period_decides_the_unit_of_bars(
    length: timedelta, unit: str, bars: int
) -> None:
    summary = summary_of(HOUR / 2, since=NOW - length)
    assert (summary.unit, len(summary.bars)) == (unit, bars)
    assert summary.bars[0].since == NOW - length
    assert sum(bool(bar.counts) for bar in summary.bars) == 1


def test_bars_begin_with_the_first_year_that_has_attempts() -> None:
    summary = summary_of(HOUR, 900 * DAY, since=datetime(2, 1, 1, tzinfo=UTC))
    assert summary.unit == "month"
    assert summary.bars[0].since == datetime(2024, 1, 1, tzinfo=UTC)
    assert summary.attempts == 2


def test_there_are_no_bars_in_the_future() -> None:
    until = datetime(9998, 12, 31, tzinfo=UTC)
    summary = summary_of(HOUR, since=NOW - 5 * DAY, until=until)
    assert len(summary.bars) == 6
    assert summary.bars[-1].counts == {"succeeded": 1}


def test_the_summary_of_a_future_period_is_empty() -> None:
    summary = summary_of(HOUR, since=NOW + 30 * DAY)
    assert (summary.attempts, summary.success_rate, summary.typical_seconds) == (0, None, None)


def test_a_short_history_has_daily_bars() -> None:
    summary = summary_of(HOUR, 9 * DAY, 9 * DAY, 40 * DAY)
    assert summary.unit == "day"
    counts = {bar.since.date(): bar.counts for bar in summary.bars if bar.counts}
    assert counts[(NOW - 9 * DAY).date()] == {"succeeded": 2}
    assert len(counts) == 3


def test_a_history_of_one_day_has_hourly_bars() -> None:
    summary = summary_of(HOUR, 3 * HOUR)
    assert summary.unit == "hour"
    assert [bar.counts for bar in summary.bars] == [{"succeeded": 1}, {}, {"succeeded": 1}, {}]


def test_daily_counters_make_no_hourly_bars() -> None:
    keep(created_at=datetime(2026, 11, 30, 15, tzinfo=UTC))
    summary = summarize(fetch_plan(Search()), datetime(2026, 12, 1, 10, tzinfo=UTC))
    assert (summary.unit, [bar.counts for bar in summary.bars]) == ("day", [{"succeeded": 1}, {}])


def test_the_first_of_a_month_is_counted_once() -> None:
    first = datetime(2026, 9, 1, tzinfo=UTC)
    summary = summary_of(NOW - first, since=NOW - 100 * DAY)
    assert (summary.unit, summary.attempts) == ("month", 1)


def test_matches_of_a_text_of_one_day_have_hourly_bars() -> None:
    for age in (HOUR, 3 * HOUR):
        keep(created_at=NOW - age)
    summary = summarize(
        fetch_plan(Search(interpretation=interpret("192.0.2.7", people.beginning))), NOW
    )
    assert summary.unit == "hour"
    assert [sum(bar.counts.values()) for bar in summary.bars] == [1, 0, 1, 0]


def test_the_summary_of_an_empty_history_is_empty() -> None:
    summary = summarize(fetch_plan(Search()), NOW)
    assert (summary.attempts, summary.outcomes, summary.errors) == (0, {}, [])


# Totals


def test_the_success_rate_is_that_of_finished_attempts() -> None:
    keep(created_at=NOW - HOUR)
    keep(created_at=NOW - HOUR, outcome=Outcome.FAILED)
    keep(created_at=NOW - HOUR, outcome=Outcome.PENDING)
    summary = summarize(fetch_plan(Search(since=NOW - 30 * DAY)), NOW)
    assert (summary.attempts, summary.finished, summary.success_rate) == (3, 2, 0.5)


def test_one_slow_call_hardly_changes_the_typical_duration() -> None:
    for duration in (0.1, 0.1, 0.1, 0.1, 30.0):
        keep(created_at=NOW - HOUR, duration_us=round(duration * 1e6))
    assert summarize(fetch_plan(Search()), NOW).typical_seconds == pytest.approx(0.1 * 300**0.2)


def test_an_entry_found_by_two_names_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "MAX_SORTED_ENTRIES", 1)
    monkeypatch.setattr(pages, "MAX_SORTED_ENTRIES", 3)
    for _ in range(2):
        keep(created_at=NOW - HOUR, user_name="alice", allocation_name="alice-box")
    summary = summarize(fetch_plan(Search(interpretation=interpret("ali", people.beginning))), NOW)
    assert (summary.attempts, summary.is_partial) == (2, False)


def test_the_summary_without_organizations_is_empty() -> None:
    keep(created_at=NOW - HOUR)
    nobodys = Search(organizations=[], since=NOW - 30 * DAY)
    for asked in (nobodys, replace(nobodys, environment="sandbox")):
        assert summarize(fetch_plan(asked), NOW).attempts == 0


def test_the_five_most_frequent_errors() -> None:
    for number, code in enumerate("abcdef"):
        for _ in range(number + 1):
            keep(created_at=NOW - HOUR, outcome=Outcome.FAILED, error_code=code)
    errors = summarize(fetch_plan(Search()), NOW).errors
    assert errors == [
        ("f", 6),
        ("e", 5),
        ("d", 4),
        ("c", 3),
        ("b", 2),
    ]


def test_a_summary_of_the_newest_matches_is_partial(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "MAX_SORTED_ENTRIES", 2)
    for hours in (1, 2, 3):
        keep(created_at=NOW - hours * HOUR)
    summary = summarize(fetch_plan(Search(since=NOW - DAY)), NOW)
    assert (summary.attempts, summary.is_partial) == (2, True)
    assert summary.bars[0].since == NOW.replace(minute=0, second=0, microsecond=0) - 2 * HOUR
