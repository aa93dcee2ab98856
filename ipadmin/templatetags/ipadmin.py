"""Small things of presentation: times, durations, and how an outcome is shown."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from html import escape

from django import template
from django.contrib.messages.storage.base import Message
from django.template import Context
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString, mark_safe

from ipadmin.models import ApiToken, AuditEntry, AuditValueCounter, Outcome
from ipadmin.services.listing import Row
from ipadmin.templatetags.icons import icon
from ipadmin.ui import address_texts, markup, time_zones
from ipadmin.ui.charts import Chart, Column

register = template.Library()
register.simple_tag(markup.timestamp)
register.simple_tag(markup.age)
register.filter(markup.kind)
register.filter(address_texts.attempt_note)
register.filter(markup.breakable)
register.filter("microseconds", markup.duration)

OUTCOMES = {
    "succeeded": ("success", "circle-check"),
    "failed": ("danger", "circle-x"),
    "refused": ("neutral", "ban"),
    "unknown": ("warning", "circle-question-mark"),
    "pending": ("info", "clock"),
}
# One that was changed in the database.
NO_OUTCOME = ("neutral", "info")
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
    return OUTCOMES.get(outcome, NO_OUTCOME)[0]


@register.filter
def outcome_icon(outcome: str) -> str:
    return OUTCOMES.get(outcome, NO_OUTCOME)[1]


@register.simple_tag
@cache
def outcome_badge(outcome: str) -> SafeString:
    """An outcome with its icon; a list has hundreds of them, of five kinds."""
    tone, drawn = OUTCOMES.get(outcome, NO_OUTCOME)
    name = dict(Outcome.choices).get(outcome, outcome)
    html = '<span class="badge" data-tone="{}">{} {}</span>'
    return format_html(html, tone, icon(drawn, 13), name)


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


@register.simple_tag
def allocated_to(row: Row, token: ApiToken, query: str) -> SafeString:
    """What an address of the list is allocated to: the name, a small type, and where the name is
    from if not from Katapult; the id where no name is known."""
    of = row.ip.allocation
    if of is None:
        return format_html('<span class="quiet">{}</span>', "Nothing")
    name = (row.machine.name if row.machine else of.name) or ""
    title = highlight(name or of.id, query)
    if of.type == "VirtualMachine" and of.id:
        with suppress(NoReverseMatch):
            url = reverse("machine", args=[token.id, of.id])
            title = format_html('<a class="strong" href="{}">{}</a>', url, title)
    as_of = row.machine.as_of if row.machine else None
    note = format_html(' <span class="quiet">as of {}</span>', markup.age(as_of)) if as_of else ""
    return format_html(
        '<span class="holder{}">{}</span> <span class="type">{}</span>{}',
        "" if name else " mono",
        title,
        markup.kind(of.type) or "Resource",
        note,
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


# Markup that repeats hundreds of times: a template would take as long for it as for
# the rest of the page.


@register.filter
def thousands(number: int) -> str:
    return f"{number:,}"


@register.simple_tag
def bars(chart: Chart) -> SafeString:
    """A link for each bar that has attempts."""
    drawn = "".join(_bar(column, chart) for column in chart.columns if column.href)
    return mark_safe(drawn)  # noqa: S308  numbers, and what `_bar` escapes


def _bar(column: Column, chart: Chart) -> str:
    segments = "".join(
        f'<rect class="segment" data-outcome="{segment.outcome}" x="{column.x}%" y="{segment.y}"'
        f' width="{column.width}%" height="{segment.height}"/>'
        for segment in column.segments
    )
    return (
        f'<a href="{escape(column.href)}" aria-label="{column.when} (UTC): {column.parts}">'
        f'<rect class="hit" x="{column.left}%" y="{chart.top}" width="{column.span}%"'
        f' height="{chart.plot}"/>{segments}<text class="when" y="12">{column.when}</text>'
        f'<text class="parts" x="100%" y="12">{column.parts}</text></a>'
    )


@register.simple_tag
def bar_rows(chart: Chart) -> SafeString:
    """The chart as rows of a table, one for each bar that has attempts."""
    rows = (
        f'<tr><th scope="row"><a href="{escape(column.href)}">{column.when}</a></th>'
        + "".join(f"<td>{count}</td>" for count in column.counts)
        + "</tr>"
        for column in chart.columns
        if column.href
    )
    return mark_safe("".join(rows))  # noqa: S308  numbers, and escaped texts


@register.simple_tag
def options(values: Iterable[AuditValueCounter], selected: tuple[str, str] | None) -> SafeString:
    """The options of a `<select>`, the selected one (value and name) first."""
    value, name = selected or ("", "")
    made = [f'<option value="{escape(value)}" selected>{escape(name)}</option>'] if value else []
    made += (
        f'<option value="{escape(each.value)}">{escape(each.title)}</option>'
        for each in values
        if each.value != value
    )
    return mark_safe("".join(made))  # noqa: S308  everything is escaped


@register.simple_tag
def names(values: Iterable[AuditValueCounter]) -> SafeString:
    """The options of a `<datalist>`."""
    made = (f'<option value="{escape(each.title)}">' for each in values)
    return mark_safe("".join(made))  # noqa: S308  everything is escaped
