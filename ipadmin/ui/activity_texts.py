"""The words for an act on the history: what was done, by whom, and what its seal says of it.

Details are shown whatever they are: a later version may seal others, and somebody may have changed
them in the database.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ipadmin.audit.integrity.verification import HOLDS
from ipadmin.models import LinkKind

UNREADABLE = "Cannot be read"
FORMATS = {"csv": "CSV", "jsonl": "JSON lines"}
LABELS = {
    "criteria": "Filters",
    "sha256": "SHA-256",
    "checkpoint": "Checkpoint compared",
    "before": "From before",
    "bytes": "Size in bytes",
    "source_ip": "From",
    "request_id": "Request id",
    "links": "Links",
    "started": "Started as link",
    "attempt_id": "Attempt",
    "address_id": "Id",
    "source": "By the",
    "competing": "Competing attempts",
}
# Told by the title, or by who did it; the digest of a pruning tells only a verification anything.
TOLD = {"by", "format", "entries", "result", "complete", "digest"}
NAMES = ("name", "user_name", "user", "command_line")
# A person's number is of no use to who reads the name.
NOT_TOLD = {*NAMES, "id", "user_id"}
CODES = {"sha256", "checkpoint", "request_id", "source_ip", "attempt_id", "address_id", "address"}
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$")
# Nothing of ours comes near these; what somebody else wrote may not fill the page.
LONGEST = 500
DEEPEST = 4
TITLES: dict[str, str] = {
    LinkKind.EXPORT_STARTED: "Export{format} started",
    LinkKind.EXPORT_FINISHED: "{entries} exported{format}",
    LinkKind.VERIFIED: "Verified: all links hold",
    LinkKind.CHECKPOINT_CREATED: "Checkpoint created",
    LinkKind.PRUNED: "{entries} pruned",
    LinkKind.READ_LATER: "Read as unallocated after a failed attempt",
}
ICONS: dict[str, str] = {
    LinkKind.EXPORT_STARTED: "download",
    LinkKind.EXPORT_FINISHED: "download",
    LinkKind.VERIFIED: "shield-check",
    LinkKind.CHECKPOINT_CREATED: "anchor",
    LinkKind.PRUNED: "scissors",
    LinkKind.READ_LATER: "eye",
}


@dataclass(frozen=True, slots=True)
class Fact:
    label: str
    text: str
    is_code: bool


@dataclass(frozen=True, slots=True)
class Act:
    """`at` is a plain moment."""

    sequence: int
    at: str | None
    icon: str
    tone: str
    title: str
    who: str
    facts: list[Fact]


def act(sequence: int, kind: str, at: str | None, details: Any) -> Act:
    """Without a kind the seal cannot be read."""
    given: dict[str, Any] = details if isinstance(details, dict) else {}
    title, tone = _title(kind, given)
    icon = "shield-alert" if tone == "danger" else ICONS.get(kind, "info")
    by = given.get("by")
    return Act(sequence, at, icon, tone, title, _who(by), list(_facts(kind, given)))


def _title(kind: str, given: dict[str, Any]) -> tuple[str, str]:
    """What was done, and its tone."""
    words = {"entries": _entries(given.get("entries")), "format": _format(given.get("format"))}
    if kind == LinkKind.VERIFIED and given.get("result") != HOLDS:
        return "Verified: not everything holds", "danger"
    if kind == LinkKind.EXPORT_FINISHED and given.get("complete") is False:
        return "Export{format} broken off after {entries}".format(**words), "warning"
    if kind in TITLES:
        title = TITLES[kind].format(**words)
        return title[0].upper() + title[1:], "neutral"
    return (_name(kind), "warning") if kind else (UNREADABLE, "danger")


def _entries(count: Any) -> str:
    if not isinstance(count, int):
        return "an unknown number of attempts"
    return f"{count:,} attempt{'' if count == 1 else 's'}"


def _format(value: Any) -> str:
    return f" as {FORMATS.get(value, value[:LONGEST])}" if isinstance(value, str) else ""


def _who(by: Any) -> str:
    if not isinstance(by, dict):
        return _text(by)
    for name in NAMES:
        if by.get(name):
            told = _text(by[name])
            return f"{told} (command line)" if name == "command_line" else told
    return ""


def _facts(kind: str, given: dict[str, Any]) -> Iterator[Fact]:
    if kind == LinkKind.VERIFIED and given.get("result") != HOLDS:
        yield Fact("Found", _text(given.get("result")), is_code=False)
    if kind in {LinkKind.EXPORT_STARTED, LinkKind.EXPORT_FINISHED} and not given.get("criteria"):
        yield Fact(LABELS["criteria"], "None: the whole history", is_code=False)
    by = given["by"] if isinstance(given.get("by"), dict) else {}
    yield from _flat({key: value for key, value in given.items() if key not in TOLD}, 0)
    yield from _flat({key: value for key, value in by.items() if key not in NOT_TOLD}, 0)


def _flat(given: dict[str, Any], depth: int) -> Iterator[Fact]:
    for key, value in given.items():
        if value in (None, "", [], {}):
            continue
        if isinstance(value, dict) and key != "criteria" and depth < DEEPEST:
            yield from _flat(value, depth + 1)
        else:
            yield _fact(str(key), value)


def _fact(key: str, value: Any) -> Fact:
    return Fact(LABELS.get(key) or _name(key), _text(value), is_code=key in CODES)


def _text(value: Any) -> str:
    """A value of JSON's types in words."""
    return _said(value, 0)[:LONGEST]


def _said(value: Any, depth: int) -> str:
    if depth > DEEPEST:
        return "…"
    if isinstance(value, dict):
        pairs = ((_name(str(key)).lower(), _said(each, depth + 1)) for key, each in value.items())
        return "; ".join(f"{name} {said}" for name, said in pairs)
    if isinstance(value, list):
        return ", ".join(_said(each, depth + 1) for each in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return "" if value is None else _moment(str(value))


def _name(key: str) -> str:
    return key.replace("_", " ").strip().capitalize()[:LONGEST]


def _moment(text: str) -> str:
    """A moment as people write it, in UTC, which stays true for every reader. Else as it is."""
    if not MOMENT.match(text):
        return text
    try:
        return f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError):
        return text
