"""Small things of presentation: times, durations, and how an outcome is shown."""

from __future__ import annotations

import json
import re
from functools import cache

from django import template
from django.contrib.messages.storage.base import Message
from django.template import Context, loader
from django.utils import timezone
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString, mark_safe

from ipadmin.models import AuditEntry, Outcome
from ipadmin.ui import markup, time_zones

register = template.Library()
register.simple_tag(markup.timestamp)
register.filter(markup.kind)
register.filter(markup.breakable)
register.filter("seconds", markup.duration)

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
        name or markup.kind(entry.allocation_type) or "Something",
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
def pretty(value: object) -> str:
    """A JSON value over several lines."""
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True)


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
