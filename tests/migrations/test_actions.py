"""The migration to actions, and the format of older entries."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib import import_module

import pytest
from django.apps import apps
from django.db import connection
from django.db.models import F, Value
from django.db.models.functions import Replace

from ipadmin.audit import document
from ipadmin.models import AuditCounter, AuditValueCounter, User
from tests.history import keep
from tests.migrations.test_accounts import counted
from tests.tampering import column, finding, finished

actions = import_module("ipadmin.migrations.0006_actions")
pytestmark = pytest.mark.django_db


def test_counting_gives_the_counters_of_now(alice: User) -> None:
    for at in (datetime(2026, 1, 31, 23, 59, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)):
        keep(created_at=at, duration_us=250_000)
        keep(created_at=at, outcome="failed", error_code="no_allocation", environment="live")
    keep(finished_at=None, outcome="unknown")
    before = counted()
    for found in (AuditCounter.objects, AuditValueCounter.objects):
        without = Replace(F("value"), Value("\x1funallocate"), Value(""))
        found.filter(value__endswith="unallocate").update(value=without)
    AuditCounter.objects.filter(facet="action").delete()
    AuditValueCounter.objects.filter(field="action").delete()
    actions.count_by_action(apps, connection.schema_editor())
    assert counted() == before


def test_counting_an_empty_history() -> None:
    actions.count_by_action(apps, connection.schema_editor())
    assert counted() == ([], [])


def test_an_older_entry_keeps_its_document_and_its_seals() -> None:
    entry = finished(format=1)
    values = document.values_of(entry)
    made = document.document_of(values)
    assert made["ip_admin"]["format"] == 1  # type: ignore[index]
    assert "undoes" not in str(made)
    assert "run_id" not in document.opening(values)
    assert finding() == ""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("format", 2),
        ("run_id", "0" * 31 + "1"),
        ("undoes", "0" * 31 + "1"),
        ("last_of_family", False),
        ("requested_reverse_dns", "forged"),
    ],
)
def test_what_an_older_entry_did_not_have_cannot_be_added(name: str, value: object) -> None:
    entry = finished(format=1)
    column(entry, name, value)
    assert finding().startswith("Changed")
