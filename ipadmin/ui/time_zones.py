"""Times as readers see and write them: in the reader's time zone, which is always named.

Inside the program a time is an aware datetime. `text_of` turns it into text for a page, `parse`
turns the text of a form or URL into a datetime in UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime, time, timedelta, tzinfo
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils.dateparse import parse_datetime
from django.utils.timezone import get_current_timezone

SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
# Cookies: the browser's zone, which the script sets, and whether the reader prefers UTC.
ZONE_COOKIE, CHOICE_COOKIE = "timezone", "timezone_choice"
# Whether the history shows times as they are (`absolute`) or how long ago they were.
TIMES_COOKIE = "times"
# Abbreviations that mean several offsets, and those of the same zones in the other season.
AMBIGUOUS = frozenset({"CDT", "CST", "IDT", "IST", "LMT", "PDT", "PST"})
# The styles of `text_of`.
STYLES = {
    "full": "{date} {clock} {zone}",  # 2026-11-23 14:05:09 CET
    "date": "{date}",
    "time": "{clock} {zone}",
    "input": "{date}T{clock}",  # as <input type="datetime-local"> has it
    "url": "{date}T{clock}Z",  # always in UTC
}
# The bars of the chart, and the ticks of its axis, by their unit.
BAR_STYLES = {
    "hour": "{at:%a} {at.day} {at:%b} {at.year}, {at:%H}:00 to {at:%H}:59",
    "day": "{at:%a} {at.day} {at:%b} {at.year}",
    "month": "{at:%B} {at.year}",
    "year": "{at.year}",
    "hour tick": "{at:%H}:00",
    "day tick": "{at.day} {at:%b}",
    "month tick": "{at:%b} {at.year}",
    "year tick": "{at.year}",
}


@cache
def _zones() -> frozenset[str]:
    """The zones of the IANA database, without two files that are not zones."""
    return frozenset(available_timezones() - {"Factory", "localtime"})


def zone_called(name: str) -> tzinfo | None:
    """The zone with a name from outside; None if there is none. Other names of UTC give UTC."""
    zone = ZoneInfo(name) if name in _zones() else None
    return UTC if zone and zone.tzname(None) == "UTC" else zone


def name_of(zone: tzinfo) -> str:
    return getattr(zone, "key", "UTC")


def browsers_zone(cookies: Mapping[str, str]) -> tzinfo | None:
    return zone_called(cookies.get(ZONE_COOKIE, ""))


def readers_zone(cookies: Mapping[str, str]) -> tzinfo:
    """The zone of the reader's browser; UTC if they chose it, or if the zone is not known."""
    return UTC if cookies.get(CHOICE_COOKIE) == "utc" else browsers_zone(cookies) or UTC


def text_of(moment: datetime, style: str = "full", zone: tzinfo | None = None) -> str:
    """An aware datetime as text, in one of the `STYLES`; `zone` is the reader's unless given. An
    abbreviation that is ambiguous is replaced by the offset: `UTC+05:30`."""
    at = moment.astimezone(UTC if style == "url" else zone or get_current_timezone())
    text = at.isoformat(" ", "seconds")
    name = at.tzname() or ""
    if not name.isalpha() or name in AMBIGUOUS:
        name = f"UTC{text[19:]}"
    return STYLES[style].format(date=text[:10], clock=text[11:19], zone=name)


def bar_text(moment: datetime, style: str, zone: tzinfo) -> str:
    """The start of a bar as text, in one of the `BAR_STYLES`."""
    return BAR_STYLES[style].format(at=moment.astimezone(zone))


def parse(text: str, zone: tzinfo) -> datetime:
    """A time in UTC, from ISO 8601 text. Without an offset it is a time in `zone`; of a time that
    occurs twice, the first. ValueError or OverflowError if there is no such time, or if it is in
    the first or last year that Python knows, which other zones could not show."""
    moment = parse_datetime(text)
    if moment is None:
        raise ValueError("Not a date and time.")
    moment = (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    if not MINYEAR < moment.year < MAXYEAR:
        raise ValueError("Out of range.")
    return moment


class MomentField(forms.DateTimeField):
    """A time, cleaned to UTC: with an offset, without one in the zone of the form, or a date, which
    means the whole day: its end if `is_end`. It is shown in the reader's zone."""

    widget = forms.DateTimeInput(attrs={"type": "datetime-local", "step": "1"})
    written_in: tzinfo | None = None

    def __init__(self, *, is_end: bool = False, required: bool = True, label: str = "") -> None:
        super().__init__(required=required, label=label or None)
        self.is_end = is_end

    def to_python(self, value: object) -> datetime | None:
        if value in self.empty_values:
            return None
        try:
            return self._read(str(value).strip())
        except (ValueError, OverflowError) as error:
            raise ValidationError(self.error_messages["invalid"], code="invalid") from error

    def prepare_value(self, value: object) -> object:
        """Invalid text is unchanged."""
        try:
            moment = self.to_python(value)
        except ValidationError:
            return value
        return text_of(moment, "input") if moment else value

    def _read(self, text: str) -> datetime:
        zone = self.written_in or get_current_timezone()
        try:
            day = datetime.combine(date.fromisoformat(text), time())
        except ValueError:
            return parse(text, zone)
        if self.is_end and day.year < MAXYEAR:
            return parse((day + DAY).isoformat(), zone) - SECOND
        return parse(day.isoformat(), zone)


class ZoneField(forms.CharField):
    """Hidden: the reader's zone. It is sent with the times, so that a URL means the same for every
    reader."""

    widget = forms.HiddenInput

    def prepare_value(self, _: object) -> str:
        return name_of(get_current_timezone())


class ZonedForm(forms.Form):
    """A form with times. They are read in the zone that the data names: UTC if it is unknown, the
    reader's without one."""

    zone = ZoneField(required=False)

    def __init__(self, data: QueryDict | None) -> None:
        super().__init__(data)
        name, readers = self.data.get("zone"), get_current_timezone()
        for field in self.fields.values():
            if isinstance(field, MomentField):
                field.written_in = readers if name is None else zone_called(name) or UTC
                field.help_text = name_of(readers) + (", included" if field.is_end else "")
