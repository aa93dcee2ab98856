"""What a page of the history shows."""

from __future__ import annotations

import re
from typing import Any

from ipadmin.models import AuditEntry

URL = "/audit/"
ALL = "/audit/?when=all"
ENTRY = re.compile(r'class="whole-row" href="/audit/([^/]+)/"')


def shown(answer: Any) -> list[str]:
    """The attempt ids of the rows, in order."""
    return ENTRY.findall(answer.text)


def link(answer: Any, rel: str) -> str:
    found = re.search(rf'rel="{rel}" href="([^"]*)"', answer.text)
    return found[1].replace("&amp;", "&") if found else ""


def ids(*entries: AuditEntry) -> list[str]:
    return [str(each.attempt_id) for each in entries]
