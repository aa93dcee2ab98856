"""The document: an audit entry as JSON with the field names of ECS (Elastic Common Schema). What
ECS has no name for is under `katapult` and `ip_admin`.

It is exported, streamed, shown as raw JSON, and sealed in its canonical form, so that anyone who
has a line and the key can check it. Therefore its shape never changes: a new shape is a new
`FORMAT`, and the old one stays for the entries that were sealed with it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import cache
from operator import itemgetter
from typing import Any, TypedDict, cast

import orjson
from django.db.models import QuerySet

from ipadmin.audit import rows
from ipadmin.audit.readings import Reading
from ipadmin.models import AuditEntry

# The newest format, of new entries. Format 1 had only one action.
FORMAT = 2
ECS = {"version": "8.17.0"}
# event.outcome has three values in ECS. A refused attempt did not do what was asked, either.
ECS_OUTCOMES = {"succeeded": "success", "failed": "failure", "refused": "failure"}
# Larger integers lose digits where JSON numbers are read as floats.
LARGEST_INTEGER = 2**53


class Opening(TypedDict):
    """The raw values that are set when an entry is opened, and sealed then. The others may change
    until it is finished. Times are ISO 8601 text in UTC."""

    id: int
    attempt_id: str
    action: str
    created_at: str
    user_id: int
    user_name: str
    source_ip: str | None
    request_id: str
    reason: str
    token_id: str
    token_label: str
    token_fingerprint: str
    organization_id: str
    organization_name: str
    organization_sub_domain: str
    environment: str
    api_url: str
    address_id: str
    address: str
    address_label: str
    allocation_id: str
    allocation_type: str
    # Since format 2
    format: int
    undoes: str | None
    run_id: str | None
    last_of_family: bool | None
    requested_reverse_dns: str


class RawEntry(Opening):
    """The raw values of an entry, without search keys."""

    outcome: str
    sent_at: str | None
    finished_at: str | None
    vip: bool
    reverse_dns: str
    allocation_name: str
    http_status: int | None
    error_code: str
    error_description: str
    error_detail: dict[str, Any]
    katapult_request_id: str
    rate_limit_permitted: int | None
    rate_limit_remaining: int | None
    duration_us: int | None
    basis: str
    evidence: list[Reading]
    competing_attempts: list[str]


OPENING = tuple(Opening.__annotations__)
OPENING_1 = OPENING[: OPENING.index("format")]
ADDED_IN_2 = OPENING[len(OPENING_1) :]
_added_values = itemgetter(*ADDED_IN_2)
_opening_values, _opening_values_1 = itemgetter(*OPENING), itemgetter(*OPENING_1)
Document = dict[str, object]


def canonical(value: object) -> bytes:
    """JSON with sorted keys and no spaces: the same bytes for the same content.

    Equal to `json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)` for
    values without floats. Raises TypeError for a value that JSON cannot hold.
    """
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def digest(value: object) -> bytes:
    """SHA-256 of the canonical form."""
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).digest()


def storable(value: Any) -> Any:
    """A JSON value as a document may hold it, in which every reader sees the same digits: other
    numbers than integers of 53 bits become text, and lone surrogates and NUL are replaced."""
    if isinstance(value, dict):
        return {storable(str(key)): storable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [storable(each) for each in value]
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    is_exact = not isinstance(value, float) and abs(value or 0) <= LARGEST_INTEGER
    return value if is_exact else str(value)


@cache
def fields() -> tuple[str, ...]:
    """The fields of an entry that its document holds: all but the search keys."""
    return tuple(name for name in rows.fields_of(AuditEntry) if not name.endswith("_key"))


def values_of(entry: AuditEntry) -> RawEntry:
    """The raw values of an entry as the database has them."""
    return cast(RawEntry, rows.one(AuditEntry, fields(), entry.pk))


def batches(
    entries: QuerySet[AuditEntry], names: Sequence[str] | None = None
) -> Iterator[list[RawEntry]]:
    """The raw values of each entry, of all fields unless given, some hundreds at once (see
    `rows.chunks`)."""
    names = names or fields()
    for chunk in rows.chunks(entries, names):
        yield [cast(RawEntry, dict(zip(names, row, strict=True))) for row in chunk]


def opening(entry: RawEntry) -> Document:
    """What is sealed when an entry is opened."""
    if _is_format_1(entry):
        return dict(zip(OPENING_1, _opening_values_1(entry), strict=True))
    return dict(zip(OPENING, _opening_values(entry), strict=True))


def _nanoseconds(duration_us: int | None) -> int | None:
    if duration_us is None:
        return None
    if type(duration_us) is not int or not 0 <= duration_us <= LARGEST_INTEGER:
        raise ValueError("duration_us is not a number of microseconds")
    return duration_us * 1000


def document_of(entry: RawEntry) -> Document:
    """The document of an entry, in its format. Raises ValueError for a duration that is not a
    number of microseconds, which the product never writes."""
    document = _document_1(entry)
    if not _is_format_1(entry):
        _add_format_2(document, entry)
    return document


def _is_format_1(entry: RawEntry) -> bool:
    """Not if it has what only format 2 seals: it was changed in the database then."""
    return bool(_added_values(entry) == (1, None, None, None, ""))


def _add_format_2(document: dict[str, Document], entry: RawEntry) -> None:
    """What format 2 has in addition: other actions, undoing, and runs."""
    document["ip_admin"] |= {
        "format": entry["format"],
        "undoes": entry["undoes"],
        "run": {"id": entry["run_id"]},
    }
    document["katapult"] |= {
        "last_of_family": entry["last_of_family"],
        "requested_reverse_dns": entry["requested_reverse_dns"],
    }


def _document_1(entry: RawEntry) -> dict[str, Any]:
    return {
        "@timestamp": entry["created_at"],
        "ecs": ECS,
        "event": _event(entry),
        "user": {"id": str(entry["user_id"]), "name": entry["user_name"]},
        "source": {"ip": entry["source_ip"]},
        "organization": {"id": entry["organization_id"], "name": entry["organization_name"]},
        "http": {
            "request": {"id": entry["request_id"]},
            "response": {"status_code": entry["http_status"]},
        },
        "error": {"code": entry["error_code"], "message": entry["error_description"]},
        "related": {"ip": [entry["address"]], "user": [entry["user_name"]]},
        "katapult": _katapult(entry),
        "ip_admin": {
            "format": 1,
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


def _event(entry: RawEntry) -> Document:
    return {
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
        "duration": _nanoseconds(entry["duration_us"]),
        "reason": entry["reason"],
    }


def _katapult(entry: RawEntry) -> Document:
    return {
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
    }
