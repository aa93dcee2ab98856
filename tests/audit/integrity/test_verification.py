"""Verification of an intact history, also while it grows, and of one that cannot be verified."""

from __future__ import annotations

import pytest
from django.db import OperationalError
from django.utils import timezone
from pytest_django import Settings

from ipadmin import crypto
from ipadmin.audit.integrity import chain, verification, walk
from ipadmin.audit.integrity.checkpoint import parse_checkpoint
from ipadmin.models import LinkKind
from tests import tampering
from tests.tampering import (
    checkpoint,
    column,
    execute,
    finding,
    finished,
    forge,
    link,
    opened,
    set_back,
    verify_with,
)

pytestmark = pytest.mark.django_db

SEAL = "0123456789abcdef" * 4


@pytest.fixture
def _one_link_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "LINKS_PER_CHUNK", 1)


def test_an_intact_history_has_no_finding() -> None:
    finished()
    opened()
    chain.add_activity(LinkKind.CHECKPOINT_CREATED, {"by": "cron"})
    assert finding() == ""


def test_an_empty_history_has_no_finding() -> None:
    assert finding() == ""


def test_a_checkpoint_in_the_chain_has_no_finding() -> None:
    finished()
    stored = checkpoint()
    finished()
    assert finding(stored) == ""


def test_intact_entries_are_counted() -> None:
    finished()
    opened()
    result = verify_with(lambda: None)
    assert (result.links, result.entries, result.finding) == (3, 2, "")


def test_any_other_error_while_reading_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk.Walk, "run", lambda _walk: 1 // 0)
    assert finding() == "Changed: the chain cannot be read (ZeroDivisionError)."


def test_a_database_that_does_not_answer_is_no_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(_walk: walk.Walk) -> None:
        raise OperationalError("database is locked")

    monkeypatch.setattr(walk.Walk, "run", locked)
    with pytest.raises(OperationalError):
        finding()


def test_links_of_an_older_key_need_that_key(settings: Settings) -> None:
    old, new = settings.AUDIT_KEYS[0], crypto.generate_key()
    finished()
    settings.AUDIT_KEYS = [new, old]
    finished()
    assert finding() == ""
    settings.AUDIT_KEYS = [new]
    found = finding()
    assert found.startswith("Cannot be checked: link 1")
    settings.AUDIT_KEYS = [old]
    assert crypto.audit_keys().keys() <= set(found.replace(",", " ").split())


@pytest.mark.usefixtures("_one_link_at_once")
def test_an_entry_that_is_finished_in_another_chunk_is_compared() -> None:
    entry = finished()
    still_open = opened()
    assert finding() == ""
    execute("DELETE FROM ipadmin_auditentry WHERE id = %s", still_open.pk)
    assert f"attempt {still_open.attempt_id} was opened by link 3" in finding()
    column(entry, "outcome", "failed")
    assert "Its outcome was changed" in finding()


@pytest.mark.usefixtures("_one_link_at_once")
def test_entries_that_are_added_meanwhile_are_no_problem() -> None:
    entry = opened()

    def finish_and_add() -> None:
        tampering.finish(entry)
        finished()

    result = verify_with(finish_and_add)
    assert result == verification.Result(links=1, entries=1, pruned=0, finding="")


@pytest.mark.usefixtures("_one_link_at_once")
def test_a_link_that_is_forged_meanwhile_is_found() -> None:
    finished()

    def forge_entry() -> None:
        entry = tampering.unsealed(finished_at=timezone.now())
        forge(3, kind="finished", attempt_id=entry.attempt_id, at=entry.created_at)
        set_back()

    assert verify_with(forge_entry).finding.startswith("Changed: link 3")


def test_a_finding_fits_its_column() -> None:
    finished()
    link(2, "kind", "f" * 16)
    column(opened(), "reason", "x")
    execute("UPDATE ipadmin_auditentry SET address = %s", "9" * 64)
    assert len(finding()) <= 500


@pytest.mark.parametrize("text", ["12", "0:" + SEAL, "5:" + SEAL[:16], "x:" + SEAL])
def test_a_malformed_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="64 hexadecimal digits"):
        parse_checkpoint(text)


def test_a_checkpoint_is_parsed_as_it_is_printed() -> None:
    assert parse_checkpoint(f" 12:{SEAL}\n") == (12, bytes.fromhex(SEAL))
