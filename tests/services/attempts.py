"""Attempts, and what Katapult can answer to them."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from django.conf import settings

from ipadmin.audit.readings import ReadingResult
from ipadmin.models import AuditEntry, Outcome
from tests.services.katapult import ADDRESS, IP, VM, Katapult

SENT = datetime(2026, 11, 23, 12, tzinfo=UTC)


def unanswered_entry(*readings: tuple[ReadingResult, float], **more: Any) -> AuditEntry:
    """Sent at SENT, and read so many seconds later."""
    kept = [
        {"read_at": (SENT + timedelta(seconds=after)).isoformat(), "found": str(found)}
        for found, after in readings
    ]
    fields: dict[str, Any] = {
        "attempt_id": uuid.uuid4(),
        "outcome": Outcome.UNKNOWN,
        "error_code": "answer_lost",
        "created_at": SENT - timedelta(seconds=1),
        "sent_at": SENT,
        "evidence": kept,
        "user_id": 1,
        "token_id": uuid.uuid4(),
        "address_id": IP,
        "address": ADDRESS,
        "allocation_id": VM,
        "allocation_type": "VirtualMachine",
        "api_url": settings.KATAPULT_API_URL,
    }
    return AuditEntry(**fields | more)


def reading_of(**other: str) -> httpx.Response:
    """An answer about another address, which is not allocated."""
    katapult = Katapult()
    katapult.holder, katapult.more = None, other
    return httpx.Response(200, json=katapult.body())


def only_entry() -> AuditEntry:
    return AuditEntry.objects.get()
