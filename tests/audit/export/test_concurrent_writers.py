"""Attempts that are written while an export runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from ipadmin.audit import entries
from ipadmin.audit import rows as raw_rows
from ipadmin.audit.export.export import Format, export
from ipadmin.demo.history import facts
from ipadmin.models import AuditEntry, Outcome
from tests.audit.export.exported import BY, activity
from tests.history import keep

NOW = datetime(2026, 11, 23, 14, 5, tzinfo=UTC)
both = pytest.mark.parametrize("format", Format)


def elsewhere(act: Callable[[], Any]) -> None:
    """With a connection of its own."""

    def alone() -> None:
        try:
            act()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(alone).result()


@pytest.mark.django_db(transaction=True)
@both
def test_no_writer_waits_for_an_export(format: Format, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw_rows, "ROWS_PER_FETCH", 100)
    AuditEntry.objects.bulk_create(facts(300, now=NOW))
    pieces = export(AuditEntry.objects.order_by("id"), format, by=BY, criteria={})
    # The first piece of CSV is the header.
    taken = [next(pieces), next(pieces)]
    elsewhere(lambda: keep(reason="meanwhile"))
    assert b"meanwhile" not in b"".join([*taken, *pieces])
    assert activity()[-1][1]["entries"] == 300
    assert not connection.in_atomic_block


@pytest.mark.django_db(transaction=True)
def test_an_entry_finished_during_the_export_has_no_seal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw_rows, "ROWS_PER_FETCH", 1)
    older, _newer = keep(outcome=Outcome.PENDING), keep()
    newest_first = AuditEntry.objects.order_by("-created_at", "-id")
    pieces = export(newest_first, Format.JSON_LINES, by=BY, criteria={})
    next(pieces)
    done = {"outcome": Outcome.SUCCEEDED, "finished_at": timezone.now()}
    elsewhere(lambda: entries.update(older, done))
    line = json.loads(next(pieces))
    assert (line["seal"], line["ip_admin"]["outcome"]) == (None, "pending")
    pieces.close()


@pytest.mark.django_db(transaction=True)
@both
def test_a_cancelled_export_leaves_no_transaction(format: Format) -> None:
    AuditEntry.objects.bulk_create(facts(300, now=NOW))
    pieces = export(AuditEntry.objects.all(), format, by=BY, criteria={})
    assert next(pieces) + next(pieces)
    pieces.close()
    assert not connection.in_atomic_block
    elsewhere(keep)
