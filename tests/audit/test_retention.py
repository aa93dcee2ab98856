"""What a pruning removes, what it leaves, and that it can stop anywhere."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, transaction
from pytest_django import Settings

from ipadmin.audit import counters, document, entries, retention, rows
from ipadmin.audit.activity import Actor
from ipadmin.audit.integrity import chain
from ipadmin.audit.stream import delivery
from ipadmin.demo.history import facts
from ipadmin.models import (
    AuditChain,
    AuditCounter,
    AuditEntry,
    AuditLink,
    AuditReasonWord,
    AuditStream,
    AuditValueCounter,
    LinkKind,
    Run,
    RunState,
    User,
)
from tests import tampering
from tests.tampering import finding

NOW = datetime(2026, 11, 23, 14, 5, tzinfo=UTC)
COUNT = 60
BY = Actor(command_line="adam")

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "ENTRIES_PER_PART", 10)
    monkeypatch.setattr(retention, "PAUSE_SECONDS", 0)


@pytest.fixture
def history() -> list[AuditEntry]:
    """Oldest first."""
    made = list(facts(COUNT, now=NOW))
    entries.add_finished(made)
    return made


@pytest.fixture
def middle(history: list[AuditEntry]) -> datetime:
    """Before which 25 were created."""
    return history[25].created_at


def prune(before: datetime, path: Path, progress: Any = lambda _done, _count: None) -> int:
    return retention.prune(before, path, by=BY, progress=progress)


def acts() -> list[AuditLink]:
    return list(AuditLink.objects.filter(kind=LinkKind.PRUNED))


def removed_by_each() -> list[int]:
    """How many entries each removal took."""
    return [act.details["entries"] for act in acts() if act.details]


def ids() -> list[str]:
    return [
        str(one) for one in AuditEntry.objects.order_by("id").values_list("attempt_id", flat=True)
    ]


def counts() -> tuple[dict[Any, Any], dict[Any, Any]]:
    """What is tallied, without what time the calls took together, which is inexact."""
    tallies = {
        (row.facet, row.value, row.span, row.since, row.outcome, row.error_code): (
            row.attempts,
            row.timed,
        )
        for row in AuditCounter.objects.all()
    }
    terms = {(term.field, term.value): term.attempts for term in AuditValueCounter.objects.all()}
    return tallies, terms


def test_retention_removes_the_oldest_entries_only(
    history: list[AuditEntry], middle: datetime, tmp_path: Path
) -> None:
    assert prune(middle, tmp_path / "old.jsonl") == 25
    assert ids() == [str(entry.attempt_id) for entry in history[25:]]
    assert AuditLink.objects.filter(attempt_id__isnull=False).count() == 2 * COUNT


def test_the_words_of_removed_reasons_are_removed(
    history: list[AuditEntry], middle: datetime, tmp_path: Path
) -> None:
    prune(middle, tmp_path / "old.jsonl")
    left = {each.pk for each in history[25:] if each.reason}
    assert {*AuditReasonWord.objects.values_list("entry_id", flat=True)} == left


@pytest.mark.parametrize(
    ("state", "days", "is_kept"),
    [(RunState.FINISHED, -1, False), (RunState.PAUSED, -1, True), (RunState.FINISHED, 1, True)],
)
@pytest.mark.usefixtures("history")
def test_an_ended_run_is_removed_with_its_entries(
    middle: datetime, alice: User, tmp_path: Path, *, state: RunState, days: int, is_kept: bool
) -> None:
    Run.objects.create(user=alice, state=state, confirmed_at=middle + timedelta(days=days))
    prune(middle, tmp_path / "old.jsonl")
    assert Run.objects.exists() == is_kept


def test_the_export_has_what_was_removed(
    history: list[AuditEntry], middle: datetime, tmp_path: Path
) -> None:
    path = tmp_path / "old.jsonl"
    prune(middle, path)
    *lines, trailer = path.read_text().splitlines()
    exported = [json.loads(line)["event"]["id"] for line in lines]
    assert exported == [str(entry.attempt_id) for entry in history[:25]]
    assert json.loads(trailer)["export"]["entries"] == 25
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.usefixtures("history")
def test_each_removal_is_sealed(middle: datetime, tmp_path: Path) -> None:
    path = tmp_path / "old.jsonl"
    prune(middle, path)
    removals = [act.details or {} for act in acts()]
    assert [act["entries"] for act in removals] == [10, 10, 5]
    assert removals[-1]["before"] == rows.moment(middle)
    data = path.read_bytes()
    assert removals[0]["export"] == {
        "file": "old.jsonl",
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
    }
    assert removals[0]["by"] == BY.details()


@pytest.mark.usefixtures("history")
def test_the_chain_verifies_after_a_removal(middle: datetime, tmp_path: Path) -> None:
    prune(middle, tmp_path / "old.jsonl")
    assert finding() == ""
    prune(middle + timedelta(days=90), tmp_path / "older.jsonl")
    assert finding() == ""


@pytest.mark.usefixtures("history")
def test_an_entry_removed_beside_retention_is_found(middle: datetime, tmp_path: Path) -> None:
    prune(middle, tmp_path / "old.jsonl")
    first = AuditEntry.objects.earliest("created_at")
    tampering.execute("DELETE FROM ipadmin_auditentry WHERE id = %s", first.pk)
    assert "Removed" in finding()


@pytest.mark.usefixtures("history")
def test_counters_after_a_removal_are_of_the_entries_left(middle: datetime, tmp_path: Path) -> None:
    prune(middle, tmp_path / "old.jsonl")
    pruned = counts()
    AuditCounter.objects.all().delete()
    AuditValueCounter.objects.all().delete()
    recount = counters.Counters()
    for entry in AuditEntry.objects.all():
        recount.add(document.values_of(entry))
    recount.write()
    assert pruned == counts()


@pytest.mark.usefixtures("history")
def test_every_finished_entry_can_be_removed(tmp_path: Path) -> None:
    assert prune(NOW, tmp_path / "all.jsonl") == COUNT
    assert counts() == ({}, {})
    assert finding() == ""


def test_entries_of_one_time_are_removed_together(tmp_path: Path) -> None:
    made = list(facts(30, now=NOW))
    for entry in made[5:]:
        entry.created_at = NOW
    entries.add_finished(made)
    prune(NOW + timedelta(seconds=1), tmp_path / "old.jsonl")
    assert removed_by_each() == [5, 25]
    assert finding() == ""


def test_an_open_attempt_is_never_removed(history: list[AuditEntry], tmp_path: Path) -> None:
    (entry,) = facts(1, seed=2, now=NOW)
    entry.finished_at, entry.created_at = None, history[0].created_at
    entries.open(entry)
    assert prune(NOW, tmp_path / "old.jsonl") == COUNT
    assert ids() == [str(entry.attempt_id)]
    assert finding() == ""


def test_an_attempt_finished_in_the_meantime_stops_the_removal(
    history: list[AuditEntry], tmp_path: Path
) -> None:
    (entry,) = facts(1, seed=2, now=NOW)
    finished_at, entry.finished_at, entry.created_at = NOW, None, history[0].created_at
    entries.open(entry)

    def finish(done: str, _count: int) -> None:
        if done == "removed":
            entries.update(entry, {"finished_at": finished_at})

    with pytest.raises(retention.NotPruned, match="was finished, or"):
        prune(NOW, tmp_path / "old.jsonl", finish)
    assert removed_by_each() == [10]
    assert finding() == ""
    assert prune(NOW, tmp_path / "again.jsonl") == COUNT - 10 + 1


@pytest.mark.usefixtures("history")
def test_two_removals_do_not_run_at_once(middle: datetime, tmp_path: Path) -> None:
    def join(done: str, _count: int) -> None:
        if done == "removed":
            prune(middle, tmp_path / "two.jsonl")

    with pytest.raises(retention.NotPruned, match="or another pruning"):
        prune(NOW, tmp_path / "one.jsonl", join)
    assert finding() == ""


class Killed(BaseException):
    """Nothing catches this one."""


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize("moment", ["exported", "checked", "removed"])
def test_the_chain_verifies_after_a_removal_was_killed(
    moment: str, middle: datetime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "ROWS_PER_FETCH", 1)

    def kill(done: str, count: int) -> None:
        if done == moment and count > 5:
            raise Killed

    with pytest.raises(Killed):
        prune(middle, tmp_path / "old.jsonl", kill)
    assert len(ids()) == (COUNT - 10 if moment == "removed" else COUNT)
    assert finding() == ""
    prune(middle, tmp_path / "again.jsonl")
    assert len(ids()) == COUNT - 25


@pytest.mark.usefixtures("history")
def test_a_removal_that_cannot_be_sealed_is_rolled_back(
    middle: datetime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: Any, **_options: Any) -> AuditLink:
        raise DatabaseError

    before = counts()
    monkeypatch.setattr(chain, "add_link", fail)
    with pytest.raises(DatabaseError):
        prune(middle, tmp_path / "old.jsonl")
    monkeypatch.undo()
    assert (len(ids()), counts()) == (COUNT, before)
    assert AuditChain.objects.get().pruning_before is None


@pytest.mark.usefixtures("history")
def test_a_changed_entry_is_not_removed(middle: datetime, tmp_path: Path) -> None:
    last = AuditEntry.objects.filter(created_at__lt=middle).latest("created_at")
    tampering.column(last, "reason", "another")
    with pytest.raises(retention.NotPruned, match="not as it was sealed"):
        prune(middle, tmp_path / "old.jsonl")
    assert len(ids()) == COUNT


@pytest.mark.usefixtures("history")
def test_an_entry_without_a_seal_is_not_removed(middle: datetime, tmp_path: Path) -> None:
    (entry,) = facts(1, seed=2, now=NOW)
    entry.created_at = middle - timedelta(seconds=1)
    entry.save()
    with pytest.raises(retention.NotPruned, match="has no seal"):
        prune(middle, tmp_path / "old.jsonl")
    assert len(ids()) == COUNT + 1


@pytest.mark.usefixtures("history")
def test_an_existing_export_file_is_not_overwritten(middle: datetime, tmp_path: Path) -> None:
    path = tmp_path / "old.jsonl"
    path.write_text("precious")
    with pytest.raises(FileExistsError, match="Choose another name"):
        prune(middle, path)
    assert path.read_text() == "precious"
    assert (len(ids()), acts()) == (COUNT, [])


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize("damage", [lambda data: data[1000:], lambda data: data.split(b"\n", 1)[1]])
def test_an_export_file_that_reads_back_differently_stops_the_removal(
    damage: Any, middle: datetime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "old.jsonl"
    read_back = retention._read_back

    def cut(*args: Any) -> Any:
        path.write_bytes(damage(path.read_bytes()))
        return read_back(*args)

    monkeypatch.setattr(retention, "_read_back", cut)
    with pytest.raises(retention.NotPruned, match="does not read back"):
        prune(middle, path)
    assert len(ids()) == COUNT


@pytest.mark.usefixtures("history")
def test_entries_not_yet_streamed_are_not_removed(
    middle: datetime, tmp_path: Path, settings: Settings
) -> None:
    settings.AUDIT_STREAM = f"file://{tmp_path}/stream.jsonl"
    AuditStream.objects.create(target=settings.AUDIT_STREAM, error="disk full")
    with pytest.raises(retention.NotPruned, match=r"not taken all .* disk full"):
        prune(middle, tmp_path / "old.jsonl")
    delivery.deliver()
    assert prune(middle, tmp_path / "old.jsonl") == 25


@pytest.mark.usefixtures("history")
def test_without_a_removal_under_way_no_entry_can_be_deleted(
    middle: datetime, tmp_path: Path
) -> None:
    prune(middle, tmp_path / "old.jsonl")
    with pytest.raises(IntegrityError), transaction.atomic():
        AuditEntry.objects.earliest("created_at").delete()


def test_a_token_keeps_its_latest_name(tmp_path: Path) -> None:
    made = list(facts(COUNT, now=NOW))
    for number, entry in enumerate(made):
        entry.token_label = "old" if number < 25 else "new"
    entries.add_finished(made)
    prune(made[25].created_at, tmp_path / "old.jsonl")
    labels = AuditValueCounter.objects.filter(field="token_id").values_list("label", flat=True)
    assert set(labels) == {"new"}
