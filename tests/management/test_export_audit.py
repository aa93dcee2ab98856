"""`manage.py export_audit`: to a new file that is whole or not there, or to standard output."""

from __future__ import annotations

import getpass
import io
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection

from ipadmin.audit.export import export as service
from ipadmin.demo.history import facts
from ipadmin.models import AuditEntry, AuditLink, Outcome
from tests.history import keep

pytestmark = pytest.mark.django_db


class Output(io.TextIOWrapper):
    """Standard output, in memory."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", write_through=True)

    @property
    def written(self) -> bytes:
        assert isinstance(self.buffer, io.BytesIO)
        return self.buffer.getvalue()


def output(*arguments: str, **more: Any) -> str:
    stdout = Output()
    call_command("export_audit", *arguments, stdout=stdout, **more)
    return stdout.written.decode("utf-8-sig")


def trace() -> list[dict[str, Any]]:
    return [seal.details or {} for seal in AuditLink.objects.filter(attempt_id=None)]


def test_csv_to_standard_output() -> None:
    keep(reason="moved, perhaps")
    head, row = output().splitlines()
    assert head.startswith("Time (UTC),Outcome,")
    assert '"moved, perhaps"' in row


def test_json_lines() -> None:
    keep(reason="moved")
    line, last = map(json.loads, output("--format", "jsonl").splitlines())
    assert line["event"]["reason"] == "moved"
    assert last["export"]["entries"] == 1


def test_entries_of_any_age_are_exported_by_default() -> None:
    keep(created_at=datetime(2001, 1, 2, tzinfo=UTC))
    assert "2001-01-02T00:00:00.000000Z" in output()


def test_the_export_is_recorded_with_the_system_user() -> None:
    keep()
    output("--person", "alice")
    started, finished = trace()
    assert started["by"] == {"command_line": getpass.getuser()}
    assert started["criteria"] == {"person": ["alice"]}
    assert (finished["complete"], finished["entries"]) == (True, 1)


# Filters


def test_every_filter_of_the_page_can_be_given() -> None:
    keep(reason="lost", outcome=Outcome.UNKNOWN)
    keep(reason="said no", outcome=Outcome.FAILED)
    keep(reason="worked")
    keep(reason="bob's", user_name="bob", outcome=Outcome.FAILED)
    asked = ("--filter", "outcome=failed", "--filter", "outcome=unknown", "--filter", "q=192.0.2.7")
    text = output("--person", "alice", *asked)
    assert [line.split(",")[10] for line in text.splitlines()[1:]] == ["said no", "lost"]


def test_the_last_second_is_included() -> None:
    for second in (8, 9, 10):
        at = datetime(2026, 1, 2, 14, 5, second, 999_999, tzinfo=UTC)
        keep(reason=f"at {second}", created_at=at)
    text = output("--since", "2026-01-02T14:05:09", "--until", "2026-01-02T14:05:09")
    assert [n for n in (8, 9, 10) if f"at {n}" in text] == [9]


def test_a_day_includes_its_last_microsecond() -> None:
    keep(created_at=datetime(2026, 1, 2, 23, 59, 59, 999_999, tzinfo=UTC))
    assert len(output("--since", "2026-01-02", "--until", "2026-01-02").splitlines()) == 2
    assert len(output("--since", "2026-01-03").splitlines()) == 1


def test_times_are_read_in_the_given_zone() -> None:
    keep(created_at=datetime(2026, 1, 2, 4, tzinfo=UTC))
    asked = ("--since", "2026-01-02T05:00", "--until", "2026-01-02T05:00")
    assert len(output(*asked).splitlines()) == 1
    assert len(output(*asked, "--filter", "zone=Europe/Zurich").splitlines()) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--filter", "colour=red"], "There is no filter 'colour'. There are: zone, q, when"),
        (["--filter", "outcome=won"], "outcome: "),
        (["--since", "yesterday"], "since: "),
        (["--person", "\udcff"], "not in UTF-8"),
    ],
)
def test_an_invalid_filter_is_an_error(arguments: list[str], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        output(*arguments)
    assert trace() == []


# A file


def test_a_new_file_is_private_and_complete(tmp_path: Path) -> None:
    keep(reason="moved")
    file = tmp_path / "history.csv"
    said = output("--output", str(file))
    assert said == f"1 entries, {file.stat().st_size:,} bytes\n"
    assert "moved" in file.read_text("utf-8-sig")
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_an_existing_file_is_not_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "history.csv"
    file.write_text("kept")
    with pytest.raises(CommandError, match="exists and is not overwritten"):
        output("--output", str(file))
    assert (file.read_text(), trace()) == ("kept", [])


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="No such file or directory"):
        output("--output", str(tmp_path / "missing" / "history.csv"))
    assert trace() == []


def test_a_failed_export_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_arguments: Any) -> Any:
        yield [], b"head"
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(service, "_pieces", broken)
    with pytest.raises(CommandError, match="No space left on device"):
        output("--output", str(tmp_path / "history.csv"))
    assert list(tmp_path.iterdir()) == []
    assert trace()[-1]["complete"] is False


# As a process of its own


def started(*arguments: str, **more: Any) -> subprocess.Popen[bytes]:
    """With the database of the tests."""
    values = connection.settings_dict
    url = f"sqlite:///{values['NAME']}"
    if connection.vendor == "postgresql":
        where = f"{values['HOST']}:{values['PORT']}/{values['NAME']}"
        url = f"postgresql://{values['USER']}:{values['PASSWORD']}@{where}"
    return subprocess.Popen(
        [sys.executable, "manage.py", "export_audit", *arguments],
        cwd=settings.BASE_DIR,
        env=os.environ | {"DATABASE_URL": url},
        stderr=subprocess.PIPE,
        **more,
    )


@pytest.mark.django_db(transaction=True)
def test_a_full_disk_is_reported_and_recorded() -> None:
    keep()
    with Path("/dev/full").open("wb") as full:
        _out, said = started(stdout=full).communicate()
    assert said.decode() == "CommandError: Not exported: [Errno 28] No space left on device\n"
    assert trace()[-1]["complete"] is False


@pytest.mark.django_db(transaction=True)
def test_a_closed_pipe_is_reported_and_recorded() -> None:
    # More than a pipe holds.
    AuditEntry.objects.bulk_create(facts(1000, now=datetime(2026, 11, 23, tzinfo=UTC)))
    process = started(stdout=subprocess.PIPE)
    assert process.stdout
    process.stdout.read(10)
    process.stdout.close()
    _out, said = process.communicate()
    assert said.decode().startswith("CommandError: The reader closed the pipe after ")
    assert (process.returncode, said.count(b"\n")) == (1, 1)
    assert trace()[-1]["complete"] is False
