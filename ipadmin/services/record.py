"""An audit entry as others read it: one document with the field names of ECS, the Elastic Common
Schema, and what ECS has no name for under `katapult` and `ip_admin`.

It is what is exported, streamed, shown as raw JSON and, in its canonical form, sealed: whoever
holds a line and the key can check it. So its shape never changes; a new one would be a new
`FORMAT`, and the old one stay for the entries sealed in it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from ipadmin.models import AuditEntry
from ipadmin.services import plain

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
    return hashlib.sha256(_encode(document).encode()).digest()


@cache
def fields() -> tuple[str, ...]:
    """The columns that a record is made of; search keys say nothing new."""
    return tuple(name for name in plain.fields_of(AuditEntry) if not name.endswith("_key"))


def opening(entry: Values) -> dict[str, Any]:
    """What was sealed when the attempt was opened."""
    return {name: entry[name] for name in OPENING}


def record(entry: Values) -> dict[str, Any]:
    """The document of a finished entry, from its plain values (`plain.rows` with `fields()`)."""
    duration = entry["duration"]
    address, user_name = entry["address"], entry["user_name"]
    return {
        "@timestamp": entry["created_at"],
        "ecs": {"version": ECS_VERSION},
        "event": {
            "id": entry["attempt_id"],
            "kind": "event",
            "category": ["configuration"],
            "type": ["change"],
            "action": entry["action"],
            "outcome": ECS_OUTCOMES.get(entry["outcome"], "unknown"),
            "provider": "katapult",
            "dataset": "ip_admin.audit",
            "sequence": entry["id"],
            "start": entry["sent_at"],
            "end": entry["finished_at"],
            # Nanoseconds, as ECS wants them.
            "duration": None if duration is None else round(duration * 1_000_000_000),
            "reason": entry["reason"],
        },
        "user": {"id": str(entry["user_id"]), "name": user_name},
        "source": {"ip": entry["source_ip"]},
        "organization": {"id": entry["organization_id"], "name": entry["organization_name"]},
        "http": {
            "request": {"id": entry["request_id"]},
            "response": {"status_code": entry["http_status"]},
        },
        "error": {"code": entry["error_code"], "message": entry["error_description"]},
        "related": {"ip": [address], "user": [user_name]},
        "katapult": {
            "url": entry["api_url"],
            "request_id": entry["katapult_request_id"],
            "organization": {"sub_domain": entry["organization_sub_domain"]},
            "ip_address": {
                "id": entry["address_id"],
                "address": address,
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
            "rivals": entry["rivals"],
        },
    }
