"""A list of labels and values on a page, as `templates/ipadmin/_facts.html` shows it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Fact:
    """One label and its value, in this order: `at` (a datetime
    or ISO 8601 text, shown in the reader's zone and in UTC), `text` (a
    link with `url`), `note` (less prominent), `code` (monospaced, with a copy button). `none` is
    shown where there is no value.
    """

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
