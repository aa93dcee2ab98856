"""Small things of presentation: times, durations, and how an outcome is shown."""

from __future__ import annotations

import json
import re
import uuid
from functools import cache, lru_cache
from typing import NamedTuple

from django import template
from django.contrib.messages.storage.base import Message
from django.template import Context
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString, mark_safe

from ipadmin.katapult.types import VIRTUAL_MACHINE
from ipadmin.models import ApiToken, AuditEntry
from ipadmin.services.listing import Row
from ipadmin.templatetags.icons import icon
from ipadmin.ui import address_texts, markup, tickets, time_zones

register = template.Library()
register.simple_tag(markup.timestamp)
register.simple_tag(markup.age)
register.filter("linked", tickets.linked)
register.filter(markup.kind)
register.filter(address_texts.attempt_note)
register.filter(markup.breakable)
register.filter(markup.took)
register.filter(markup.words)

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
@cache
def constant(template_name: str) -> SafeString:
    """A template without variables, for every page: rendered once, and not indented."""
    html = re.sub(r"\s*\n\s*", "\n", render_to_string(template_name))
    return mark_safe(html)  # noqa: S308  a template of our own


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


@register.simple_tag
@cache
def outcome_badge(outcome: str) -> SafeString:
    """An outcome with its icon; a list has hundreds of them, of five kinds."""
    tone, drawn = OUTCOMES.get(outcome, NO_OUTCOME)
    html = '<span class="badge" data-tone="{}">{} {}</span>'
    return format_html(html, tone, icon(drawn, 13), markup.outcome_name(outcome))


@register.simple_tag
def address_row(row: Row, token: ApiToken, query: str) -> SafeString:
    """An address of the list. Kept, because people look at the same rows again and again, unless
    it shows an attempt or an age."""
    changes = row.attempt or (row.machine and row.machine.as_of)
    render = _row.__wrapped__ if changes else _row
    return render(row, RowToken(token.id, token.is_read_only), query)


class RowToken(NamedTuple):
    """What a row shows of its token."""

    id: uuid.UUID
    is_read_only: bool


# Some 2 KB each.
@lru_cache(maxsize=4000)
def _row(row: Row, token: RowToken, query: str) -> SafeString:
    return render_to_string("ipadmin/_row.html", {"row": row, "token": token, "query": query})


@register.simple_tag
def allocated_to(row: Row, token: RowToken, query: str) -> SafeString:
    """What an address of the list is allocated to: the name, a small type, and where the name is
    from if not from Katapult; the id where no name is known."""
    of = row.ip.allocation
    if of is None:
        return format_html('<span class="quiet">{}</span>', "Nothing")
    name = (row.machine.name if row.machine else of.name) or ""
    title = highlight(name or of.id, query)
    url = markup.url_of("machine", token.id, of.id) if of.type == VIRTUAL_MACHINE else ""
    if url:
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


@register.filter
def thousands(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


@register.simple_tag
def result_icon(entry: AuditEntry, tone: str) -> str:
    """Of a result in this tone; it spins while there is no outcome yet."""
    return icon("loader-circle", 18, "spinning") if entry.is_open else icon(tone_icon(tone), 18)
