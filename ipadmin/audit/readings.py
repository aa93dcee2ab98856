"""Readings: what one look at an address showed after an unanswered call, as an entry keeps them in
`AuditEntry.evidence`."""

from __future__ import annotations

from enum import StrEnum
from typing import TypedDict

from ipadmin.katapult.types import Allocation


class ReadingResult(StrEnum):
    """What one reading showed, compared with what was confirmed before the call."""

    ALLOCATED = "allocated"  # to what it was allocated to before
    UNALLOCATED = "unallocated"
    OTHER = "other"  # allocated to something else
    GONE = "gone"  # no longer this organization's: Katapult says that it does not exist
    UNREADABLE = "unreadable"  # no answer, or one about something else


class AllocationFields(TypedDict):
    """An allocation as entries and readings keep it; empty texts where there is none."""

    allocation_id: str
    allocation_type: str
    allocation_name: str


class Reading(AllocationFields):
    """One reading. `read_at` is ISO 8601 in UTC, `found` a ReadingResult; `status` and `request_id`
    are those of Katapult's answer."""

    read_at: str
    found: str
    error_code: str
    reverse_dns: str
    status: int | None
    request_id: str | None


def is_same(before: Allocation | None, now: Allocation | None) -> bool:
    """Whether both are the same machine. An id says it all; types and names are not in every
    answer, and names change."""
    if before is None or now is None:
        return before is now
    if before.id or now.id:
        return before.id == now.id
    return (before.type or "", before.name or "") == (now.type or "", now.name or "")


def allocation_fields(allocation: Allocation | None) -> AllocationFields:
    """An allocation as entries and readings keep it; empty texts where there is none."""
    return {
        "allocation_id": allocation.id if allocation else "",
        "allocation_type": (allocation.type if allocation else None) or "",
        "allocation_name": (allocation.name if allocation else None) or "",
    }
