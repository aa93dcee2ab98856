"""What a page of the history shows."""

from __future__ import annotations

from typing import Any

from ipadmin.models import AuditEntry
from tests.page import Page

URL = "/audit/"
ALL = "/audit/?when=all"


def shown(answer: Any) -> list[str]:
    """The attempt ids of the rows, in order."""
    urls = Page(answer).all('a.whole-row[href^="/audit/"]')
    return [(url.attributes["href"] or "").split("/")[2] for url in urls]


def link(answer: Any, rel: str) -> str:
    return Page(answer).link(rel)


def ids(*entries: AuditEntry) -> list[str]:
    return [str(each.attempt_id) for each in entries]
