"""A message on a page, as `templates/ipadmin/_notice.html` shows it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Linked:
    """A sentence that is a link."""

    text: str
    url: str


@dataclass(frozen=True, slots=True)
class Notice:
    """`tone`: info, success, warning or danger."""

    tone: str
    title: str
    lines: tuple[str, ...] = ()
    link: Linked | None = None
