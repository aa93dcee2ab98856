"""Put attempts into the history as the product does: sealed and counted."""

from __future__ import annotations

import uuid
from typing import Any

from django.utils import timezone

from ipadmin.models import AuditEntry, Outcome
from ipadmin.services import entries

OPEN = {Outcome.PENDING, Outcome.UNKNOWN}


def keep(**fields: Any) -> AuditEntry:
    """One attempt of alice's that worked, unless told. An open one is given `finished_at=None`."""
    is_pending = fields.get("outcome") == Outcome.PENDING
    usual = {
        "attempt_id": uuid.uuid4(),
        "outcome": Outcome.SUCCEEDED,
        "basis": "" if is_pending else "answer",
        "finished_at": None if is_pending else timezone.now(),
        "user_id": 1,
        "user_name": "alice",
        "token_id": uuid.uuid4(),
        "token_label": "Live",
        "token_fingerprint": "0123456789abcdef",
        "organization_id": "org_1",
        "organization_name": "Acme",
        "environment": "sandbox",
        "api_url": "http://127.0.0.1:9",
        "address_id": "ip_0000000000000001",
        "address": "192.0.2.7",
        "allocation_id": "vm_0000000000000001",
        "allocation_type": "VirtualMachine",
        "allocation_name": "web-01",
    }
    entry = AuditEntry(**usual | fields)
    if entry.is_open:
        entries.open_entry(entry)
    else:
        entries.write_finished([entry])
    return AuditEntry.objects.get(attempt_id=entry.attempt_id)
