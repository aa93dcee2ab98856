"""Activity of the audit log in words: what was done, by whom, and the details that its link seals.

The details may be of any shape: they can have been changed in the database. What is not expected
is shown as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NamedTuple

from ipadmin.audit.activity_log import Log
from ipadmin.audit.integrity.verification import HOLDS
from ipadmin.models import LinkKind, User
from ipadmin.ui.components import Badge, Fact

# No value of ours is longer.
TEXT_CHARACTERS = 500
FORMATS = {"csv": "CSV", "jsonl": "JSON lines"}
LABELS = {
    "criteria": "Filters",
    "sha256": "SHA-256",
    "started": "Started as record",
    "checkpoint": "Checkpoint compared",
    "before": "Created before",
    "note": "Note",
    "finding": "Found",
    "verification": "Verification",
    "columns": "Columns",
    "time_zone": "Time zone",
    "file": "File",
    "bytes": "Size in bytes",
    "attempt_id": "Attempt ID",
    "address": "Address",
    "address_id": "Address ID",
    "read_at": "Read at",
    "source": "Read for",
    "competing": "Competing attempts",
    "name": "User name",
    "methods": "Signed in with",
    "factor": "Second factor",
    "old": "Before",
    "new": "After",
    "roles": "Roles",
    "client": "Browser",
    "token_label": "Token",
    "token_id": "Token ID",
    "organization": "Organization",
    "findings": "Found",
    "sessions": "Sessions ended",
    "secrets": "Secrets encrypted",
    "key": "Key",
    "why": "Why",
    "run": "Run",
    "action": "Action",
    "addresses": "Addresses",
    "rule": "Needs approval because of",
    "reason": "Reason",
    "reverse_dns": "Reverse DNS",
    "expires_at": "Valid until",
    "source_ip": "From",
    "request_id": "Request ID",
}
CODES = {
    *("sha256", "checkpoint", "request_id", "source_ip", "attempt_id", "address_id", "address"),
    *("token_id", "run"),
}
TIMES = {"before", "read_at", "expires_at"}
# Parts of the title, the actor, and a digest that says nothing to a reader.
NOT_LISTED = {
    *("format", "entries", "complete", "links", "result", "by", "export", "digest"),
    *(
        "user_id",
        "user_name",
        "command_line",
        "provider",
        "person",
        "person_id",
        "token_fingerprint",
    ),
}
# The filters of the log.
FILTERS = {
    "": "All",
    "sign-ins": "Sign-ins",
    "accounts": "Accounts",
    "tokens": "Tokens",
    "runs": "Runs",
    "history": "History",
}
KINDS: dict[str, Badge] = {
    LinkKind.EXPORT_STARTED: Badge("neutral", "download", "Export{format} started"),
    LinkKind.EXPORT_FINISHED: Badge("neutral", "download", "{entries} exported{format}"),
    LinkKind.VERIFIED: Badge("neutral", "shield-check", "Verified: {links} intact"),
    LinkKind.CHECKPOINT_CREATED: Badge("neutral", "anchor", "Checkpoint created"),
    LinkKind.PRUNED: Badge("neutral", "scissors", "{entries} removed"),
    LinkKind.ACKNOWLEDGED: Badge("neutral", "shield", "Failed verification acknowledged"),
    LinkKind.READ_LATER: Badge("neutral", "eye", "Read as changed after a failed attempt"),
    LinkKind.SIGNED_IN: Badge("neutral", "log-in", "Signed in"),
    LinkKind.SIGN_IN_FAILED: Badge("warning", "log-in", "Sign-in failed"),
    LinkKind.SIGNED_OUT: Badge("neutral", "log-out", "Signed out"),
    LinkKind.LOCKED_OUT: Badge("warning", "lock", "Sign-in locked after wrong passwords"),
    LinkKind.LOCK_LIFTED: Badge("neutral", "lock-open", "Lock-out of {person} lifted"),
    LinkKind.REAUTHENTICATED: Badge("neutral", "user-check", "Identity confirmed"),
    LinkKind.SESSIONS_ENDED: Badge("neutral", "log-out", "Sessions of {person} ended"),
    LinkKind.FACTOR_ADDED: Badge("neutral", "key-round", "Second factor of {person} added"),
    LinkKind.FACTOR_REMOVED: Badge("warning", "key-round", "Second factor of {person} removed"),
    LinkKind.PASSWORD_CHANGED: Badge("neutral", "key-round", "Password of {person} changed"),
    LinkKind.PERSON_INVITED: Badge("neutral", "user-plus", "Link for {person} made"),
    LinkKind.INVITATION_USED: Badge("neutral", "user-check", "Link of {person} used"),
    LinkKind.INVITATION_REVOKED: Badge("neutral", "user-x", "Link of {person} revoked"),
    LinkKind.PERSON_CHANGED: Badge("neutral", "user-pen", "{person} changed"),
    LinkKind.ROLES_CHANGED: Badge("warning", "user-cog", "Roles of {person} changed"),
    LinkKind.PERSON_DISABLED: Badge("warning", "user-x", "{person} disabled"),
    LinkKind.PERSON_ENABLED: Badge("warning", "user-check", "{person} enabled"),
    LinkKind.TOKEN_ADDED: Badge("neutral", "key-round", "Token added"),
    LinkKind.TOKEN_CHANGED: Badge("neutral", "key-round", "Token changed"),
    LinkKind.TOKEN_REPLACED: Badge("neutral", "key-round", "Token replaced"),
    LinkKind.TOKEN_CHECKED: Badge("neutral", "key-round", "Token checked"),
    LinkKind.TOKEN_DELETED: Badge("warning", "key-round", "Token deleted"),
    LinkKind.KEYS_ROTATED: Badge("neutral", "rotate-cw", "Secrets encrypted with the newest key"),
    LinkKind.RUN_CONFIRMED: Badge("neutral", "list-checks", "Run confirmed"),
    LinkKind.RUN_APPROVED: Badge("neutral", "user-check", "Run approved"),
    LinkKind.RUN_REJECTED: Badge("warning", "user-x", "Run rejected"),
    LinkKind.RUN_EXPIRED: Badge("warning", "clock", "Approval of a run expired"),
    LinkKind.RUN_PAUSED: Badge("neutral", "pause", "Run paused"),
    LinkKind.RUN_RESUMED: Badge("neutral", "play", "Run resumed"),
    LinkKind.RUN_STOPPED: Badge("warning", "square", "Run stopped"),
    LinkKind.RUN_FINISHED: Badge("neutral", "check", "Run finished"),
    LinkKind.RUN_TAKEN_OVER: Badge("warning", "refresh-cw", "Run taken over from a silent worker"),
}
EXPORT_STOPPED = Badge("warning", "download", "Export{format} stopped after {entries}")
TAMPERING = Badge("danger", "shield-alert", "Verified: tampering detected")
UNREADABLE = Badge("danger", "shield-alert", "Unreadable record")

Details = dict[str, object]


class ActivityText(NamedTuple):
    """`at` is the raw value of a time."""

    sequence: int
    at: str | None
    badge: Badge
    actor: str
    facts: list[Fact]


def describe(sequence: int, kind: str, at: str | None, details: object) -> ActivityText:
    """`kind` is empty for a link that cannot be read."""
    given = _details(details)
    actor = _details(given.get("by"))
    name = _text(actor.get("user_name") or actor.get("provider"))
    if command_line := actor.get("command_line"):
        name = f"{_text(command_line)} (command line)"
    if kind not in KINDS:
        badge = Badge("warning", "info", kind[0].upper() + kind[1:]) if kind else UNREADABLE
        facts = [Fact("Details", _json(given))] if given else []
        return ActivityText(sequence, at, badge, name, facts)
    badge = KINDS[kind]
    if kind == LinkKind.VERIFIED and given.get("result") != HOLDS:
        badge = TAMPERING
    elif kind == LinkKind.EXPORT_FINISHED and given.get("complete") is False:
        badge = EXPORT_STOPPED
    text = badge.text.format(
        entries=_count(given.get("entries"), "attempt"),
        links=_count(given.get("links"), "record"),
        format=_format(given.get("format")),
        person=_text(given.get("person")) or "an account",
    )
    facts = list(_facts(kind, given, actor))
    return ActivityText(sequence, at, badge._replace(text=text), name, facts)


def nothing(log: Log, name: str, person: User | None, *, is_filtered: bool) -> str:
    """What a page without activity says."""
    if name and person is None:
        return f"There is no account with the user name {name}."
    if log.is_cut:
        return "Nothing among the newest records. Search further."
    if log.newer_than is not None:
        return "No older activity."
    return "Nothing found." if is_filtered else "No activity yet."


def _details(value: object) -> Details:
    return value if isinstance(value, dict) else {}


def _count(count: object, noun: str) -> str:
    if not isinstance(count, int):
        return f"Unknown number of {noun}s"
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _format(format: object) -> str:
    return f" as {FORMATS.get(format, format[:20])}" if isinstance(format, str) else ""


def _facts(kind: str, given: Details, actor: Details) -> Iterator[Fact]:
    if kind == LinkKind.VERIFIED and given.get("result") != HOLDS:
        yield Fact("Found", _text(given.get("result")))
    if kind in {LinkKind.EXPORT_STARTED, LinkKind.EXPORT_FINISHED} and not given.get("criteria"):
        yield Fact("Filters", "None: the whole history")
    shown = given | _details(given.get("export")) | actor
    for name, label in LABELS.items():
        if (value := shown.get(name)) not in (None, "", {}):
            field = "code" if name in CODES else "at" if name in TIMES else "text"
            yield Fact(label)._replace(**{field: _text(value)})
    unknown = shown.keys() - LABELS.keys() - NOT_LISTED
    if unknown:
        yield Fact("Details", _json({name: shown[name] for name in sorted(unknown)}))


def _text(value: object) -> str:
    """A text, a number, or the filters of an export; anything else as JSON."""
    if isinstance(value, str) or value is None:
        return (value or "")[:TEXT_CHARACTERS]
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return ", ".join(value)[:TEXT_CHARACTERS] or "None"
    if isinstance(value, dict) and all(isinstance(each, list) for each in value.values()):
        texts = (f"{name} {', '.join(map(str, each))}" for name, each in value.items())
        return "; ".join(texts)[:TEXT_CHARACTERS]
    if isinstance(value, dict) and all(isinstance(each, str) for each in value.values()):
        texts = (f"{name.replace('_', ' ')} {each or 'none'}" for name, each in value.items())
        return "; ".join(texts)[:TEXT_CHARACTERS]
    return _json(value)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)[:TEXT_CHARACTERS]
