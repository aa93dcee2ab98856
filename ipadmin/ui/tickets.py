"""Ticket keys in reasons (`OPS-4685`), and links to them: see TICKET_URL and TICKET_PATTERN."""

from __future__ import annotations

import re
from functools import cache
from html import escape
from urllib.parse import quote

from django.conf import settings
from django.utils.safestring import SafeString, mark_safe


@cache
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text)


def has_key(reason: str) -> bool:
    return bool(_pattern(settings.TICKET_PATTERN).search(reason))


def linked(reason: str, limit: int | None = None) -> SafeString:
    """A reason, escaped, with a link for each ticket key. A reason that is longer than `limit`
    characters is cut there, and ends with `…`."""
    is_cut = limit is not None and len(reason) > limit
    end = limit - 1 if limit is not None and is_cut else len(reason)
    html, position, template = "", 0, settings.TICKET_URL
    for found in _pattern(settings.TICKET_PATTERN).finditer(reason) if template else ():
        if found.end() > end:
            break
        if found[0]:
            url = template.replace("{key}", quote(found[0], safe=""))
            html += escape(reason[position : found.start()])
            html += (
                f'<a class="ticket" href="{escape(url)}" rel="noreferrer">{escape(found[0])}</a>'
            )
            position = found.end()
    html += escape(reason[position:end]) + ("…" if is_cut else "")
    return mark_safe(html)  # noqa: S308  every part is escaped above
