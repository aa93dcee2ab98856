"""The chart of attempts over time: where it draws what, and how a page shows it."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from django.template.loader import render_to_string
from hypothesis import given
from hypothesis import strategies as st

from ipadmin.audit.search.summary import Bar, Summary
from ipadmin.models.audit_entry import Outcome
from ipadmin.ui import history_texts
from ipadmin.ui.charts import (
    BASE,
    MIN_SEGMENT_HEIGHT,
    MIN_TICK_DISTANCE,
    STACK,
    TICK_STEPS,
    TOP,
    Chart,
    _round_numbers,
    chart,
)

START = datetime(2026, 11, 3, 14, tzinfo=UTC)
PACE = {"hour": 1, "day": 24, "month": 24 * 31, "year": 24 * 366}
counts = st.dictionaries(
    st.sampled_from(Outcome.values), st.one_of(st.integers(0, 3), st.integers(0, 10**7))
)
ranges = st.lists(counts, min_size=1, max_size=120)
units = st.sampled_from(list(TICK_STEPS))


def summarize(many: list[dict[str, int]], unit: str = "day", **changed: object) -> Summary:
    step = timedelta(hours=PACE[unit])
    bars = [Bar(START + n * step, START + (n + 1) * step, each) for n, each in enumerate(many)]
    outcomes: Counter[str] = Counter()
    for each in many:
        outcomes.update(each)
    values = {
        "attempts": sum(outcomes.values()),
        "is_partial": False,
        "outcomes": dict(outcomes),
        "typical_seconds": 0.0841,
        "errors": [],
        "unit": unit,
        "zone": UTC,
        "bars": bars,
    }
    return Summary(**values | changed)  # type: ignore[arg-type]


def draw(many: list[dict[str, int]], unit: str = "day") -> Chart:
    return chart(summarize(many, unit), lambda bar: f"?since={bar.since:%Y-%m-%d}&to=x")


def page(summary: Summary, errors: list[tuple[str, int, str]] | None = None) -> str:
    drawn = chart(summary, lambda bar: f"?since={bar.since:%Y-%m-%d}&to=x")
    figures = history_texts.figures(summary)
    context = {
        "summary": summary,
        "chart": drawn,
        "figures": figures,
        "error_links": errors or [],
    }
    return render_to_string("ipadmin/_summary.html", context)


@given(many=ranges, unit=units)
def test_everything_stays_inside(many: list[dict[str, int]], unit: str) -> None:
    drawn = draw(many, unit)
    assert len(drawn.columns) == len(many)
    for column in drawn.columns:
        assert column.left <= column.x < column.x + column.width <= column.left + column.span + 0.01
        assert 0 <= column.left < column.left + column.span <= 100.1
        assert all(TOP - 0.05 <= s.y < s.y + s.height <= BASE + 0.05 for s in column.segments)
    assert all(TOP <= tick.at <= BASE for tick in drawn.y_ticks)
    assert all(0 < tick.at < 100 for tick in drawn.x_ticks)


@given(many=ranges)
def test_segments_stand_on_each_other_without_overlap(many: list[dict[str, int]]) -> None:
    for column in draw(many).columns:
        edges = [BASE, *(segment.y for segment in column.segments)]
        for (below, y), segment in zip(pairwise(edges), column.segments, strict=True):
            assert y + segment.height == pytest.approx(below, abs=0.02)
            assert segment.height >= MIN_SEGMENT_HEIGHT - 0.01


@given(many=ranges)
def test_heights_add_up_to_the_share_of_the_axis(many: list[dict[str, int]]) -> None:
    full = _round_numbers(max(sum(each.values()) for each in many))[-1]
    for each, column in zip(many, draw(many).columns, strict=True):
        share = (BASE - TOP) * sum(each.values()) / full
        height = sum(segment.height for segment in column.segments)
        assert height == pytest.approx(
            max(share, MIN_SEGMENT_HEIGHT * len(column.segments)), abs=0.03
        )
        assert {s.outcome for s in column.segments} == {name for name, n in each.items() if n}


@given(many=ranges, unit=units)
def test_times_keep_their_distance(many: list[dict[str, int]], unit: str) -> None:
    ticks = draw(many, unit).x_ticks
    assert all(b.at - a.at >= MIN_TICK_DISTANCE - 0.01 for a, b in pairwise(ticks))


def test_nothing_at_all() -> None:
    assert draw([]).columns == []
    assert [tick.text for tick in draw([{}, {}]).y_ticks] == ["0", "1"]


def test_a_lone_bar_is_in_the_middle_and_no_wall() -> None:
    (column,) = draw([{"succeeded": 1}]).columns
    assert (column.left, column.span) == (0, 100)
    assert column.x + column.width / 2 == 50
    assert column.width == 4


def test_heights_share_what_is_above_the_minimum() -> None:
    (column,) = draw([{"failed": 25, "succeeded": 50, "unknown": 25}]).columns
    assert [s.outcome for s in column.segments] == ["succeeded", "unknown", "failed"]
    assert [s.height for s in column.segments] == [45, 23.5, 23.5]


def test_one_failure_among_thousands_is_seen() -> None:
    first, second = draw([{"succeeded": 9_999_999, "failed": 1}, {"failed": 1}]).columns
    assert [s.height for s in first.segments] == [90, 2]
    assert [s.height for s in second.segments] == [2]


def test_every_outcome_has_its_place_in_the_stack() -> None:
    assert sorted(STACK) == sorted(Outcome)


@pytest.mark.parametrize(
    ("most", "ticks"),
    [
        (1, ["0", "1"]),
        (3, ["0", "1", "2", "3"]),
        (13, ["0", "5", "10", "15"]),
        (20_000, ["0", "5,000", "10k", "15k", "20k"]),
        (5_900_000, ["0", "2M", "4M", "6M"]),
    ],
)
def test_the_axis_has_round_numbers(most: int, ticks: list[str]) -> None:
    assert [tick.text for tick in draw([{"failed": most}]).y_ticks] == ticks


@pytest.mark.parametrize(
    ("unit", "label"),
    [
        ("hour", "Tue 3 Nov 2026, 14:00 to 14:59: 1,200 succeeded, 1 failed"),
        ("day", "Tue 3 Nov 2026: 1,200 succeeded, 1 failed"),
        ("month", "November 2026: 1,200 succeeded, 1 failed"),
        ("year", "2026: 1,200 succeeded, 1 failed"),
    ],
)
def test_a_bar_says_what_it_stands_for(unit: str, label: str) -> None:
    (column,) = draw([{"failed": 1, "succeeded": 1200, "refused": 0}], unit).columns
    assert f"{column.when}: {column.parts}" == label


@pytest.mark.parametrize(
    ("unit", "bars", "texts"),
    [
        ("hour", 24, ["18:00", "4 Nov", "06:00", "12:00"]),
        ("day", 30, ["9 Nov", "16 Nov", "23 Nov", "30 Nov"]),
        ("month", 2, ["Nov 2026", "Dec 2026"]),
        ("year", 3, ["2026", "2027", "2028"]),
    ],
)
def test_times_stand_at_round_ones(unit: str, bars: int, texts: list[str]) -> None:
    assert [tick.text for tick in draw([{"failed": 1}] * bars, unit).x_ticks] == texts


def test_a_bar_without_attempts_leads_nowhere() -> None:
    empty, full = draw([{"failed": 0}, {"failed": 1}]).columns
    assert (empty.href, empty.segments) == ("", [])
    assert full.href == "?since=2026-11-04&to=x"


def test_the_page_tells_the_same_as_picture_and_as_table() -> None:
    html = page(summarize([{"succeeded": 1200, "failed": 1}, {}, {"refused": 3}]))
    assert html.count('<a href="?since=2026-11-03&amp;to=x"') == 1
    assert '>Tue 3 Nov 2026 </text><text x="100%" y="12">1,200 succeeded' in html
    rows = re.findall(r"<td>([\d,]+)", html)
    assert rows == ["1,200", "0", "1", "0", "3", "0"]
    assert "2026-11-04" not in html


def test_hostile_error_codes_are_only_text() -> None:
    html = page(
        summarize([{"failed": 2}]), [("<script>alert(1)</script>", 2, '?q="><img src=x>&a=b')]
    )
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert 'href="?q=&quot;&gt;&lt;img src=x&gt;&amp;a=b"' in html
    assert not re.search(r"<script|<img|<style|\sstyle=|\son\w+=", html)


def test_a_hostile_link_of_a_bar_stays_a_link() -> None:
    summary = summarize([{"failed": 2}])
    drawn = chart(summary, lambda _: '?q="><script>&a=b')
    html = render_to_string("ipadmin/_summary.html", {"summary": summary, "chart": drawn})
    assert html.count('"?q=&quot;&gt;&lt;script&gt;&amp;a=b"') == 1
    assert "<script" not in html


def test_an_empty_range_is_a_sentence() -> None:
    html = page(summarize([{}], typical_seconds=None))
    assert "No attempts in this period" in html


def test_what_is_not_known_is_said_in_words() -> None:
    html = page(summarize([{"pending": 2}], typical_seconds=None))
    assert "None finished" in html
    assert "No request was sent" in html
    assert " %" not in html.split("chart-head")[0]


def test_a_part_of_the_matches_is_called_one() -> None:
    assert "newest" not in page(summarize([{"failed": 5000}]))
    html = page(summarize([{"failed": 5000}], is_partial=True))
    assert "newest 5,000 of more" in html


def test_the_success_rate_is_of_what_has_finished() -> None:
    summary = summarize([{"succeeded": 3, "failed": 1, "pending": 6}])
    assert summary.success_rate == 0.75
    assert summarize([{"pending": 6}]).success_rate is None
    assert summarize([]).success_rate is None


@pytest.mark.parametrize(
    ("succeeded", "failed", "shown"),
    [
        (0, 1, "0 %"),
        (57, 43, "57 %"),
        (9725, 275, "97.2 %"),
        (99_999, 1, "99.9 %"),
        (1, 0, "100 %"),
    ],
)
def test_success_rate_is_rounded_down(succeeded: int, failed: int, shown: str) -> None:
    summary = summarize([{"succeeded": succeeded, "failed": failed}])
    assert history_texts.figures(summary)[1].value == shown
