"""Verification allows entries to be missing only if a sealed pruning has removed them."""

from __future__ import annotations

from typing import Any

import pytest

from ipadmin import crypto
from ipadmin.audit import document
from ipadmin.audit.integrity import chain, prunings, verification, walk
from ipadmin.audit.integrity.chain_reader import ChainReader
from ipadmin.models import AuditEntry, AuditLink, LinkKind
from tests.tampering import execute, finding, finished, forge, opened, verify_with

pytestmark = pytest.mark.django_db
LATER = "2999-01-01T00:00:00.000000Z"


def remove(*entries: AuditEntry) -> None:
    for entry in entries:
        execute("DELETE FROM ipadmin_auditentry WHERE id = %s", entry.pk)


def seal_pruning(*entries: AuditEntry, before: str = LATER) -> None:
    """Seal that these entries were removed."""
    attempts = [entry.attempt_id for entry in entries]
    links = AuditLink.objects.filter(attempt_id__in=attempts, kind=LinkKind.FINISHED)
    removed = [(link.sequence, str(link.attempt_id)) for link in links]
    digest = chain.pruned_digest(removed).hex()
    details = {"before": before, "entries": len(removed), "digest": digest, "by": {}}
    chain.add_activity(LinkKind.PRUNED, details)


def prune(*entries: AuditEntry, before: str = LATER) -> None:
    remove(*entries)
    seal_pruning(*entries, before=before)


def test_pruned_entries_are_no_problem() -> None:
    prune(finished(), finished())
    prune(finished())
    opened()
    result = verify_with(lambda: None)
    assert result == verification.Result(links=9, entries=1, pruned=3, finding="")


def test_more_missing_entries_than_were_pruned_are_found() -> None:
    one, other = finished(), finished()
    remove(one, other)
    seal_pruning(one)
    assert "says that it removed 1 entry, and 2 of the entries before it are missing" in finding()


def test_other_missing_entries_than_were_pruned_are_found() -> None:
    one, other = finished(), finished()
    remove(one, other)
    seal_pruning(other)
    assert finding().startswith("Removed: the pruning of link 5")


def test_a_missing_entry_that_was_not_old_enough_is_found() -> None:
    prune(finished(), before="2020-01-01T00:00:00.000000Z")
    assert "no sealed pruning has removed it" in finding()


def test_a_missing_entry_that_was_finished_after_the_pruning_is_found() -> None:
    prune(finished())
    remove(finished())
    assert finding().startswith("Removed: the entry of link 5")


def test_a_pruned_entry_that_is_there_again_is_found() -> None:
    entry = finished()
    prune(entry)
    entry.save(force_insert=True)
    assert "was removed by the pruning of link 3 and is there again" in finding()


def test_a_forged_pruning_removes_nothing() -> None:
    remove(finished())
    details = {"before": LATER, "entries": 1, "digest": "00"}
    forge(3, kind="pruned", digest=document.digest(details), details=details)
    assert finding().startswith("Removed: the entry of link 2")


def test_entries_that_are_pruned_meanwhile_are_no_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "LINKS_PER_CHUNK", 1)
    some = [finished(), finished()]
    result = verify_with(lambda: prune(*some))
    assert (result.finding, result.pruned) == ("", 2)


def test_entries_that_are_pruned_after_they_were_read_are_no_problem(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    some = [finished(), finished()]
    read = ChainReader.finished
    read_prunings = prunings.Prunings.of

    def read_then_prune(self: ChainReader, links: Any) -> Any:
        stored = read(self, links)
        prune(*some)
        return stored

    def of(self: prunings.Prunings, *link: Any) -> Any:
        return read_prunings(prunings.Prunings(crypto.audit_keys()), *link)

    monkeypatch.setattr(ChainReader, "finished", read_then_prune)
    monkeypatch.setattr(prunings.Prunings, "of", of)
    assert finding() == ""
