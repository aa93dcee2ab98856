"""The made-up history as django-auditlog would have kept it."""

from __future__ import annotations

import json
from datetime import datetime
from itertools import islice
from typing import Any

from auditlog.models import LogEntry  # type: ignore[import-untyped]
from django.contrib.contenttypes.models import ContentType
from django.db import connection, transaction

from ipadmin.demo.history import facts
from ipadmin.models import AuditEntry, Outcome, User

BATCH = 5000
# What the columns and `changes` don't have, and is worth keeping.
KEPT = (
    "attempt_id",
    "reason",
    "token_id",
    "token_label",
    "token_fingerprint",
    "organization_id",
    "organization_name",
    "environment",
    "api_url",
    "address_label",
    "vip",
    "http_status",
    "error_code",
    "error_description",
    "error_detail",
    "katapult_request_id",
    "rate_limit_remaining",
    "duration_us",
    "basis",
    "evidence",
)
COLUMNS = (
    "content_type_id",
    "object_pk",
    "object_repr",
    "action",
    "changes_text",
    "changes",
    "actor_id",
    "cid",
    "remote_addr",
    "timestamp",
    "additional_data",
)
# As bulk_create would, at a quarter of its time.
INSERT = "INSERT INTO {} ({}) VALUES ({})".format(
    LogEntry._meta.db_table, ", ".join(COLUMNS), ", ".join(["%s"] * len(COLUMNS))
)


def fill(count: int, *, seed: int = 1, now: datetime) -> None:
    """Write `count` entries, and the people who made them; then let the database look at them."""
    entries = facts(count, seed=seed, now=now)
    # An address is no model of ours: its type has no page in the admin, which shows a mere text.
    address_type, _ = ContentType.objects.get_or_create(app_label="katapult", model="ipaddress")
    people: set[int] = set()
    while batch := list(islice(entries, BATCH)):
        new = {e.user_id: e.user_name for e in batch if e.user_id not in people}
        User.objects.bulk_create(
            [User(id=id, username=name) for id, name in new.items()], ignore_conflicts=True
        )
        people |= new.keys()
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.executemany(INSERT, [_row(entry, address_type.pk) for entry in batch])
    with connection.cursor() as cursor:
        full = "VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE"
        cursor.execute(f"{full} {LogEntry._meta.db_table}")


def _row(entry: AuditEntry, content_type: int) -> tuple[Any, ...]:
    """The address is the object, the person the actor, what has changed `changes`, and all else
    `additional_data`; in the order of COLUMNS."""
    return (
        content_type,
        entry.address_id,
        entry.address,
        LogEntry.Action.UPDATE,
        "",
        json.dumps(_changes(entry)),
        entry.user_id,
        entry.request_id,
        entry.source_ip,
        connection.ops.adapt_datetimefield_value(entry.created_at),
        json.dumps({name: getattr(entry, name) for name in KEPT}, default=str),
    )


def _changes(entry: AuditEntry) -> dict[str, list[str]]:
    changes = {"outcome": ["pending", str(entry.outcome)]}
    if entry.outcome == Outcome.SUCCEEDED:
        changes |= {
            "allocation_id": [entry.allocation_id, "None"],
            "allocation_type": [entry.allocation_type, "None"],
            "allocation_name": [entry.allocation_name, "None"],
            "reverse_dns": [entry.reverse_dns, "None"],
        }
    return changes
