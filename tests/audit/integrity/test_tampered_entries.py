"""What someone who can write to the database changed in entries is found and named."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from ipadmin.audit import document
from ipadmin.audit.integrity import chain
from ipadmin.audit.integrity.chain_reader import ChainReader
from ipadmin.models import AuditEntry, LinkKind
from tests import tampering
from tests.tampering import column, execute, finding, finished, opened

pytestmark = pytest.mark.django_db

FIELDS = [field.attname for field in AuditEntry._meta.concrete_fields]
only_on_sqlite = pytest.mark.skipif(
    connection.vendor != "sqlite", reason="PostgreSQL takes no other types"
)


def other_value(entry: AuditEntry, name: str) -> Any:
    """Another value of the same type."""
    value = getattr(entry, name)
    others = {
        "DateTimeField": timezone.now().replace(microsecond=1),
        "JSONField": json.dumps(["forged"]),
        "BooleanField": not value,
        "UUIDField": "0" * 31 + "1",
        "GenericIPAddressField": "198.51.100.7",
        "CharField": "forged",
    }
    kind = AuditEntry._meta.get_field(name).get_internal_type()
    return others[kind] if kind in others else (value or 0) + 7


def remove(entry: AuditEntry) -> None:
    execute("DELETE FROM ipadmin_auditentry WHERE id = %s", entry.pk)


@pytest.mark.parametrize("name", FIELDS)
def test_a_changed_field_of_a_finished_entry_is_found(name: str) -> None:
    finished()
    entry = finished()
    entry.refresh_from_db()
    finished()
    column(entry, name, other_value(entry, name))
    found = finding()
    assert found.startswith(("Changed", "Removed"))
    assert str(entry.attempt_id) in found
    assert re.search(r"link [34]\b", found)


@pytest.mark.parametrize("name", document.OPENING[2:])
def test_a_changed_field_of_an_open_entry_is_found(name: str) -> None:
    entry = opened()
    column(entry, name, other_value(entry, name))
    assert finding().startswith("Changed: the entry of")
    assert "when it was opened. Who acted" in finding()


def test_an_entry_that_was_changed_before_it_is_finished_is_not_sealed() -> None:
    entry = opened()
    column(entry, "user_name", "mallory")
    with pytest.raises(chain.NotSealed), transaction.atomic():
        tampering.finish(entry)
    assert "Who acted" in finding()


@pytest.mark.parametrize(
    ("name", "sentence"), [("outcome", "Its outcome was changed"), ("reason", "Who acted")]
)
def test_a_changed_entry_is_named_with_what_was_changed(name: str, sentence: str) -> None:
    entry = finished(address="192.0.2.44")
    column(entry, name, "failed")
    assert f"192.0.2.44, attempt {entry.attempt_id}" in finding()
    assert sentence in finding()


@pytest.mark.parametrize(
    "name", ["duration_us", "created_at", "evidence", "user_name", "attempt_id"]
)
@only_on_sqlite
def test_an_unreadable_value_is_found(name: str) -> None:
    column(finished(), name, b"\xff\xfe")
    assert finding().startswith(("Changed", "Removed"))


@only_on_sqlite
def test_an_unreadable_value_of_an_open_entry_is_found() -> None:
    finished()
    column(opened(), "evidence", "{")
    assert finding().startswith("Changed: the entry of link 3")


def test_a_duration_that_no_document_can_hold_is_found() -> None:
    column(finished(), "duration_us", 2**60)
    assert "the entry of link 2" in finding()


def test_a_removed_entry_is_found() -> None:
    entry = finished()
    finished()
    remove(entry)
    assert finding().startswith("Removed: the entry of link 2")
    assert str(entry.attempt_id) in finding()


def test_a_removed_open_entry_is_found() -> None:
    finished()
    entry = opened()
    remove(entry)
    assert finding().startswith(f"Removed: attempt {entry.attempt_id} was opened by link 3")


def test_an_inserted_entry_is_found() -> None:
    finished()
    entry = tampering.unsealed(address="192.0.2.66")
    assert finding().startswith(f"Inserted: entry {entry.pk} (192.0.2.66")


def test_an_entry_that_was_never_opened_is_found() -> None:
    entry = tampering.unsealed(finished_at=timezone.now())
    with transaction.atomic():
        links = [(LinkKind.FINISHED, document.values_of(entry))]
        chain.add_entry_links(chain.locked_chain(), links)
    assert "finished by link 1 without having been opened" in finding()


def test_an_outcome_without_a_seal_is_found() -> None:
    entry = opened()
    column(entry, "finished_at", timezone.now())
    assert f"attempt {entry.attempt_id}, opened by link 1, was finished without" in finding()


@only_on_sqlite
def test_an_end_that_is_no_datetime_is_found() -> None:
    column(opened(), "finished_at", "x")
    assert "was finished without a seal" in finding()


def test_exchanged_entries_are_found() -> None:
    one, other = finished(), finished(address="192.0.2.2")
    tampering.exchange("ipadmin_auditentry", "id", one.pk, other.pk)
    assert finding().startswith("Changed")


def test_a_second_entry_of_an_attempt_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of someone who has removed the unique index."""
    entry = finished()
    init = ChainReader.__init__

    def read_twice(self: ChainReader, limit: int) -> None:
        init(self, limit)
        read = self._read_finished
        self._read_finished = lambda *given: 2 * read(*given)

    monkeypatch.setattr(ChainReader, "__init__", read_twice)
    assert finding().startswith(f"Inserted: there are two entries of attempt {entry.attempt_id}.")
