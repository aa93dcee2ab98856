"""lucide's `{% lucide %}`, each icon drawn once: it writes the same XML anew every time, and a page
has dozens of them."""

from __future__ import annotations

from functools import cache

from django import template
from lucide.templatetags import lucide as drawing

register = template.Library()

# As the tag's own, for whoever loads `lucide`: see TEMPLATES in the settings.
register.simple_tag(cache(drawing.lucide), name="lucide")
