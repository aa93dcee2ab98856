"""Makes entries as the product does: sealed and counted."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from zlib import crc32

from django.db import transaction
from django.utils import timezone

from ipadmin.audit import entries
from ipadmin.models import AuditEntry, Outcome, User
from ipadmin.models.search_keys import folded


def keep(**fields: Any) -> AuditEntry:
    """A stored entry, of a successful attempt by alice. `finished_at=None` leaves it open."""
    entry = attempt(**fields)
    if entry.is_open:
        entries.open(entry)
    else:
        entries.add_finished([entry])
    return AuditEntry.objects.get(attempt_id=entry.attempt_id)


def attempt(**fields: Any) -> AuditEntry:
    """The same entry, not stored."""
    is_pending = fields.get("outcome") == Outcome.PENDING
    usual = {
        "attempt_id": uuid.uuid4(),
        "outcome": Outcome.SUCCEEDED,
        "basis": "" if is_pending else "answer",
        "finished_at": None if is_pending else timezone.now(),
        "user_id": id_of(fields.get("user_name", "alice")),
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
    return AuditEntry(**usual | fields)


def id_of(name: str) -> int:
    """The id of the account with this name, or one that no account has."""
    found = User.objects.filter(username=name).values_list("pk", flat=True).first()
    return found or 1_000_000 + crc32(folded(name).encode())


@contextmanager
def undone() -> Iterator[None]:
    """Roll back at the end, for tests that need an empty history several times."""
    block = transaction.atomic()
    # Marks it as the transaction of a test case, in which `durable=True` is permitted.
    block._from_testcase = True  # type: ignore[attr-defined]
    with block:
        yield
        transaction.set_rollback(True)
