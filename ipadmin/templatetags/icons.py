"""`{% icon "check" %}`: an icon of Lucide, hidden from screen readers."""

from __future__ import annotations

from functools import cache

from django import template
from lucide.templatetags import lucide as drawing

register = template.Library()


@register.simple_tag
@cache
def icon(name: str, size: int = 16, css_class: str = "") -> str:
    """Nothing for an empty name. `size` in pixels. Cached: lucide writes the same XML anew each
    time, and a page has dozens of icons."""
    if not name:
        return ""
    attributes = {"class": css_class} if css_class else {}
    return drawing.lucide(name, size=size, aria_hidden="true", **attributes)
