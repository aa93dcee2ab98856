"""Unsaved entries of one address, some seconds after noon."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from ipadmin.audit.search.observations import (
    Holding,
)
from ipadmin.models import AuditEntry

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
READINGS = {"web-01": "allocated", "": "unallocated", "gone": "gone", "?": "unreadable"}


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def vm(name: str) -> dict[str, str]:
    kind = "VirtualMachine" if name else ""
    return {
        "allocation_id": name and f"vm_{name}",
        "allocation_type": kind,
        "allocation_name": name,
    }


def attempt(
    seconds: float = 0, outcome: str = "succeeded", machine: str = "web-01", **fields: Any
) -> AuditEntry:
    """Created so many seconds after noon, sent a second later unless refused, and finished after
    another; `read` are machines seen afterwards, five seconds apart."""
    is_sent = outcome != "refused"
    read = fields.pop("read", [])
    usual: dict[str, Any] = {
        "attempt_id": uuid.uuid4(),
        "outcome": outcome,
        "basis": "evidence" if read else "answer",
        "created_at": after(seconds),
        "sent_at": after(seconds + 1) if is_sent else None,
        "finished_at": after(seconds + 2 + 5 * len(read)),
        "address_id": "ip_1",
        "address": "192.0.2.7",
        "evidence": [reading(seconds + 5 * n, each) for n, each in enumerate(read, 1)],
        "user_name": "alice",
    }
    return AuditEntry(**usual | vm(machine) | fields)


def reading(seconds: float, machine: str) -> dict[str, Any]:
    found = READINGS.get(machine, "other")
    holder = machine if found in {"allocated", "other"} else ""
    return {"read_at": after(seconds).isoformat(), "found": found, "error_code": "", **vm(holder)}


def refused(seconds: float, code: str, found: str | None = None) -> AuditEntry:
    detail = {"confirmed": vm("web-01"), "found": vm(found) if found else None}
    return attempt(seconds, "refused", error_code=code, error_detail=detail)


def name(holding: Holding) -> str:
    """`web-01`, `nobody`, `gone`."""
    if holding.allocation:
        return holding.allocation.name or ""
    return "gone" if holding.is_gone else "nobody"
