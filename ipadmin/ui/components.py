"""What the templates of the same names show: `_facts.html`, `_notice.html`, badges, empty lists."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple


class Fact(NamedTuple):
    """One label and its value, in this order: `at` (a datetime or ISO 8601 text, shown in the
    reader's zone and in UTC), `text` (a link with `url`), `note` (less prominent), `code`
    (monospaced, with a copy button). `none` is shown where there is no value."""

    label: str
    text: str = ""
    note: str = ""
    code: str = ""
    url: str = ""
    at: datetime | str | None = None
    none: str = ""

    @property
    def is_empty(self) -> bool:
        return not (self.text or self.note or self.code or self.at)


class Linked(NamedTuple):
    """A sentence that is a link."""

    text: str
    url: str


class Notice(NamedTuple):
    """A message. `tone`: info, success, warning or danger."""

    tone: str
    title: str
    lines: tuple[str, ...] = ()
    link: Linked | None = None


class Badge(NamedTuple):
    """A short text with an icon. `tone` as in `Notice`, or neutral; `note` says more."""

    tone: str
    icon: str
    text: str
    note: str = ""


class Empty(NamedTuple):
    """What a list without rows shows. `is_search`: fewer filters could find something."""

    icon: str
    title: str
    text: str = ""
    links: tuple[Linked, ...] = ()
    is_search: bool = False
