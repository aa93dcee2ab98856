"""The reader's choice of a theme; without one, that of the system."""

THEME_COOKIE = "theme"
THEMES = ("light", "dark")
