"""Entries delivered to a file that is rotated, fills up, and is locked."""

from __future__ import annotations

import fcntl
import os
import resource
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from ipadmin.audit.stream.targets import File, NotDelivered, target_from_url

TEXT = '{"outcome": "succeeded"}\n{"by": "Zoë"}\n'
LINES = TEXT.encode()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


def test_a_new_file_belongs_to_its_owner_only_and_is_appended_to(path: Path) -> None:
    target = target_from_url(f"file://{path}")
    target.send(LINES)
    target.send(LINES)
    assert path.read_text() == TEXT * 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_half_a_line_of_a_killed_process_is_ended_first(path: Path) -> None:
    path.write_text('{"a": 1}\n{"b": ')
    File(path).send(LINES)
    assert path.read_text() == f'{{"a": 1}}\n{{"b": \n{TEXT}'


def test_lines_and_the_name_of_a_new_file_are_synced(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []

    def fsync(descriptor: int) -> None:
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        synced.append("folder" if is_folder else path.read_text())

    monkeypatch.setattr(os, "fsync", fsync)
    File(path).send(LINES)
    File(path).send(LINES)
    assert synced == ["folder", TEXT, TEXT * 2]


def test_after_a_rotation_a_new_file_is_created(path: Path) -> None:
    target = File(path)
    target.send(LINES)
    path.rename(f"{path}.1")
    target.send(b"{}\n")
    assert path.read_text() == "{}\n"
    assert Path(f"{path}.1").read_text() == TEXT


@pytest.mark.parametrize("rotate", [Path.unlink, lambda path: path.rename(f"{path}.1")])
def test_a_file_rotated_while_it_is_written_does_not_count(
    path: Path, monkeypatch: pytest.MonkeyPatch, rotate: Callable[[Path], object]
) -> None:
    path.write_text("before\n")
    monkeypatch.setattr(os, "fsync", lambda _descriptor: rotate(path))
    with pytest.raises(NotDelivered, match="renamed while it was written"):
        File(path).send(LINES)


def test_a_full_disk_leaves_no_part_of_a_batch(path: Path) -> None:
    """A limit that the kernel sets: it writes what fits, then fails."""
    path.write_text("before\n")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(NotDelivered, match="File too large"):
            File(path).send(b"x" * 30_000)
        assert path.read_text() == "before\n"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    File(path).send(LINES)
    assert path.read_text() == f"before\n{TEXT}"


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), SystemExit()])
def test_a_batch_that_is_not_synced_is_removed(
    path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def fail(_descriptor: int) -> None:
        raise error

    path.write_text("before\n")
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises((NotDelivered, SystemExit)):
        File(path).send(LINES)
    assert path.read_text() == "before\n"


def test_a_missing_folder_is_not_created(tmp_path: Path) -> None:
    with pytest.raises(NotDelivered, match=r"/gone/audit\.jsonl: No such file or directory\."):
        File(tmp_path / "gone" / "audit.jsonl").send(LINES)
    assert list(tmp_path.iterdir()) == []


def test_only_a_regular_file_is_written(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in [tmp_path / "pipe", Path("/dev/full")]:
        with pytest.raises(NotDelivered, match="not a regular file"):
            File(path).send(LINES)


def test_a_file_that_another_worker_has_locked_is_not_written(path: Path) -> None:
    with path.open("a") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(NotDelivered, match="another process has locked it"):
            File(path).send(LINES)
    File(path).send(LINES)
    assert path.read_text() == TEXT
