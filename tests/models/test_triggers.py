"""The database itself refuses what would falsify the history."""

from __future__ import annotations

import uuid

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from ipadmin.models import AuditEntry, Outcome


def entry(**fields: object) -> AuditEntry:
    return AuditEntry.objects.create(
        attempt_id=uuid.uuid4(),
        user_id=1,
        token_id=uuid.uuid4(),
        address_id="ip_a",
        address="192.0.2.1",
        **fields,
    )


def finished() -> AuditEntry:
    return entry(outcome=Outcome.SUCCEEDED, finished_at=timezone.now())


@pytest.mark.django_db
def test_an_open_entry_can_be_finished() -> None:
    opened = entry()
    AuditEntry.objects.update(outcome=Outcome.FAILED, finished_at=timezone.now())
    opened.refresh_from_db()
    assert opened.outcome == Outcome.FAILED


@pytest.mark.django_db
@pytest.mark.parametrize("fields", [{"outcome": Outcome.FAILED}, {"finished_at": None}])
def test_a_finished_entry_does_not_change(fields: dict[str, object]) -> None:
    finished()
    with pytest.raises(DatabaseError, match="never changes"), transaction.atomic():
        AuditEntry.objects.update(**fields)
    assert AuditEntry.objects.get().outcome == Outcome.SUCCEEDED


@pytest.mark.django_db
@pytest.mark.parametrize("make", [entry, finished])
def test_no_entry_is_deleted(make: type[AuditEntry]) -> None:
    made = make()
    with pytest.raises(DatabaseError, match="never deleted"), transaction.atomic():
        made.delete()
    assert AuditEntry.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize("make", [entry, finished])
@pytest.mark.parametrize("key", ["id", "attempt_id"])
def test_no_entry_is_replaced(make: type[AuditEntry], key: str) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL has no REPLACE")
    made = make()
    names = [field.attname for field in AuditEntry._meta.fields]
    others = {"id": "id + 1", "attempt_id": "'another'", "user_name": "'forged'"}
    values = [others.get(name, name) if name != key else name for name in names]
    statement = "REPLACE INTO ipadmin_auditentry (%s) SELECT %s FROM ipadmin_auditentry"
    with (
        pytest.raises(DatabaseError, match="never replaced"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement % (", ".join(names), ", ".join(values)))
    assert AuditEntry.objects.get().user_name == made.user_name


@pytest.mark.django_db(transaction=True)
def test_tests_can_empty_the_audit_log() -> None:
    finished()


@pytest.mark.django_db
def test_an_emptied_audit_log_is_protected_again() -> None:
    assert not AuditEntry.objects.exists()
    finished()
    with pytest.raises(DatabaseError), transaction.atomic():
        AuditEntry.objects.all().delete()
