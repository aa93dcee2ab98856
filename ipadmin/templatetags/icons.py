"""`{% icon "check" %}`: an icon of Lucide, hidden from screen readers."""

from __future__ import annotations

import re
from functools import cache

from django import template
from django.utils.safestring import mark_safe
from lucide.templatetags import lucide as drawing

register = template.Library()
# What all icons have in common: the class has it in css/base.css.
STROKE = (
    'fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round"'
    ' stroke-linejoin="round"'
)
LINE_BREAKS = re.compile(r"\s*\n\s*")


@register.simple_tag
@cache
def icon(name: str, size: int = 16, css_class: str = "") -> str:
    """Nothing for an empty name. `size` in pixels. Cached: lucide writes the same XML anew each
    time, and a page has dozens of icons."""
    if not name:
        return ""
    drawn = LINE_BREAKS.sub("", drawing.lucide(name, size=size, aria_hidden="true"))
    classes = f'class="{f"icon {css_class}".strip()}"'
    return mark_safe(drawn.replace(STROKE, classes).replace(" />", "/>"))  # noqa: S308  our own
