"""Small pieces of HTML within sentences: times, links, and what an address was allocated to."""

from __future__ import annotations

from datetime import UTC, datetime

from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from ipadmin.audit.search.observations import Holding
from ipadmin.models import AuditEntry, Outcome
from ipadmin.ui import time_zones

# Seconds of each unit, and its short name.
AGES = ((86400, "d"), (3600, "h"), (60, "min"), (5, "s"))
# As Katapult names them, and as people do. [seen, doc]
KINDS = {"VirtualMachine": "Virtual machine", "LoadBalancer": "Load balancer"}


def timestamp(value: datetime | str | None, style: str = "full") -> SafeString | str:
    """A `<time>` in the reader's time zone, with UTC in its title. `style` is `full`, `time` (time
    of day), `bare` (for a column whose header names the zone) or `both` (UTC on a second line).
    ISO 8601 text is accepted; other text is returned unchanged.
    """
    if not value:
        return ""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        text = time_zones.text_of(moment, "time" if style == "time" else "full")
    except (ValueError, OverflowError):
        return str(value)
    exact, utc = time_zones.text_of(moment, "url"), time_zones.text_of(moment, zone=UTC)
    title = second = ""
    if moment.astimezone(timezone.get_current_timezone()).utcoffset():
        title = f' title="{utc}"'
        second = f'<time class="second" datetime="{exact}">{utc}</time>' if style == "both" else ""
    if style == "bare":
        clock, _, zone = text.rpartition(" ")
        text = f'{clock}<span class="zone"> {zone}</span>'
    html = f'<time datetime="{exact}"{title}>{text}</time>{second}'
    return mark_safe(html)  # noqa: S308  digits and a zone's letters: there is nothing to escape


def ago(moment: datetime, now: datetime) -> str:
    """How long ago a moment was: `just now`, `3 min ago`, `2 d ago`."""
    seconds = max(0, int((now - moment).total_seconds()))
    found = next((each for each in AGES if seconds >= each[0]), None)
    return f"{seconds // found[0]} {found[1]} ago" if found else "just now"


def age(value: datetime | None, none: str = "") -> SafeString:
    """How long ago a moment was, `3 min ago`, with the exact time in its title; else `none`."""
    if value is None:
        return format_html('<span class="quiet">{}</span>', none)
    text = ago(value, timezone.now())
    exact, title = time_zones.text_of(value, "url"), time_zones.text_of(value, "full")
    return format_html('<time datetime="{}" title="{}">{}</time>', exact, title, text)


def url_of(name: str, *args: object) -> str:
    """The URL of a page; empty if an ID does not have Katapult's format, so that it has no page."""
    try:
        return reverse(name, args=args)
    except NoReverseMatch:
        return ""


def kind(allocation_type: str | None) -> str:
    """`Virtual machine` for `VirtualMachine`; an unknown type is returned unchanged."""
    return KINDS.get(allocation_type or "", allocation_type or "")


def outcome_name(outcome: str) -> str:
    """One that was changed in the database is returned unchanged."""
    return str(dict(Outcome.choices).get(outcome, outcome))


def duration(microseconds: int | None) -> str:
    """A duration in words: `84 ms`, `1.42 s`; empty for None."""
    if microseconds is None:
        return ""
    milliseconds = microseconds / 1000
    return f"{milliseconds:.0f} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.2f} s"


def words(code: str | None) -> str:
    """A code of Katapult in words: `Not started` for `not_started`."""
    return (code or "").replace("_", " ").capitalize()


def took(microseconds: int | None) -> str:
    """`took 84 ms`; empty for None."""
    return f"took {duration(microseconds)}" if microseconds is not None else ""


def breakable(text: str | None, after: str = ".") -> SafeString:
    """A host name or code, escaped, with a possible line break after each dot, or `after`."""
    after_it = format_html("{}{}", after, mark_safe("<wbr>"))
    return format_html_join(after_it, "{}", ((part,) for part in (text or "").split(after)))


def holder(holding: Holding, *, is_verb: bool = False) -> SafeString:
    """`web-01 vm_…`, `unallocated`, …; with `is_verb`, `allocated to web-01 vm_…`."""
    if holding.is_gone:
        return format_html("{}", "no longer this organization's")
    allocation = holding.allocation
    if not allocation:
        return format_html("<strong>{}</strong>", "unallocated")
    return format_html(
        "{}<strong>{}</strong>{}",
        "allocated to " if is_verb else "",
        breakable(allocation.name or kind(allocation.type) or "unknown"),
        format_html(' <span class="quiet mono">{}</span>', allocation.id) if allocation.id else "",
    )


def recorded(entry: AuditEntry) -> str:
    """The name in an entry, if it is not that of the account."""
    return f"recorded as {entry.recorded_as}" if entry.recorded_as else ""


def attempt_link(entry: AuditEntry, text: str = "{}'s attempt") -> SafeString:
    """A link to an entry; `{}` in the text stands for the name of its user."""
    name = text.format(entry.person)
    return format_html('<a href="{}">{}</a>', entry.get_absolute_url(), name)
