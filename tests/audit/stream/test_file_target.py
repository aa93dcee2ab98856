"""Entries streamed to a file that rotates, fills up, and is written by others."""

from __future__ import annotations

import fcntl
import os
import resource
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from ipadmin.audit.stream import file_target
from ipadmin.audit.stream.targets import File, NotTaken, target_from_url

LINES = ['{"outcome": "succeeded"}', '{"by": "Zoë"}']
TEXT = "".join(f"{line}\n" for line in LINES)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


def test_a_file_is_made_for_its_owner_only_and_appended_to(path: Path) -> None:
    target = target_from_url(f"file://{path}")
    target.send(LINES)
    target.send([])
    target.send(LINES)
    assert path.read_text() == TEXT * 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_half_line_of_a_killed_process_is_ended_first(path: Path) -> None:
    path.write_text('{"a": 1}\n{"b": ')
    File(path).send(LINES)
    assert path.read_text() == f'{{"a": 1}}\n{{"b": \n{TEXT}'


def test_lines_are_synced_before_they_count(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text("before\n")
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda _descriptor: synced.append(path.read_text()))
    File(path).send(LINES)
    assert synced == [f"before\n{TEXT}"]


def test_the_name_of_a_new_file_is_synced_too(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[bool] = []

    def fsync(descriptor: int) -> None:
        synced.append(os.path.samestat(os.fstat(descriptor), path.parent.stat()))

    monkeypatch.setattr(os, "fsync", fsync)
    File(path).send(LINES)
    File(path).send(LINES)
    assert synced == [True, False, False]


def test_a_rotated_file_is_left_and_a_new_one_made(path: Path) -> None:
    target = File(path)
    target.send(LINES)
    path.rename(f"{path}.1")
    target.send(LINES[:1])
    assert path.read_text() == f"{LINES[0]}\n"
    assert Path(f"{path}.1").read_text() == TEXT


@pytest.mark.parametrize("away", [Path.unlink, lambda path: path.rename(f"{path}.1")])
def test_a_file_moved_away_while_it_is_written_has_not_taken_it(
    path: Path, monkeypatch: pytest.MonkeyPatch, away: Callable[[Path], object]
) -> None:
    path.write_text("before\n")
    monkeypatch.setattr(os, "fsync", lambda _descriptor: away(path))
    with pytest.raises(NotTaken, match="moved away"):
        File(path).send(LINES)


def test_a_full_disk_leaves_no_part_of_a_batch(path: Path) -> None:
    """A limit that the kernel sets: it takes what fits, then refuses."""
    path.write_text("before\n")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(NotTaken, match="File too large"):
            File(path).send(["x" * 3000] * 10)
        assert path.read_text() == "before\n"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    File(path).send(LINES)
    assert path.read_text() == f"before\n{TEXT}"


class FullDisk:
    """An `os.write` that takes five bytes, lets somebody else act, and then nothing."""

    def __init__(self, meanwhile: Callable[[], object]) -> None:
        self.meanwhile = meanwhile
        self.write = os.write
        self.calls = 0

    def __call__(self, descriptor: int, data: bytes) -> int:
        self.calls += 1
        if self.calls > 1:
            raise OSError(28, "No space left on device")
        count = self.write(descriptor, data[:5])
        self.meanwhile()
        return count


def test_a_short_write_is_taken_back(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text("half")
    monkeypatch.setattr(os, "write", FullDisk(lambda: None))
    with pytest.raises(NotTaken, match=r"audit.jsonl: No space left on device\."):
        File(path).send(LINES)
    assert path.read_text() == "half"


def test_what_somebody_else_appended_is_not_cut_off(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_text("before\n")

    def other() -> None:
        with path.open("a") as file:
            file.write("theirs\n")

    monkeypatch.setattr(os, "write", FullDisk(other))
    with pytest.raises(NotTaken):
        File(path).send(LINES)
    assert path.read_text() == 'before\n{"outtheirs\n'


def test_a_line_torn_by_somebody_else_has_not_been_taken(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write

    def torn(descriptor: int, data: bytes) -> int:
        count = write(descriptor, data[:5])
        with path.open("a") as file:
            file.write("theirs\n")
        return count

    monkeypatch.setattr(os, "write", torn)
    with pytest.raises(NotTaken, match="somebody else wrote into it"):
        File(path).send(LINES)


def test_a_failed_sync_is_taken_back(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(_descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    path.write_text("before\n")
    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(NotTaken, match="Input/output error"):
        File(path).send(LINES)
    assert path.read_text() == "before\n"


def test_a_process_that_is_stopped_takes_back_what_it_began(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(_descriptor: int) -> None:
        raise SystemExit

    path.write_text("before\n")
    monkeypatch.setattr(os, "fsync", stopped)
    with pytest.raises(SystemExit):
        File(path).send(LINES)
    assert path.read_text() == "before\n"


def test_a_folder_that_is_missing_is_said_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(NotTaken, match=r"/gone/audit\.jsonl: its folder does not exist"):
        File(tmp_path / "gone" / "audit.jsonl").send(LINES)
    assert list(tmp_path.iterdir()) == []


def test_only_a_plain_file_will_do(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in [tmp_path / "pipe", Path("/dev/full")]:
        with pytest.raises(NotTaken, match="it is not a plain file"):
            File(path).send(LINES)
    with pytest.raises(NotTaken, match="Is a directory"):
        File(tmp_path).send(LINES)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "log"))
        with pytest.raises(NotTaken, match="No such device"):
            File(tmp_path / "log").send(LINES)


def test_two_processes_take_turns(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_target, "LOCK", 0.1)
    with path.open("a") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(NotTaken, match="another process keeps it locked"):
            File(path).send(LINES)
        fcntl.flock(other, fcntl.LOCK_UN)
        File(path).send(LINES)
    assert path.read_text() == TEXT


def test_a_file_rotated_while_waiting_for_its_turn_is_left(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_text("before\n")
    lock = fcntl.flock

    def rotated(descriptor: int, how: int) -> None:
        lock(descriptor, how)
        if path.read_text() == "before\n":
            path.rename(f"{path}.1")

    monkeypatch.setattr(fcntl, "flock", rotated)
    path_of_the_old = Path(f"{path}.1")
    path_of_the_old.touch()
    File(path).send(LINES)
    assert path.read_text() == TEXT
    assert path_of_the_old.read_text() == "before\n"
