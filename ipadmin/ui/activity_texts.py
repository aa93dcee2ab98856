"""Activity of the audit log in words: what was done, by whom, and the details that its link seals.

The details may be of any shape: they can have been changed in the database. What is not expected
is shown as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ipadmin.audit.integrity.verification import HOLDS
from ipadmin.models import LinkKind
from ipadmin.ui import time_zones

# No value of ours is longer.
TEXT_CHARACTERS = 500
FORMATS = {"csv": "CSV", "jsonl": "JSON lines"}
LABELS = {
    "criteria": "Filters",
    "sha256": "SHA-256",
    "started": "Started as record",
    "checkpoint": "Checkpoint compared",
    "before": "Created before",
    "file": "File",
    "bytes": "Size in bytes",
    "attempt_id": "Attempt ID",
    "address": "Address",
    "address_id": "Address ID",
    "read_at": "Read at",
    "source": "Read for",
    "competing": "Competing attempts",
    "source_ip": "From",
    "request_id": "Request ID",
}
CODES = {"sha256", "checkpoint", "request_id", "source_ip", "attempt_id", "address_id", "address"}
# Parts of the title, the actor, and a digest that says nothing to a reader.
NOT_LISTED = {"format", "entries", "complete", "links", "result", "by", "export", "digest"}
ACTOR_NAMES = {"user_id", "user_name", "command_line"}


@dataclass(frozen=True, slots=True)
class KindText:
    icon: str
    title: str
    tone: str = "neutral"


KINDS: dict[str, KindText] = {
    LinkKind.EXPORT_STARTED: KindText("download", "Export{format} started"),
    LinkKind.EXPORT_FINISHED: KindText("download", "{entries} exported{format}"),
    LinkKind.VERIFIED: KindText("shield-check", "Verified: {links} intact"),
    LinkKind.CHECKPOINT_CREATED: KindText("anchor", "Checkpoint created"),
    LinkKind.PRUNED: KindText("scissors", "{entries} removed"),
    LinkKind.READ_LATER: KindText("eye", "Read as unallocated after a failed attempt"),
}
EXPORT_STOPPED = KindText("download", "Export{format} stopped after {entries}", "warning")
TAMPERING = KindText("shield-alert", "Verified: tampering detected", "danger")
UNREADABLE = KindText("shield-alert", "Unreadable record", "danger")


@dataclass(frozen=True, slots=True)
class ActivityFact:
    label: str
    text: str
    is_code: bool = False


@dataclass(frozen=True, slots=True)
class ActivityText:
    """`at` is the raw value of a time."""

    sequence: int
    at: str | None
    icon: str
    tone: str
    title: str
    actor: str
    facts: list[ActivityFact]


def describe(sequence: int, kind: str, at: str | None, details: object) -> ActivityText:
    """`kind` is empty for a link that cannot be read."""
    given: dict[str, Any] = details if isinstance(details, dict) else {}
    by = given.get("by")
    actor: dict[str, Any] = by if isinstance(by, dict) else {}
    text = _kind_text(kind, given)
    title = (
        text.title
        if kind not in KINDS
        else text.title.format(
            entries=_count(given.get("entries"), "attempt"),
            links=_count(given.get("links"), "record"),
            format=_format(given.get("format")),
        )
    )
    title = title[0].upper() + title[1:]
    facts = list(_facts(kind, given, actor))
    return ActivityText(sequence, at, text.icon, text.tone, title, _name(actor), facts)


def _kind_text(kind: str, given: dict[str, Any]) -> KindText:
    if kind == LinkKind.VERIFIED and given.get("result") != HOLDS:
        return TAMPERING
    if kind == LinkKind.EXPORT_FINISHED and given.get("complete") is False:
        return EXPORT_STOPPED
    return KINDS.get(kind) or (KindText("info", kind, "warning") if kind else UNREADABLE)


def _count(count: object, noun: str) -> str:
    if not isinstance(count, int):
        return f"an unknown number of {noun}s"
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _format(format: object) -> str:
    return f" as {FORMATS.get(format, format[:20])}" if isinstance(format, str) else ""


def _name(actor: dict[str, Any]) -> str:
    if command_line := actor.get("command_line"):
        return f"{_text(command_line)} (command line)"
    return _text(actor.get("user_name"))


def _facts(kind: str, given: dict[str, Any], actor: dict[str, Any]) -> Iterator[ActivityFact]:
    if kind not in KINDS:
        yield from [ActivityFact("Details", _json(given))] if given else []
        return
    if kind == LinkKind.VERIFIED and given.get("result") != HOLDS:
        yield ActivityFact("Found", _text(given.get("result")))
    if kind in {LinkKind.EXPORT_STARTED, LinkKind.EXPORT_FINISHED} and not given.get("criteria"):
        yield ActivityFact("Filters", "None: the whole history")
    file = given.get("export")
    shown = given | (file if isinstance(file, dict) else {}) | actor
    for name, label in LABELS.items():
        if shown.get(name):
            yield ActivityFact(label, _text(shown[name]), is_code=name in CODES)
    unknown = shown.keys() - LABELS.keys() - NOT_LISTED - ACTOR_NAMES
    if unknown:
        yield ActivityFact("Details", _json({name: shown[name] for name in sorted(unknown)}))


def _text(value: object) -> str:
    """A text, a time in UTC, a number, or the filters of an export; anything else as JSON."""
    if isinstance(value, str) or value is None:
        return _time(value or "")[:TEXT_CHARACTERS]
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, dict) and all(isinstance(each, list) for each in value.values()):
        texts = (f"{name} {', '.join(map(str, each))}" for name, each in value.items())
        return "; ".join(texts)[:TEXT_CHARACTERS]
    return _json(value)


def _time(text: str) -> str:
    try:
        is_time = len(text) > len("2026-01-02T") and text[10] == "T"
        return time_zones.text_of(datetime.fromisoformat(text), zone=UTC) if is_time else text
    except (ValueError, OverflowError):
        return text


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)[:TEXT_CHARACTERS]
