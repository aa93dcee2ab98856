"""How values are shown."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from ipadmin.templatetags.ipadmin import highlight, zone_name
from ipadmin.ui.markup import breakable, duration, kind, timestamp


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("web-01.example.net", "web-01.<wbr>example.<wbr>net"),
        ("<b>.net", "&lt;b&gt;.<wbr>net"),
        ("localhost", "localhost"),
        (None, ""),
    ],
)
def test_a_host_name_breaks_after_its_dots(host: str | None, shown: str) -> None:
    assert breakable(host) == shown


def test_a_code_breaks_after_its_underscores() -> None:
    assert breakable("not_<found", "_") == "not_<wbr>&lt;found"


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", "A&lt;b&gt;a"),
        ("a", "<mark>A</mark>&lt;b&gt;<mark>a</mark>"),
        ("<b>", "A<mark>&lt;b&gt;</mark>a"),
        (".*", "A&lt;b&gt;a"),
    ],
)
def test_matches_are_marked_and_everything_is_escaped(query: str, shown: str) -> None:
    assert highlight("A<b>a", query) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(None, ""), (84_100, "84 ms"), (999_400, "999 ms"), (1_419_000, "1.42 s")]
)
def test_the_text_of_a_duration(value: int | None, shown: str) -> None:
    assert duration(value) == shown


def test_a_time_as_text_is_read_and_other_text_is_shown() -> None:
    text = timestamp("2026-11-23T12:00:00+02:00")
    assert "2026-11-23T10:00:00Z" in text
    assert "2026-11-23 10:00:00 UTC" in text
    assert timestamp("yesterday") == "yesterday"
    assert timestamp(None) == ""


@pytest.mark.parametrize(
    ("style", "shown"),
    [
        ("full", "2026-11-23 14:05:09 CET</time>"),
        ("time", ">14:05:09 CET</time>"),
        ("bare", '2026-11-23 14:05:09<span class="zone"> CET</span></time>'),
        ("both", ">2026-11-23 13:05:09 UTC</time>"),
    ],
)
def test_a_time_in_the_readers_zone(style: str, shown: str) -> None:
    with timezone.override(ZoneInfo("Europe/Berlin")):
        text = timestamp(datetime(2026, 11, 23, 13, 5, 9, tzinfo=UTC), style)
        assert zone_name() == "Europe/Berlin"
    assert 'datetime="2026-11-23T13:05:09Z"' in text
    assert "2026-11-23 13:05:09 UTC" in text
    assert shown in text


@pytest.mark.parametrize("style", ["full", "time", "bare", "both"])
def test_utc_is_said_once(style: str) -> None:
    assert timestamp(datetime(2026, 11, 23, tzinfo=UTC), style).count("UTC") == 1
    assert zone_name() == "UTC"


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59"])
def test_a_time_beyond_the_calendar_is_shown_as_it_is(text: str) -> None:
    with timezone.override(ZoneInfo("Asia/Kolkata")):
        assert timestamp(text) == text


def test_an_unknown_type_is_shown_as_it_is() -> None:
    assert kind("VirtualMachine") == "Virtual machine"
    assert kind("Teapot") == "Teapot"
    assert kind(None) == ""
