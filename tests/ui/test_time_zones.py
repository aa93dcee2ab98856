"""Times in the reader's zone, above all when clocks change."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, available_timezones

import pytest
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils import timezone
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ipadmin.ui import time_zones
from ipadmin.ui.time_zones import (
    MomentField,
    ZonedForm,
    parse,
    readers_zone,
    text_of,
    zone_called,
)

BERLIN = ZoneInfo("Europe/Berlin")
SECOND = timedelta(seconds=1)
ZONES = sorted(available_timezones() - {"Factory", "localtime"})
NO_ZONES = [
    "",
    "utc",
    "Europe/",
    "../../etc/passwd",
    "localtime",
    "Factory",
    "Europe/Berlin\0",
    "+05:30",
]


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


zones = st.sampled_from(ZONES).map(ZoneInfo)
EPOCH = utc("1970-01-01")
# Whole seconds; half of them where clocks are put forward and back.
any_moment = st.builds(
    lambda seconds: EPOCH + SECOND * seconds,
    st.integers(
        int((utc("0003-01-01") - EPOCH) / SECOND), int((utc("9997-12-31") - EPOCH) / SECOND)
    )
    | st.integers(0, 2**31),
)


# Zones


@pytest.mark.parametrize("name", NO_ZONES)
def test_an_unknown_zone_name_gives_utc(name: str) -> None:
    assert zone_called(name) is None
    assert readers_zone({"timezone": name}) is UTC


def test_readers_zone_is_the_browsers_unless_they_chose_utc() -> None:
    cookies = {"timezone": "Europe/Berlin"}
    assert readers_zone(cookies) == BERLIN
    assert readers_zone(cookies | {"timezone_choice": "utc"}) is UTC
    assert readers_zone(cookies | {"timezone_choice": "nonsense"}) == BERLIN
    assert readers_zone({}) is UTC


@pytest.mark.parametrize("name", ["UTC", "Zulu"])
def test_other_names_of_utc_give_utc(name: str) -> None:
    assert zone_called(name) is UTC


@pytest.mark.parametrize("name", ["Asia/Calcutta", "Asia/Kolkata"])
def test_a_zone_keeps_the_name_that_the_browser_gives(name: str) -> None:
    zone = zone_called(name)
    assert zone
    assert time_zones.name_of(zone) == name


# What is shown


@pytest.mark.parametrize(
    ("zone", "shown"),
    [
        ("UTC", "2026-11-23 13:05:09 UTC"),
        ("Europe/Berlin", "2026-11-23 14:05:09 CET"),
        ("Asia/Kolkata", "2026-11-23 18:35:09 UTC+05:30"),
        ("America/Sao_Paulo", "2026-11-23 10:05:09 UTC-03:00"),
        ("America/Chicago", "2026-11-23 07:05:09 UTC-06:00"),
        ("Pacific/Kiritimati", "2026-11-24 03:05:09 UTC+14:00"),
    ],
)
def test_a_time_on_a_page_names_its_zone(zone: str, shown: str) -> None:
    assert text_of(utc("2026-11-23 13:05:09.999"), zone=ZoneInfo(zone)) == shown


def test_no_zone_abbreviation_means_two_offsets() -> None:
    offsets = defaultdict(set)
    for name in ZONES:
        for month in (1, 4, 7, 10):
            local = datetime(2026, month, 15, tzinfo=UTC).astimezone(ZoneInfo(name))
            offsets[text_of(local, "time", ZoneInfo(name))[9:]].add(local.utcoffset())
    assert not [letters for letters, found in offsets.items() if len(found) > 1]


def test_a_repeated_hour_is_distinguished_by_its_zone() -> None:
    first, second = (text_of(utc(f"2026-10-25 0{h}:30:00"), zone=BERLIN) for h in (0, 1))
    assert (first, second) == ("2026-10-25 02:30:00 CEST", "2026-10-25 02:30:00 CET")


# What is written and read


@settings(deadline=None)
@given(any_moment, zones)
def test_a_time_is_read_as_it_was_shown(moment: datetime, zone: tzinfo) -> None:
    # The second of two equal times is read as the first.
    assume(not moment.astimezone(zone).fold)
    assert parse(text_of(moment, "input", zone), zone) == moment


@pytest.mark.parametrize(
    ("style", "text"),
    [
        ("full", "2026-11-03 09:05:07 CET"),
        ("date", "2026-11-03"),
        ("time", "09:05:07 CET"),
        ("input", "2026-11-03T09:05:07"),
        ("url", "2026-11-03T08:05:07Z"),
    ],
)
def test_styles_of_a_time(style: str, text: str) -> None:
    assert text_of(utc("2026-11-03 08:05:07.999"), style, BERLIN) == text


@pytest.mark.parametrize(
    ("zone", "text", "moment"),
    [
        ("Europe/Berlin", "2026-11-23T14:05:09", "2026-11-23 13:05:09"),
        ("Europe/Berlin", "2026-11-23T14:05", "2026-11-23 13:05:00"),
        ("Europe/Berlin", "2026-11-01T00:00:00Z", "2026-11-01 00:00:00"),
        ("Europe/Berlin", "2026-11-01T00:00:00-03:00", "2026-11-01 03:00:00"),
        # Twice: the earlier.
        ("Europe/Berlin", "2026-10-25T02:30:00", "2026-10-25 00:30:00"),
        ("America/New_York", "2026-11-01T01:00:00", "2026-11-01 05:00:00"),
        # Skipped: as if the clock had not been put forward.
        ("Europe/Berlin", "2026-03-29T02:30:00", "2026-03-29 01:30:00"),
        ("Pacific/Apia", "2011-12-30T12:00:00", "2011-12-30 22:00:00"),
    ],
)
def test_parse_local_times_and_offsets(zone: str, text: str, moment: str) -> None:
    assert parse(text, ZoneInfo(zone)) == utc(moment)


@pytest.mark.parametrize(
    "text",
    ["x", "0001-01-01T00:00", "9999-12-31", "2026-13-01T00:00", "2026-01-01T00:00+99", "\0"],
)
@pytest.mark.parametrize("is_end", [True, False])
def test_invalid_times_are_rejected(text: str, is_end: bool) -> None:
    with pytest.raises(ValidationError):
        MomentField(is_end=is_end).clean(text)


# In a form


class Range(ZonedForm):
    since = MomentField(required=False)
    until = MomentField(is_end=True, required=False)


def opened(query: str, zone: str = "UTC") -> Range:
    """The form as somebody in this zone opens it."""
    with timezone.override(ZoneInfo(zone)):
        form = Range(QueryDict(query))
        form.is_valid()
        return form


@pytest.mark.parametrize(
    ("query", "since"),
    [
        ("since=2026-11-23T12:00:00", "2026-11-23 06:30:00"),
        ("since=2026-11-23T12:00:00&zone=Europe/Berlin", "2026-11-23 11:00:00"),
        ("since=2026-11-23T12:00:00&zone=UTC", "2026-11-23 12:00:00"),
        ("since=2026-11-23T12:00:00Z&zone=Europe/Berlin", "2026-11-23 12:00:00"),
        *(
            (f"since=2026-11-23T12:00:00&zone={name}", "2026-11-23 12:00:00")
            for name in ("", "Mars", "../../etc/passwd", "%00", "x" * 5000)
        ),
    ],
)
def test_a_url_means_the_same_for_every_reader(query: str, since: str) -> None:
    assert opened(query, "Asia/Kolkata").cleaned_data["since"] == utc(since)


@pytest.mark.parametrize(
    ("zone", "day", "first", "last"),
    [
        ("UTC", "2026-11-23", "2026-11-23 00:00:00", "2026-11-23 23:59:59"),
        ("Europe/Berlin", "2026-03-29", "2026-03-28 23:00:00", "2026-03-29 21:59:59"),
        ("Europe/Berlin", "2026-10-25", "2026-10-24 22:00:00", "2026-10-25 22:59:59"),
        # Its midnight is skipped, or comes twice.
        ("Africa/Cairo", "2026-04-24", "2026-04-23 22:00:00", "2026-04-24 20:59:59"),
        ("Africa/Cairo", "2026-04-23", "2026-04-22 22:00:00", "2026-04-23 21:59:59"),
        ("America/Havana", "2026-10-31", "2026-10-31 04:00:00", "2026-11-01 03:59:59"),
    ],
)
def test_a_date_means_the_whole_day(zone: str, day: str, first: str, last: str) -> None:
    found = opened(f"since={day}&until={day}", zone).cleaned_data
    assert (found["since"], found["until"]) == (utc(first), utc(last))


@pytest.mark.parametrize(
    ("query", "zone", "since"),
    [
        ("since=2026-11-23T12:00:00&zone=Europe/Berlin", "Asia/Kolkata", "2026-11-23T16:30:00"),
        ("since=2026-11-23T12:00:00Z", "Europe/Berlin", "2026-11-23T13:00:00"),
        ("since=%3Cb%3E", "Europe/Berlin", "&lt;b&gt;"),
    ],
)
def test_the_form_shows_times_in_the_readers_zone(query: str, zone: str, since: str) -> None:
    with timezone.override(ZoneInfo(zone)):
        assert f'value="{since}"' in str(opened(query, zone)["since"])


@pytest.mark.parametrize(
    ("query", "reader", "is_understood"),
    [
        # In UTC, or on the clock of the reader, these lie in the last year or the first.
        ("until=9998-12-31T23:59:59&zone=Etc/GMT%2B12", "UTC", False),
        ("until=0002-01-01T00:00:00&zone=Etc/GMT-14", "UTC", False),
        ("until=9998-12-31T23:59:59Z", "Etc/GMT-14", True),
        ("until=0002-01-01T00:00:00Z", "Etc/GMT+12", True),
    ],
)
def test_the_first_and_last_years_are_rejected(
    query: str, reader: str, is_understood: bool
) -> None:
    form = opened(query, reader)
    assert form.is_valid() is is_understood


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("", "Europe/Berlin"),
        ("zone=Asia/Kolkata", "Europe/Berlin"),
        ("zone=<b>", "Europe/Berlin"),
    ],
)
def test_the_form_names_the_zone_it_shows(query: str, named: str) -> None:
    form = opened(query, "Europe/Berlin")
    with timezone.override(BERLIN):
        assert f'name="zone" value="{named}"' in str(form["zone"])
    assert form["since"].help_text == named
    assert form["until"].help_text == f"{named}, included"


@settings(deadline=None)
@given(any_moment, zones, zones)
def test_a_form_sent_unchanged_means_the_same_time(
    moment: datetime, written_in: tzinfo, reader: tzinfo
) -> None:
    assume(not moment.astimezone(reader).fold)
    with timezone.override(reader):
        shown = Range(QueryDict(f"until={text_of(moment, 'url')}"))
        sent = QueryDict(mutable=True)
        sent.update({"until": shown["until"].value(), "zone": shown["zone"].value()})
    with timezone.override(written_in):
        form = Range(sent)
        assert form.is_valid()
        assert form.cleaned_data["until"] == moment
