"""Small things of presentation: times, durations, and how an outcome is shown."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from functools import cache

from django import template
from django.contrib.messages.storage.base import Message
from django.template import Context, loader
from django.utils import timezone
from django.utils.html import conditional_escape, format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from ipadmin.models import AuditEntry, Outcome
from ipadmin.ui import time_zones

register = template.Library()

OUTCOME_TONES = {
    "succeeded": "success",
    "failed": "danger",
    "refused": "neutral",
    "unknown": "warning",
    "pending": "info",
}
OUTCOME_ICONS = {
    "succeeded": "circle-check",
    "failed": "circle-x",
    "refused": "ban",
    "unknown": "circle-question-mark",
    "pending": "clock",
}
TONE_ICONS = {
    "success": "circle-check",
    "info": "info",
    "warning": "triangle-alert",
    "danger": "octagon-x",
}
STYLES = {
    "full": '<time datetime="{exact}"{title}>{day} {clock} {zone}</time>',
    "time": '<time datetime="{exact}"{title}>{clock} {zone}</time>',
    "bare": '<time datetime="{exact}"{title}>{day} {clock}<span class="zone"> {zone}</span></time>',
}
# As Katapult names them, and as people do. [seen, doc]
KINDS = {"VirtualMachine": "Virtual machine", "LoadBalancer": "Load balancer"}


@register.simple_tag
def timestamp(value: datetime | str | None, style: str = "full") -> SafeString | str:
    """A `<time>` on the reader's clock, with UTC in its title. `style` is `full`, `time` (of day
    only), `bare` (for a column whose head names the zone: said again only where there are no
    heads) or `both` (UTC on a second line). ISO 8601 text is read as well; anything else shown as
    it is.
    """
    if not value:
        return ""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        day, clock, zone = time_zones.parts(moment)
    except (ValueError, OverflowError):
        return str(value)
    exact = moment.isoformat("T", "seconds")
    utc = f"{exact[:10]} {exact[11:19]} UTC"
    shape = STYLES.get(style, STYLES["full"])
    title = second = ""
    if zone != "UTC":
        title = f' title="{utc}"'
        second = f'<time class="second" datetime="{exact}">{utc}</time>' if style == "both" else ""
    text = shape.format(exact=exact, title=title, day=day, clock=clock, zone=zone) + second
    return mark_safe(text)  # noqa: S308  digits and a zone's letters: there is nothing to escape


@register.simple_tag
def zone_name() -> str:
    """The zone of the times on this page: `Europe/Berlin`."""
    return time_zones.name_of(timezone.get_current_timezone())


@register.simple_tag(takes_context=True)
def browser_zone(context: Context) -> str:
    """The zone of the reader's browser, whatever they chose to see; nothing if it is not known."""
    zone = time_zones.browsers_zone(context["request"].COOKIES)
    return time_zones.name_of(zone) if zone else ""


@register.filter
def seconds(value: float | None) -> str:
    """A duration for people: `84 ms`, `1.42 s`; nothing for None."""
    if value is None:
        return ""
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.2f} s"


@register.filter
def microseconds(value: int | None) -> str:
    """A duration in microseconds, like `seconds`."""
    return seconds(None if value is None else value / 1_000_000)


@register.filter
def outcome_tone(outcome: str) -> str:
    return OUTCOME_TONES.get(outcome, "neutral")


@register.filter
def outcome_icon(outcome: str) -> str:
    return OUTCOME_ICONS.get(outcome, "info")


@register.simple_tag
@cache
def outcome_badge(outcome: str) -> SafeString:
    """An outcome with its icon; a list has hundreds of them, of five kinds."""
    names = dict(Outcome.choices)
    context = {"outcome": outcome, "name": names.get(outcome, outcome)}
    return loader.render_to_string("ipadmin/_outcome.html", context)


@register.simple_tag
def held_by(entry: AuditEntry) -> SafeString:
    """What held an address, for a list: its name, or its kind where it has none, and its id."""
    if not entry.allocation:
        return format_html('<span class="quiet">{}</span>', "Nothing")
    name = entry.allocation_name
    return format_html(
        '<span class="{}">{}</span> <span class="second mono">{}</span>',
        "strong" if name else "",
        name or kind(entry.allocation_type) or "Something",
        entry.allocation_id,
    )


@register.filter
def message_tone(message: Message) -> str:
    tag = message.level_tag
    return "danger" if tag == "error" else tag


@register.filter
def tone_icon(tone: str) -> str:
    return TONE_ICONS.get(tone, "info")


@register.filter
def kind(allocation_type: str | None) -> str:
    """What holds an address, in words; a type nobody knows yet is shown as it is."""
    return KINDS.get(allocation_type or "", allocation_type or "")


@register.filter
def pretty(value: object) -> str:
    """A JSON value over several lines."""
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True)


@register.filter
def breakable(host: str | None) -> SafeString:
    """A host name, escaped, that breaks after a dot where it is too long for its line."""
    after_a_dot = format_html(".{}", mark_safe("<wbr>"))
    return format_html_join(after_a_dot, "{}", ((part,) for part in (host or "").split(".")))


@register.filter
def highlight(text: str | None, query: str) -> SafeString:
    """The text, escaped, with what was searched for in `<mark>`."""
    text = text or ""
    if not query:
        return conditional_escape(text)
    parts = re.split(f"({re.escape(query)})", text, flags=re.IGNORECASE)
    marked = (
        # `re.split` puts what it matched at the odd places.
        format_html("<mark>{}</mark>", part) if index % 2 else conditional_escape(part)
        for index, part in enumerate(parts)
    )
    return mark_safe("".join(marked))  # noqa: S308  every part is escaped above
