"""The theme that a person chose, in a cookie. Without one it is that of the system."""

from __future__ import annotations

from collections.abc import Mapping

THEME_COOKIE = "theme"
THEMES = ("light", "dark")


def chosen(cookies: Mapping[str, str]) -> str:
    """The chosen theme, or empty."""
    theme = cookies.get(THEME_COOKIE, "")
    return theme if theme in THEMES else ""
