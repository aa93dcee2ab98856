"""A sealed history to tamper with, and what somebody who can write to the database could do."""

from __future__ import annotations

import uuid
from typing import Any

from django.apps import apps
from django.db import connection
from django.utils import timezone

from ipadmin.audit import entries
from ipadmin.audit.integrity import verification
from ipadmin.models import AuditEntry, AuditLink, Outcome, triggers


def opened(**fields: Any) -> AuditEntry:
    """An attempt that was begun, sealed."""
    entry = AuditEntry(
        **{
            "attempt_id": uuid.uuid4(),
            "user_id": 1,
            "user_name": "alice",
            "token_id": uuid.uuid4(),
            "token_label": "Live",
            "organization_id": "org_1",
            "environment": "live",
            "address_id": "ip_a",
            "address": "192.0.2.1",
            "allocation_id": "vm_1",
            "allocation_type": "VirtualMachine",
            "allocation_name": "web-01",
        }
        | fields
    )
    entries.open(entry)
    return entry


def finished(**fields: Any) -> AuditEntry:
    """An attempt with its end, sealed: two links."""
    entry = opened(**fields)
    finish(entry)
    return entry


def finish(entry: AuditEntry) -> None:
    now = timezone.now()
    answer = {"basis": "answer", "duration_us": 250_000, "http_status": 200}
    end = {"outcome": Outcome.SUCCEEDED, **answer, "sent_at": now, "finished_at": now}
    assert entries.update(entry, end)


def unsealed(**fields: Any) -> AuditEntry:
    """An entry that was written past the product, or before there were seals."""
    given = {"attempt_id": uuid.uuid4(), "user_id": 1, "token_id": uuid.uuid4(), "address": "::1"}
    return AuditEntry.objects.create(**given | fields)


def execute(sql: str, *params: Any) -> None:
    """Without triggers and constraints, until the test ends."""
    triggers.unprotect(apps, connection.schema_editor())
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA ignore_check_constraints = ON")
        cursor.execute(sql, params)


def column(entry: AuditEntry, name: str, value: Any) -> None:
    execute(f"UPDATE ipadmin_auditentry SET {name} = %s WHERE id = %s", value, entry.pk)


def link(sequence: int, name: str, value: Any) -> None:
    execute(f"UPDATE ipadmin_auditlink SET {name} = %s WHERE sequence = %s", value, sequence)


def exchange(table: str, key: str, one: Any, other: Any) -> None:
    """The keys of two rows."""
    sql = f"UPDATE {table} SET {key} = %s WHERE {key} = %s"
    for new, old in ((-1, one), (one, other), (other, -1)):
        execute(sql, new, old)


def finding(head: str = "") -> str:
    """What a verification finds first; empty when all holds."""
    found = verification.prepare("audrey", head)
    while found.is_running:
        verification.step(found, seconds=10)
    return found.finding


def head() -> str:
    last = AuditLink.objects.latest("sequence")
    return f"{last.sequence}:{bytes(last.mac).hex()}"
