"""The fields of an entry that are written after it was opened."""

from __future__ import annotations

from datetime import datetime
from typing import TypedDict

from ipadmin.audit.readings import Reading
from ipadmin.models import Basis, Outcome


class EntryFields(TypedDict, total=False):
    """Values for `entries.update`, without those of a call (`services/attempt_entry.py`); see
    `AuditEntry` for their meaning."""

    outcome: Outcome
    basis: Basis
    sent_at: datetime | None
    finished_at: datetime
    reverse_dns: str
    vip: bool
    allocation_name: str
    evidence: list[Reading]
    competing_attempts: list[str]
    error_code: str
    error_detail: dict[str, object]
