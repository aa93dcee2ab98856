"""The migration that counts entries by account, and makes user names final."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib import import_module
from typing import Any
from unittest import mock

import pytest
from django.apps import apps
from django.db import DatabaseError, connection, transaction

from ipadmin.models import AuditCounter, AuditValueCounter, User
from tests.history import keep

accounts = import_module("ipadmin.migrations.0005_accounts")
# It counts by accounts and actions.
actions = import_module("ipadmin.migrations.0006_actions")
pytestmark = pytest.mark.django_db


def counted() -> tuple[list[Any], list[Any]]:
    """All counters by name; sums of floats as they are read."""
    rows = AuditCounter.objects.values_list(
        *("facet", "value", "span", "since", "outcome", "error_code", "attempts", "timed"),
        "log_seconds",
    )
    values = AuditValueCounter.objects.values_list("field", "value", "label", "attempts")
    return sorted((*row[:-1], round(row[-1], 6)) for row in rows), sorted(values)


def test_counting_again_gives_the_same_counters(alice: User) -> None:
    for at in (datetime(2026, 1, 31, 23, 59, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)):
        keep(created_at=at, duration_us=250_000)
        keep(created_at=at, duration_us=None, outcome="failed", error_code="no_allocation")
        keep(created_at=at, duration_us=0, user_name="olga", user_id=77)
        keep(created_at=at, user_name="Olga", user_id=77, environment="live")
        keep(created_at=at, finished_at=None, outcome="unknown")
    before = counted()
    of_names = {"facet": "person", "value": "alice", "attempts": 9, "timed": 9, "log_seconds": 0.0}
    AuditCounter.objects.filter(facet__in=["person", "actor"]).delete()
    AuditCounter.objects.create(
        **of_names, span="day", since=datetime(2026, 1, 31, tzinfo=UTC).date(), outcome="failed"
    )
    AuditValueCounter.objects.filter(field__in=["user_id", "actor"]).delete()
    AuditValueCounter.objects.create(field="user_name_key", value="alice", attempts=9)
    AuditCounter.objects.filter(facet="action").delete()
    AuditValueCounter.objects.filter(field="action").delete()
    accounts.count_by_account(apps, connection.schema_editor())
    actions.count_by_action(apps, connection.schema_editor())
    assert counted() == before


def test_counting_an_empty_history() -> None:
    accounts.count_by_account(apps, connection.schema_editor())
    assert counted() == ([], [])


@pytest.mark.parametrize("name", ["olga", "ALICE"])
def test_a_user_name_never_changes(alice: User, name: str) -> None:
    alice.username = name
    with pytest.raises(DatabaseError, match="never changes"), transaction.atomic():
        alice.save()
    with pytest.raises(DatabaseError, match="never changes"), transaction.atomic():
        User.objects.filter(pk=alice.pk).update(username=name)
    alice.refresh_from_db()
    assert alice.username == "alice"


def test_user_names_are_unique_in_any_case(alice: User) -> None:
    with pytest.raises(DatabaseError), transaction.atomic():
        User.objects.create(username="ALICE")


def test_names_that_differ_in_case_only_are_reported() -> None:
    registry = mock.MagicMock()
    users = registry.get_model.return_value.objects.using.return_value
    users.order_by.return_value.values_list.return_value = ["alice", "Alice"]
    with pytest.raises(RuntimeError, match="'alice' and 'Alice' differ in case only"):
        accounts.refuse_same_names(registry, connection.schema_editor())
