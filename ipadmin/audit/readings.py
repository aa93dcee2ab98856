"""Readings of an address after an unanswered call, as stored in `AuditEntry.evidence`."""

from __future__ import annotations

from enum import StrEnum
from typing import TypedDict

from ipadmin.katapult.types import Allocation


class ReadingResult(StrEnum):
    """The result of one reading, compared with the allocation or the host name of the entry."""

    ALLOCATED = "allocated"  # to the resource of the entry
    UNALLOCATED = "unallocated"
    OTHER = "other"  # allocated to another resource
    GONE = "gone"  # not found: it no longer belongs to the organization
    UNREADABLE = "unreadable"  # the reading failed
    SET = "set"  # the reverse DNS is the requested one
    NOT_SET = "not_set"


class AllocationFields(TypedDict):
    """An allocation as stored in entries and readings; empty texts when there is none."""

    allocation_id: str
    allocation_type: str
    allocation_name: str


class Reading(AllocationFields):
    """One reading. `read_at` is ISO 8601 in UTC, `found` a ReadingResult; `status` and `request_id`
    are of Katapult's answer, if any."""

    read_at: str
    found: str
    error_code: str
    reverse_dns: str
    status: int | None
    request_id: str | None


def is_same(before: Allocation | None, now: Allocation | None) -> bool:
    """Whether both are the same resource. Types and names count only without ids: they are not in
    every answer, and names change."""
    if before is None or now is None:
        return before is now
    if before.id or now.id:
        return before.id == now.id
    return (before.type or "", before.name or "") == (now.type or "", now.name or "")


def allocation_fields(allocation: Allocation | None) -> AllocationFields:
    """An allocation as stored in entries and readings."""
    return {
        "allocation_id": allocation.id if allocation else "",
        "allocation_type": (allocation.type if allocation else None) or "",
        "allocation_name": (allocation.name if allocation else None) or "",
    }
