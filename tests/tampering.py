"""A sealed history, and ways to tamper with it for someone who can write to the database."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import Any

from django.apps import apps
from django.db import connection
from django.utils import timezone

from ipadmin import crypto
from ipadmin.audit import entries
from ipadmin.audit.integrity import verification
from ipadmin.audit.integrity.checkpoint import parse_checkpoint
from ipadmin.models import AuditChain, AuditEntry, AuditLink, Outcome, triggers


def opened(**fields: Any) -> AuditEntry:
    """A sealed entry that is still open."""
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
    """A finished entry with its two links."""
    entry = opened(**fields)
    finish(entry)
    return entry


def finish(entry: AuditEntry) -> None:
    now = timezone.now()
    answer = {"basis": "answer", "duration_us": 250_000, "http_status": 200}
    end = {"outcome": Outcome.SUCCEEDED, **answer, "sent_at": now, "finished_at": now}
    assert entries.update(entry, end)


def unsealed(**fields: Any) -> AuditEntry:
    """An entry that was not written by the product."""
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


def forge(sequence: int, **fields: Any) -> None:
    """A link that was written without the key."""
    key_id = next(iter(crypto.audit_keys()))
    given = {"at": timezone.now(), "key_id": key_id, "digest": b"d" * 32, "seal": b"m" * 32}
    AuditLink.objects.create(sequence=sequence, **given | fields)


def set_back() -> None:
    """Make the row that stores the end of the chain fit the links."""
    last = AuditLink.objects.latest("sequence")
    AuditChain.objects.update(sequence=last.sequence, seal=last.seal)


def verify_with(meanwhile: Callable[[], object]) -> verification.Result:
    """A verification during which something happens after the first links were verified."""
    waiting = [meanwhile]

    def progress(_done: int, _total: int) -> None:
        if waiting:
            waiting.pop()()

    return verification.verify(None, progress)


def finding(stored: str = "") -> str:
    """The first problem that a verification finds; empty when there is none."""
    return verification.verify(parse_checkpoint(stored), lambda _done, _total: None).finding


def checkpoint() -> str:
    last = AuditLink.objects.latest("sequence")
    return f"{last.sequence}:{bytes(last.seal).hex()}"


def hide(condition: str, indexes: Sequence[str]) -> None:
    """Rebuild indexes of SQLite without the rows that do not meet a condition."""
    for index in indexes:
        rebuild(index, ")", f") WHERE {condition}")


def rebuild(index: str, old: str, new: str) -> None:
    """Rebuild an index of SQLite with another definition, and restore its definition."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT sql FROM sqlite_master WHERE name = %s", [index])
        (before,) = cursor.fetchone()
        _define(index, before.replace(old, new, 1))
        cursor.execute(f"REINDEX {index}")
        _define(index, before)


def _define(index: str, sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA writable_schema = ON")
        cursor.execute("UPDATE sqlite_master SET sql = %s WHERE name = %s", [sql, index])
        cursor.execute("PRAGMA schema_version")
        (version,) = cursor.fetchone()
        cursor.execute(f"PRAGMA schema_version = {version + 1}")
