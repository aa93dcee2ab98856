"""Exports of all entries, and what was recorded of them."""

from __future__ import annotations

import json
from typing import Any

from ipadmin.audit.activity import Actor
from ipadmin.audit.export.export import Format, export
from ipadmin.models import AuditEntry, AuditLink

BY = Actor(command_line="tests")
CRITERIA = {"person": ["alice"]}
HOSTILE = [
    *("=1+1", "\uff1d1", "a;=1", 'quote " and, comma', "two\nlines\r\nor three", "Zürich 日本 🦊"),
    *("<script>alert('x')</script>", "{{ 7 * 7 }}", "\u202egnp.exe", "\u2028\u2029", "'", "\\"),
]


def exported(format: Format, **more: Any) -> bytes:
    newest_first = AuditEntry.objects.order_by("-created_at", "-id")
    return b"".join(export(newest_first, format, by=BY, criteria=CRITERIA, **more))


def json_lines() -> list[dict[str, Any]]:
    # Only a new line ends a line: others stand in texts.
    return [json.loads(line) for line in exported(Format.JSON_LINES).decode().split("\n")[:-1]]


def activity() -> list[tuple[str, dict[str, Any]]]:
    found = AuditLink.objects.filter(attempt_id=None)
    return [(seal.kind, seal.details or {}) for seal in found]
