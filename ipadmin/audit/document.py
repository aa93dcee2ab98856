"""An audit entry as others read it: one document with the field names of ECS, the Elastic Common
Schema, and what ECS has no name for under `katapult` and `ip_admin`.

It is what is exported, streamed, shown as raw JSON and, in its canonical form, sealed: whoever
holds a line and the key can check it. So its shape never changes; a new one would be a new
`FORMAT`, and the old one stay for the entries sealed in it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from json.encoder import encode_basestring
from math import isfinite
from typing import Any

from ipadmin.audit import rows
from ipadmin.models import AuditEntry

FORMAT = 1
ECS_VERSION = "8.17.0"
# event.outcome knows three words. A refused attempt did not do what was asked either.
ECS_OUTCOMES = {"succeeded": "success", "failed": "failure", "refused": "failure"}
# What an entry says from its first moment on: the rest comes, or may change, until it is finished.
OPENING = (
    "id",
    "attempt_id",
    "action",
    "created_at",
    "user_id",
    "user_name",
    "source_ip",
    "request_id",
    "reason",
    "token_id",
    "token_label",
    "token_fingerprint",
    "organization_id",
    "organization_name",
    "organization_sub_domain",
    "environment",
    "api_url",
    "address_id",
    "address",
    "address_label",
    "allocation_id",
    "allocation_type",
)

_encode = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, check_circular=False
).encode

Values = Mapping[str, Any]


def canonical(document: Any) -> str:
    """JSON with sorted keys and no spaces: the same text for the same content."""
    return _encode(document)


def digest(document: Any) -> bytes:
    """SHA-256 of the canonical form. A lone surrogate, which no database keeps, is an error."""
    return text_digest(_encode(document))


@cache
def fields() -> tuple[str, ...]:
    """The columns that a record is made of; search keys say nothing new."""
    return tuple(name for name in rows.fields_of(AuditEntry) if not name.endswith("_key"))


def values_of(entry: AuditEntry) -> dict[str, Any]:
    """The plain values of an entry as the database has them, for its record and its seal."""
    return rows.one(AuditEntry, fields(), entry.pk)


def opening(entry: Values) -> dict[str, Any]:
    """What was sealed when the attempt was opened."""
    return {name: entry[name] for name in OPENING}


def record(entry: Values) -> dict[str, Any]:
    """The document of a finished entry, from its plain values (`plain.rows` with `fields()`).

    Raises ValueError for a duration that is no number of seconds, which the product never writes.
    """
    return _document(_as_ecs_has_it(entry))


def opening_text(entry: Values) -> str:
    """The canonical form of `opening`."""
    return _OPENING.text(entry)


def record_text(entry: Values) -> str:
    """The canonical form of `record`."""
    return _RECORD.text(_as_ecs_has_it(entry))


def line_text(entry: Values, seal: Any) -> str:
    """The canonical form of `record` with its seal in it."""
    return _LINE.text(_as_ecs_has_it(entry) | {"seal": seal})


def text_digest(text: str) -> bytes:
    """As `digest`, of what is canonical already."""
    return hashlib.sha256(text.encode()).digest()


def _as_ecs_has_it(entry: Values) -> dict[str, Any]:
    duration = entry["duration"]
    if duration is not None and not _is_seconds(duration):
        raise ValueError("a duration that is no number of seconds")
    return {
        **entry,
        "ecs_outcome": ECS_OUTCOMES.get(entry["outcome"], "unknown"),
        "nanoseconds": None if duration is None else round(duration * 1_000_000_000),
        "user_number": str(entry["user_id"]),
    }


def _is_seconds(value: Any) -> bool:
    """Whether it is as many nanoseconds as well. A text times a billion would be a long one."""
    return isinstance(value, int | float) and isfinite(value * 1_000_000_000)


def _document(entry: Values) -> dict[str, Any]:
    return {
        "@timestamp": entry["created_at"],
        "ecs": {"version": ECS_VERSION},
        "event": {
            "id": entry["attempt_id"],
            "kind": "event",
            "category": ["configuration"],
            "type": ["change"],
            "action": entry["action"],
            "outcome": entry["ecs_outcome"],
            "provider": "katapult",
            "dataset": "ip_admin.audit",
            "sequence": entry["id"],
            "start": entry["sent_at"],
            "end": entry["finished_at"],
            "duration": entry["nanoseconds"],
            "reason": entry["reason"],
        },
        "user": {"id": entry["user_number"], "name": entry["user_name"]},
        "source": {"ip": entry["source_ip"]},
        "organization": {"id": entry["organization_id"], "name": entry["organization_name"]},
        "http": {
            "request": {"id": entry["request_id"]},
            "response": {"status_code": entry["http_status"]},
        },
        "error": {"code": entry["error_code"], "message": entry["error_description"]},
        "related": {"ip": [entry["address"]], "user": [entry["user_name"]]},
        "katapult": {
            "url": entry["api_url"],
            "request_id": entry["katapult_request_id"],
            "organization": {"sub_domain": entry["organization_sub_domain"]},
            "ip_address": {
                "id": entry["address_id"],
                "address": entry["address"],
                "label": entry["address_label"],
                "vip": entry["vip"],
                "reverse_dns": entry["reverse_dns"],
            },
            "allocation": {
                "id": entry["allocation_id"],
                "type": entry["allocation_type"],
                "name": entry["allocation_name"],
            },
            "error_detail": entry["error_detail"],
            "rate_limit": {
                "permitted": entry["rate_limit_permitted"],
                "remaining": entry["rate_limit_remaining"],
            },
        },
        "ip_admin": {
            "format": FORMAT,
            "outcome": entry["outcome"],
            "basis": entry["basis"],
            "environment": entry["environment"],
            "token": {
                "id": entry["token_id"],
                "label": entry["token_label"],
                "fingerprint": entry["token_fingerprint"],
            },
            "evidence": entry["evidence"],
            "competing_attempts": entry["competing_attempts"],
        },
    }


class _Form:
    """The canonical form of a document, with places where an entry's values go. All of a document
    but its values is always the same: a million of them are written in half the time."""

    def __init__(self, document: Callable[[Values], dict[str, Any]], names: Iterable[str]) -> None:
        marked = _encode(document({name: f"\0{name}\0" for name in names}))
        literals, self.names = MARK.split(marked)[::2], MARK.findall(marked)
        self.form = "%s".join(text.replace("%", "%%") for text in literals)

    def text(self, values: Values) -> str:
        return self.form % tuple([_value(values[name]) for name in self.names])


def _value(value: Any) -> str:
    kind = type(value)
    if kind is str:
        return encode_basestring(value)
    if kind is int:
        return str(value)
    # Each of these is most of a million times the same.
    if not value and kind in EMPTY:
        return EMPTY[kind]
    return _encode(value)


EMPTY = {type(None): "null", list: "[]", dict: "{}", bool: "false"}
MARK = re.compile(r'"\\u0000(\w+)\\u0000"')
_NAMES = (*fields(), "ecs_outcome", "nanoseconds", "user_number")
_OPENING = _Form(opening, OPENING)
_RECORD = _Form(_document, _NAMES)
_LINE = _Form(lambda entry: {**_document(entry), "seal": entry["seal"]}, (*_NAMES, "seal"))
