from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from ipadmin.audit import entries, retention
from ipadmin.demo.history import facts
from ipadmin.models import AuditEntry, AuditLink, LinkKind
from tests.tampering import finding

COUNT = 40

pytestmark = pytest.mark.django_db


@pytest.fixture
def history() -> list[AuditEntry]:
    """Of three years that ended long ago; oldest first."""
    made = list(facts(COUNT, now=datetime(2020, 1, 1, tzinfo=UTC)))
    entries.add_finished(made)
    return made


def prune(*options: str | Path) -> str:
    """What it prints."""
    out = StringIO()
    call_command("prune_audit", *map(str, options), stdout=out)
    return out.getvalue()


@pytest.mark.usefixtures("history")
def test_it_says_what_goes_and_where_it_is(tmp_path: Path) -> None:
    path = tmp_path / "old.jsonl"
    text = prune("--before", "2020-01-01", "--export", path)
    assert "40 finished attempts, from 2017-02-02 14:49 UTC to 2019-12-31" in text
    assert f"40 removed and sealed as such. They are in {path}." in text
    assert len(path.read_text().splitlines()) == COUNT + 1
    assert finding() == ""


def test_the_day_itself_is_kept(history: list[AuditEntry], tmp_path: Path) -> None:
    day = history[20].created_at.date()
    prune("--before", day.isoformat(), "--export", tmp_path / "old.jsonl")
    left = AuditEntry.objects.earliest("created_at").created_at
    assert left == next(entry for entry in history if entry.created_at.date() >= day).created_at


@pytest.mark.usefixtures("history")
def test_it_says_who_did_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "adam")
    prune("--before", "2020-01-01", "--export", tmp_path / "old.jsonl")
    details = AuditLink.objects.get(kind=LinkKind.PRUNED).details or {}
    assert details["by"] == {"command_line": "adam"}


@pytest.mark.usefixtures("history")
def test_a_dry_run_removes_nothing() -> None:
    assert "40 finished attempts" in prune("--before", "2020-01-01", "--dry-run")
    assert AuditEntry.objects.count() == COUNT
    assert not AuditLink.objects.filter(attempt_id=None).exists()


@pytest.mark.usefixtures("history")
def test_without_a_file_it_refuses() -> None:
    with pytest.raises(CommandError, match="without --export"):
        prune("--before", "2020-01-01")
    assert AuditEntry.objects.count() == COUNT


def test_with_nothing_to_remove_it_does_nothing(tmp_path: Path) -> None:
    text = prune("--before", "2020-01-01", "--export", tmp_path / "old.jsonl")
    assert "No finished attempt is from before 2020-01-01" in text
    assert list(tmp_path.iterdir()) == []
    assert not AuditLink.objects.exists()


@pytest.mark.parametrize("days", [-29, 0, 365])
@pytest.mark.usefixtures("history")
def test_a_slip_of_the_year_is_asked_about(tmp_path: Path, days: int) -> None:
    day = f"{timezone.now() + timedelta(days=days):%Y-%m-%d}"
    with pytest.raises(CommandError, match="--really"):
        prune("--before", day, "--export", tmp_path / "old.jsonl")
    assert "40 removed" in prune("--before", day, "--export", tmp_path / "old.jsonl", "--really")


@pytest.mark.parametrize("day", ["yesterday", "2020-13-01", "2020", ""])
def test_a_day_is_a_day(day: str) -> None:
    with pytest.raises(CommandError, match="2025-12-31"):
        prune("--before", day, "--dry-run")


@pytest.mark.usefixtures("history")
def test_a_file_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"No such file.*\. No entry was removed"):
        prune("--before", "2020-01-01", "--export", tmp_path / "none" / "old.jsonl")


@pytest.mark.usefixtures("history")
def test_stopped_half_way_it_says_how_far_it_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "ENTRIES_PER_PART", 30)
    removals = iter([retention._remove])

    def once(*args: object) -> int:
        if remove := next(removals, None):
            return remove(*args)  # type: ignore[arg-type]
        raise retention.NotPruned("Stopped.")

    monkeypatch.setattr(retention, "_remove", once)
    with pytest.raises(CommandError, match="30 were removed and sealed as such; the others"):
        prune("--before", "2020-01-01", "--export", tmp_path / "old.jsonl")
    assert AuditEntry.objects.count() == COUNT - 30
