"""What someone who can write to the database changed in the links, and at the end of the chain, is
found."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from ipadmin.audit import document
from ipadmin.audit.integrity import chain
from ipadmin.models import AuditChain, AuditEntry, AuditLink, LinkKind
from tests import tampering
from tests.tampering import checkpoint, execute, finding, finished, forge, link, set_back

pytestmark = pytest.mark.django_db

only_on_postgresql = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="SQLite has no such datetimes"
)
only_on_sqlite = pytest.mark.skipif(
    connection.vendor != "sqlite", reason="PostgreSQL takes no other types"
)


def cut_off(after: int) -> None:
    """Remove the last links and their entries."""
    gone = AuditLink.objects.filter(sequence__gt=after).values_list("attempt_id", flat=True)
    for (pk,) in AuditEntry.objects.filter(attempt_id__in=list(gone)).values_list("pk"):
        execute("DELETE FROM ipadmin_auditentry WHERE id = %s", pk)
    execute("DELETE FROM ipadmin_auditlink WHERE sequence > %s", after)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("sequence", 77, "Removed: link 2 "),
        ("kind", "pruned", "Changed: link 2 "),
        ("attempt_id", "0" * 32, "Changed: link 2 "),
        ("at", timezone.now(), "Changed: link 2 "),
        ("digest", b"d" * 32, "Changed: link 2 "),
        ("key_id", "00000000", "Cannot be checked: link 2 "),
        ("seal", b"m" * 32, "Changed: link 2 "),
        ("details", '{"by": "mallory"}', "Changed: details were added to link 2 "),
    ],
)
def test_a_changed_link_is_found(name: str, value: Any, expected: str) -> None:
    finished()
    finished()
    link(2, name, value)
    assert finding().startswith(expected)


@pytest.mark.parametrize("name", ["at", "details", "attempt_id", "digest", "key_id", "kind"])
@only_on_sqlite
def test_an_unreadable_link_is_found(name: str) -> None:
    finished()
    link(2, name, b"{\xff")
    assert "link 2" in finding()


@pytest.mark.parametrize("value", ["x", b"x", inf, -inf, 1e300, 2.5])
@only_on_sqlite
def test_a_link_number_of_another_type_is_found(value: Any) -> None:
    finished()
    link(2, "sequence", value)
    assert finding().startswith(("Changed", "Removed", "Inserted"))


def test_a_changed_activity_is_found() -> None:
    chain.add_activity(LinkKind.EXPORT_FINISHED, {"entries": 3})
    link(1, "details", '{"entries": 4}')
    assert finding().startswith("Changed: the activity of link 1")


@pytest.mark.parametrize(("one", "other"), [(2, 3), (2, 5), (1, 6)])
def test_exchanged_links_are_found(one: int, other: int) -> None:
    for _ in range(3):
        finished()
    tampering.exchange("ipadmin_auditlink", "sequence", one, other)
    assert finding().startswith(f"Inserted or reordered: link {one} ")


def test_an_inserted_link_is_found() -> None:
    finished()
    finished()
    execute("UPDATE ipadmin_auditlink SET sequence = -sequence - 1 WHERE sequence > 2")
    execute("UPDATE ipadmin_auditlink SET sequence = -sequence WHERE sequence < 0")
    forge(3, kind="finished")
    assert finding().startswith("Inserted or reordered: link 3")
    assert "is now link 4" in finding()


def test_an_appended_link_is_found() -> None:
    finished()
    forge(3, kind="verified", digest=document.digest({}), details={})
    assert finding().startswith("Changed: link 3")
    assert "without the key" in finding()


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_removed_link_is_found(number: int) -> None:
    finished()
    finished()
    execute("DELETE FROM ipadmin_auditlink WHERE sequence = %s", number)
    assert finding().startswith(f"Removed: link {number} is missing")


def test_removed_last_links_are_found() -> None:
    finished()
    finished()
    cut_off(2)
    assert finding().startswith("Removed: the links after 2 are missing, up to link 4")


def test_removed_last_links_are_found_by_a_checkpoint() -> None:
    finished()
    finished()
    stored = checkpoint()
    cut_off(2)
    set_back()
    assert finding() == ""
    assert "up to link 4 of the checkpoint" in finding(stored)


def test_replaced_last_links_are_found_by_a_checkpoint() -> None:
    finished()
    finished()
    stored = checkpoint()
    cut_off(2)
    set_back()
    finished()
    finished()
    assert finding(stored).startswith("Changed: link 4")


@pytest.mark.parametrize(
    "change", [{"sequence": 1}, {"seal": b"m" * 32}, {"pruning_before": timezone.now()}]
)
def test_a_changed_end_of_the_chain_is_found(change: dict[str, Any]) -> None:
    finished()
    AuditChain.objects.update(**change)
    assert finding().startswith("Changed: the row that stores the end")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("sequence", value) for value in ("x", b"x", inf, 2**63 - 1)),
        *(("seal", value) for value in ("text", 1.5, -1, 10**12)),
        ("pruning_before", "x"),
    ],
)
@only_on_sqlite
def test_an_unreadable_end_of_the_chain_is_found(name: str, value: Any) -> None:
    finished()
    execute(f"UPDATE ipadmin_auditchain SET {name} = %s", value)
    assert "the end of the chain" in finding()


@pytest.mark.parametrize("at", ["infinity", "-infinity", "0044-03-15 12:00 BC"])
@only_on_postgresql
def test_a_pruning_without_a_readable_end_is_found(at: str) -> None:
    finished()
    execute("UPDATE ipadmin_auditchain SET pruning_before = %s", at)
    assert "allows entries to be deleted" in finding()


def test_a_removed_end_of_the_chain_is_found() -> None:
    finished()
    AuditChain.objects.all().delete()
    assert finding().startswith("Removed: the row")


def test_the_first_of_several_problems_is_named() -> None:
    for _ in range(4):
        finished()
    for number in (6, 4, 8):
        link(number, "seal", b"m" * 32)
    assert finding().startswith("Changed: link 4")
