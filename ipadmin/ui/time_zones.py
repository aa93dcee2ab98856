"""Times as readers see and write them: in the reader's time zone, which is always named.

Inside the program a time is an aware datetime. `text_of` turns it into text for a page, `parse`
turns the text of a form or URL into a datetime in UTC.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime, time, timedelta, tzinfo
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from django import forms
from django.core.exceptions import ValidationError
from django.utils.dateparse import parse_datetime
from django.utils.timezone import get_current_timezone

SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
# Cookies: the browser's zone, which the script sets, and whether the reader prefers UTC.
ZONE_COOKIE, CHOICE_COOKIE = "timezone", "timezone_choice"
# Abbreviations that mean several offsets, and those of the same zones in the other season.
AMBIGUOUS = frozenset({"CDT", "CST", "IDT", "IST", "LMT", "PDT", "PST"})
# The styles of `text_of`.
STYLES = {
    "full": "{date} {clock} {zone}",  # 2026-11-23 14:05:09 CET
    "date": "{date}",
    "time": "{clock} {zone}",
    "input": "{date}T{clock}",  # as <input type="datetime-local"> has it
    "url": "{date}T{clock}Z",  # always in UTC
    # The bars of the chart, and the ticks of its axis, by their unit.
    "hour": "{at:%a} {at.day} {at:%b} {at.year}, {at:%H}:00 to {at:%H}:59",
    "day": "{at:%a} {at.day} {at:%b} {at.year}",
    "month": "{at:%B} {at.year}",
    "year": "{at.year}",
    "hour tick": "{at:%H}:00",
    "day tick": "{at.day} {at:%b}",
    "month tick": "{at:%b} {at.year}",
    "year tick": "{at.year}",
}


# Zones


@cache
def _names() -> frozenset[str]:
    """The zones of the IANA database, without two files that are not zones."""
    return frozenset(available_timezones() - {"Factory", "localtime"})


def zone_called(name: str) -> tzinfo | None:
    """The zone with a name from outside; None if there is none. Other names of UTC give UTC."""
    if name not in _names():
        return None
    zone = ZoneInfo(name)
    return UTC if zone.tzname(None) == "UTC" else zone


def name_of(zone: tzinfo) -> str:
    return getattr(zone, "key", "UTC")


def browsers_zone(cookies: Mapping[str, str]) -> tzinfo | None:
    return zone_called(cookies.get(ZONE_COOKIE, ""))


def readers_zone(cookies: Mapping[str, str]) -> tzinfo:
    """The zone of the reader's browser; UTC if they chose it, or if the zone is not known."""
    return UTC if cookies.get(CHOICE_COOKIE) == "utc" else browsers_zone(cookies) or UTC


# Texts


def text_of(moment: datetime, style: str = "full", zone: tzinfo | None = None) -> str:
    """An aware datetime as text, in one of the `STYLES`; `zone` is the reader's unless given. An
    abbreviation that is ambiguous is replaced by the offset: `UTC+05:30`."""
    at = moment.astimezone(UTC if style == "url" else zone or get_current_timezone())
    text = at.isoformat(" ", "seconds")
    name = at.tzname() or ""
    if not name.isalpha() or name in AMBIGUOUS:
        name = f"UTC{text[19:]}"
    return STYLES[style].format(at=at, date=text[:10], clock=text[11:19], zone=name)


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


def zone_to_show(moments: Iterable[datetime], zone: tzinfo) -> tzinfo:
    """This zone, or UTC if a form would read one of the times differently than it shows it: in the
    hour that clocks show twice in autumn."""
    try:
        is_safe = all(
            parse(text_of(each, "input", zone), zone) == each.replace(microsecond=0)
            for each in moments
        )
    except (ValueError, OverflowError):
        return UTC
    return zone if is_safe else UTC


# Forms


class MomentField(forms.DateTimeField):
    """A time, cleaned to UTC: with an offset, without one in the zone of the form (see
    `settle_zone`), or a date, which means the whole day: its end if `is_end`."""

    widget = forms.DateTimeInput(attrs={"type": "datetime-local", "step": "1"})
    written_in: tzinfo | None = None
    shown_in: tzinfo | None = None

    def __init__(self, *, is_end: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.is_end = is_end

    def to_python(self, value: Any) -> datetime | None:
        if value in self.empty_values:
            return None
        try:
            return self._read(str(value).strip())
        except (ValueError, OverflowError) as error:
            raise ValidationError(self.error_messages["invalid"], code="invalid") from error

    def parsed(self, value: Any) -> datetime | None:
        """The time of a raw value; None if it is invalid, too."""
        try:
            return self.to_python(value)
        except ValidationError:
            return None

    def prepare_value(self, value: Any) -> Any:
        """The time in the reader's zone, whatever zone the URL has. Invalid text is unchanged."""
        moment = self.parsed(value)
        return text_of(moment, "input", self.shown_in) if moment else value

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
    """Hidden: the zone in which the form shows its times. It is sent with them, so that a URL means
    the same for every reader."""

    widget = forms.HiddenInput
    shown_in: tzinfo | None = None

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, **kwargs)

    def prepare_value(self, value: Any) -> str:  # noqa: ARG002  the reader's, not the URL's
        return name_of(self.shown_in or get_current_timezone())


def settle_zone(form: forms.Form) -> None:
    """Set the zones of a form with a `zone` field, once it has its data. Times are read in the zone
    that the data names (UTC if it is unknown, the reader's without one), and shown in the
    reader's."""
    name = form.data.get(form.add_prefix("zone"))
    written_in = get_current_timezone() if name is None else zone_called(name) or UTC
    fields = {key: each for key, each in form.fields.items() if isinstance(each, MomentField)}
    for field in fields.values():
        field.written_in = written_in
    given = [each.parsed(form.data.get(form.add_prefix(key))) for key, each in fields.items()]
    shown_in = zone_to_show(filter(None, given), get_current_timezone())
    for each in form.fields.values():
        if isinstance(each, MomentField | ZoneField):
            each.shown_in = shown_in
    for field in fields.values():
        field.help_text = name_of(shown_in) + (", included" if field.is_end else "")
