"""What Katapult can answer to an attempt."""

from __future__ import annotations

import httpx

from ipadmin.models import AuditEntry
from tests.services.katapult import Katapult


def reading_of(**other: str) -> httpx.Response:
    """An answer about another address, which is not allocated."""
    katapult = Katapult()
    katapult.holder, katapult.more = None, other
    return httpx.Response(200, json=katapult.body())


def only_entry() -> AuditEntry:
    return AuditEntry.objects.get()
