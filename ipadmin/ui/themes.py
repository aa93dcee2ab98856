"""The theme that a person chose, in a cookie. Without one it is that of the system."""

from __future__ import annotations

from collections.abc import Mapping

THEME_COOKIE = "theme"
THEMES = {"light": "Light", "dark": "Dark"}


def choices(cookies: Mapping[str, str]) -> list[tuple[str, str, bool]]:
    """Value and name of each theme, and whether it is the chosen one."""
    themes = {"": "System", **THEMES}
    return [(value, name, value == chosen(cookies)) for value, name in themes.items()]


def chosen(cookies: Mapping[str, str]) -> str:
    """The chosen theme, or empty."""
    theme = cookies.get(THEME_COOKIE, "")
    return theme if theme in THEMES else ""
