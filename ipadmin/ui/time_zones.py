"""Moments as a reader sees and writes them: in the zone of their clock, which is always named."""

from __future__ import annotations

from bisect import bisect_left
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
# The zone of the browser, which the script notes, and whether the reader would rather have UTC.
ZONE_COOKIE, CHOICE_COOKIE = "timezone", "timezone_choice"
# Letters that stand for several offsets in the world, with their partners of the other season.
AMBIGUOUS = frozenset({"CDT", "CST", "IDT", "IST", "LMT", "PDT", "PST"})


# Zones


@cache
def _names() -> frozenset[str]:
    """Every zone of the IANA's database; `Factory` and `localtime` stand beside them in its
    folder and are nobody's."""
    return frozenset(available_timezones() - {"Factory", "localtime"})


def zone_called(name: str) -> tzinfo | None:
    """The zone of this name, which may come from anybody; None if there is no such zone. What is
    UTC under another name is UTC."""
    if name not in _names():
        return None
    zone = ZoneInfo(name)
    return UTC if zone.tzname(None) == "UTC" else zone


def name_of(zone: tzinfo) -> str:
    return getattr(zone, "key", "UTC")


def browsers_zone(cookies: Mapping[str, str]) -> tzinfo | None:
    return zone_called(cookies.get(ZONE_COOKIE, ""))


def readers_zone(cookies: Mapping[str, str]) -> tzinfo:
    """That of their browser; UTC if they chose it or nothing better is known."""
    return UTC if cookies.get(CHOICE_COOKIE) == "utc" else browsers_zone(cookies) or UTC


# Moments


def parts(moment: datetime, zone: tzinfo | None = None) -> tuple[str, str, str]:
    """Day, time and zone on the reader's clock: `2026-11-23`, `14:05:09`, `CET`. The offset says
    the zone where letters would not: `UTC+05:30`."""
    local = moment.astimezone(zone or get_current_timezone())
    text = local.isoformat(" ", "seconds")
    name = local.tzname() or ""
    is_clear = name.isalpha() and name not in AMBIGUOUS
    return text[:10], text[11:19], name if is_clear else f"UTC{text[19:]}"


def stamp(moment: datetime, zone: tzinfo | None = None) -> str:
    """`2026-11-23 14:05:09 CET`."""
    return " ".join(parts(moment, zone))


def clock(moment: datetime) -> str:
    """Without the day: `14:05:09 CET`."""
    return " ".join(parts(moment)[1:])


def write(moment: datetime, zone: tzinfo) -> str:
    """As `<input type="datetime-local">` holds it, without the zone: `2026-11-23T14:05:09`."""
    return _clock(moment, zone).isoformat(timespec="seconds")


def read(text: str, zone: tzinfo) -> datetime:
    """What `write` wrote, or ISO 8601 with an offset of its own; in UTC. ValueError if it is
    neither, or lies at the ends of the calendar, where nobody can count on."""
    moment = parse_datetime(text)
    if moment is not None and MINYEAR < moment.year < MAXYEAR:
        moment = moment.astimezone(UTC) if moment.tzinfo else _first(moment, zone)
        # In another zone it may be another year.
        if MINYEAR < moment.year < MAXYEAR:
            return moment
    raise ValueError("There is no such moment.")


def _first(shown: datetime, zone: tzinfo) -> datetime:
    """When the clock first shows this or, put forward, something later: no time is missing, and of
    one that comes twice the earlier is meant."""
    earlier, later = sorted(
        shown.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)
    )
    if _clock(earlier, zone) == shown:
        return earlier
    return earlier + SECOND * bisect_left(
        range((later - earlier) // SECOND),
        shown,
        key=lambda seconds: _clock(earlier + SECOND * seconds, zone),
    )


def _clock(moment: datetime, zone: tzinfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def zone_to_show(moments: Iterable[datetime], zone: tzinfo) -> tzinfo:
    """This zone, unless one of the moments lies in the second of an hour that its clock shows
    twice and would be read as another, or in a year at the end of the calendar: then UTC."""
    is_safe = all(_is_read_as_written(each.replace(microsecond=0), zone) for each in moments)
    return zone if is_safe else UTC


def _is_read_as_written(moment: datetime, zone: tzinfo) -> bool:
    try:
        return read(write(moment, zone), zone) == moment
    except ValueError:
        return False


# Forms


class MomentField(forms.DateTimeField):
    """A moment, cleaned to UTC: as `<input type="datetime-local">` writes it in the zone of the
    form (see `settle_zone`), with an offset of its own, or a mere date, the whole of that day."""

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

    def understood(self, value: Any) -> datetime | None:
        """None for what cannot be read as well."""
        try:
            return self.to_python(value)
        except ValidationError:
            return None

    def prepare_value(self, value: Any) -> Any:
        """On the reader's clock, whoever's the value was written by; what is not understood is
        left as it is."""
        moment = self.understood(value)
        return write(moment, self.shown_in or get_current_timezone()) if moment else value

    def _read(self, text: str) -> datetime:
        zone = self.written_in or get_current_timezone()
        try:
            day = datetime.combine(date.fromisoformat(text), time())
        except ValueError:
            return read(text, zone)
        if self.is_end and day.year < MAXYEAR:
            return read((day + DAY).isoformat(), zone) - SECOND
        return read(day.isoformat(), zone)


class ZoneField(forms.CharField):
    """Hidden: the zone the moments of the form are shown in. It goes along when they are sent, so
    that a URL means the same to everybody who opens it."""

    widget = forms.HiddenInput
    shown_in: tzinfo | None = None

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, **kwargs)

    def prepare_value(self, value: Any) -> str:  # noqa: ARG002  it follows the reader, not the data
        return name_of(self.shown_in or get_current_timezone())


def settle_zone(form: forms.Form) -> None:
    """To be called by a form with moments, and a `zone`, once it has its data. The moments are
    read in the zone named there, UTC if there is none of that name, the reader's own if none is
    named; and shown in the reader's."""
    name = form.data.get(form.add_prefix("zone"))
    written_in = get_current_timezone() if name is None else zone_called(name) or UTC
    fields = {key: each for key, each in form.fields.items() if isinstance(each, MomentField)}
    for field in fields.values():
        field.written_in = written_in
    given = [each.understood(form.data.get(form.add_prefix(key))) for key, each in fields.items()]
    shown_in = zone_to_show(filter(None, given), get_current_timezone())
    for each in form.fields.values():
        if isinstance(each, MomentField | ZoneField):
            each.shown_in = shown_in
    for field in fields.values():
        field.help_text = name_of(shown_in) + (", included" if field.is_end else "")
