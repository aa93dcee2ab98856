"""Entries that are intact, but that lists and searches do not show, are found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from ipadmin.audit import entries
from ipadmin.audit.counters import COUNTED_VALUES
from ipadmin.audit.integrity import chain, indexes
from ipadmin.models import AuditEntry, AuditReasonWord, AuditValueCounter, LinkKind
from tests import tampering
from tests.history import attempt
from tests.tampering import column, finding, finished, opened

pytestmark = pytest.mark.django_db

only_on_sqlite = pytest.mark.skipif(
    connection.vendor != "sqlite", reason="PostgreSQL has no writable schema"
)


@pytest.mark.parametrize("field", COUNTED_VALUES)
def test_a_removed_value_counter_is_found(field: str) -> None:
    finished(address="192.0.2.9")
    usual = {"organization_name": "Acme", "reverse_dns": "a.example", "outcome": "succeeded"}
    entries.add_finished([attempt(**usual, error_code="odd", user_name="bob")])
    assert finding() == ""
    AuditValueCounter.objects.filter(field=field).latest("pk").delete()
    assert "is missing from the value counters" in finding()
    assert field.removesuffix("_key") in finding()


def test_a_changed_search_key_of_an_open_entry_is_found() -> None:
    column(opened(), "user_name_key", "")
    assert "what it is searched by was changed" in finding()


@pytest.mark.parametrize("make", [finished, opened])
@pytest.mark.parametrize(
    "change", [{"word": "else"}, {"created_at": "2020-01-01T00:00:00Z"}, {"entry_id": 9**9}]
)
def test_a_changed_word_of_a_reason_is_found(
    make: Callable[..., AuditEntry], change: dict[str, Any]
) -> None:
    make(reason="Retired, OPS-4685")
    assert finding() == ""
    AuditReasonWord.objects.filter(word="ops-4685").update(**change)
    assert "what it is searched by was changed" in finding()


def test_a_removed_counter_of_a_word_is_found() -> None:
    finished(reason="Retired, OPS-4685")
    opened(reason="Not counted yet")
    assert finding() == ""
    AuditValueCounter.objects.get(value="ops-4685").delete()
    assert "its reason is missing from the value counters" in finding()


@only_on_sqlite
@pytest.mark.parametrize(
    ("index", "hidden"),
    [("audit_created", "id"), ("audit_by_user", "id"), ("link_activity", "sequence")],
)
def test_a_row_that_is_hidden_from_an_index_is_found(index: str, hidden: str) -> None:
    entry = finished()
    activity = chain.add_activity(LinkKind.CHECKPOINT_CREATED, {"by": "cron"})
    finished()
    number = entry.pk if hidden == "id" else activity.sequence
    tampering.hide(f"{hidden} <> {number}", [index])
    assert finding().startswith("Removed")
    assert f"the index {index}" in finding()


@only_on_sqlite
def test_an_entry_that_is_hidden_from_all_ordering_indexes_is_named() -> None:
    finished()
    entry = finished(address="192.0.2.77")
    tampering.hide(f"id <> {entry.pk}", ["audit_created", *indexes.BY_VALUE])
    listed = AuditEntry.objects.order_by("created_at", "id").values_list("address", flat=True)
    assert list(listed) == ["192.0.2.1"]
    assert f"192.0.2.77, attempt {entry.attempt_id}" in finding()


@only_on_sqlite
def test_an_entry_that_is_misplaced_in_the_order_is_found() -> None:
    entry = finished(address="192.0.2.77")
    finished()
    tampering.rebuild(
        "audit_created", '"created_at"', "(CASE id WHEN 1 THEN 1 ELSE created_at END)"
    )
    assert f"192.0.2.77, attempt {entry.attempt_id}" in finding()
