"""The stream of finished entries: in order, from the last one taken, none missing."""

from __future__ import annotations

import errno
import json
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from pytest_django import Settings

from ipadmin.audit import document as documents
from ipadmin.audit import entries
from ipadmin.audit.stream import delivery
from ipadmin.audit.stream.targets import NotTaken
from ipadmin.demo.history import facts
from ipadmin.models import AuditChain, AuditEntry, AuditStream, Outcome
from tests.tampering import column

NOW = datetime(2026, 11, 23, 14, 5, tzinfo=UTC)

pytestmark = pytest.mark.django_db


class Witness:
    """A target that keeps batches, and refuses what it is told to."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.trouble: NotTaken | None = None
        # Bytes of the longest line that fits into a datagram.
        self.longest = 1_000_000

    def send(self, lines: list[str]) -> None:
        if self.trouble:
            raise self.trouble
        if any(len(line.encode()) > self.longest for line in lines):
            raise NotTaken("siem: too long") from OSError(errno.EMSGSIZE, "too long")
        self.batches.append(list(lines))

    @property
    def documents(self) -> list[dict[str, Any]]:
        return [json.loads(line) for batch in self.batches for line in batch]

    @property
    def ids(self) -> list[str]:
        return [document["event"]["id"] for document in self.documents]


@pytest.fixture
def siem(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Witness]:
    settings.AUDIT_STREAM = "syslog+udp://siem"
    witness = Witness()
    monkeypatch.setattr(delivery, "target_from_url", lambda _url: witness)
    yield witness
    delivery._resting.clear()


def history(count: int, seed: int = 1) -> list[str]:
    """So many finished attempts; their ids."""
    made = list(facts(count, seed=seed, now=NOW))
    entries.add_finished(made)
    return [str(entry.attempt_id) for entry in made]


def kept() -> AuditStream:
    return AuditStream.objects.get()


def test_without_a_target_nothing_is_sent(settings: Settings) -> None:
    settings.AUDIT_STREAM = ""
    history(1)
    assert delivery.send_some() == 0
    assert not AuditStream.objects.exists()


def test_finished_entries_are_sent_once_in_their_order(siem: Witness) -> None:
    ids = history(450)
    assert delivery.send_some() == 450
    assert siem.ids == ids
    assert [len(batch) for batch in siem.batches] == [200, 200, 50]
    assert delivery.send_some() == 0
    ids += history(1, seed=2)
    assert delivery.send_some() == 1
    assert siem.ids == ids


def test_a_line_is_the_record_and_the_seal_it_is_checked_by(siem: Witness) -> None:
    history(1)
    delivery.send_some()
    (line,) = siem.batches[0]
    document = json.loads(line)
    assert documents.canonical(document).decode() == line
    seal = document.pop("seal")
    assert documents.digest(document).hex() == seal["digest"]
    assert (seal["sequence"], seal["kind"], len(seal["previous"])) == (2, "finished", 64)


def test_an_attempt_is_sent_when_it_is_finished(siem: Witness) -> None:
    (entry,) = facts(1, now=NOW)
    finished_at, entry.finished_at, entry.outcome = entry.finished_at, None, Outcome.PENDING
    entries.open(entry)
    assert delivery.send_some() == 0
    entries.update(entry, {"outcome": Outcome.SUCCEEDED, "finished_at": finished_at})
    assert delivery.send_some() == 1
    assert siem.documents[0]["event"]["outcome"] == "success"


def test_what_was_not_taken_is_sent_again(siem: Witness) -> None:
    ids = history(3)
    siem.trouble = NotTaken("syslog+udp://siem: Connection refused.")
    assert delivery.send_some() == 0
    failing = kept()
    assert (failing.sequence, failing.error) == (0, "syslog+udp://siem: Connection refused.")
    assert failing.failing_since
    siem.trouble = None
    delivery._resting.clear()
    assert delivery.send_some() == 3
    assert siem.ids == ids
    assert (kept().failing_since, kept().error) == (None, "")
    assert kept().taken_at


def test_a_failure_keeps_the_moment_it_began(siem: Witness) -> None:
    history(1)
    siem.trouble = NotTaken("x" * 400)
    delivery.send_some()
    since = kept().failing_since
    delivery._resting.clear()
    delivery.send_some()
    assert kept().failing_since == since
    assert len(kept().error) == delivery.LONGEST_ERROR


def test_a_target_that_fails_is_left_alone_for_longer_each_time(
    siem: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    history(1)
    now, tries = 1000, []

    def send(_lines: list[str]) -> None:
        tries.append(now)
        raise NotTaken("down")

    monkeypatch.setattr(siem, "send", send)
    monkeypatch.setattr("time.monotonic", lambda: now)
    for now in range(1000, 1200):  # noqa: B007  what the two functions above look at
        delivery.send_some()
    assert [later - sooner for sooner, later in pairwise(tries)] == [1, 2, 4, 8, 16, 32, 60, 60]


def test_a_killed_process_repeats_the_last_batch(siem: Witness) -> None:
    ids = history(2)
    delivery.send_some()
    AuditStream.objects.update(sequence=0)
    delivery.send_some()
    assert siem.ids == ids + ids


def test_a_new_target_gets_everything_that_is_kept(siem: Witness, settings: Settings) -> None:
    ids = history(2)
    delivery.send_some()
    settings.AUDIT_STREAM = "syslog+tcp://other"
    assert delivery.send_some() == 2
    assert siem.ids == ids + ids
    assert AuditStream.objects.count() == 2


def test_what_was_pruned_is_passed_over(siem: Witness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "BATCH", 2)
    ids = history(5)
    AuditChain.objects.update(pruning_before=NOW)
    AuditEntry.objects.exclude(attempt_id=ids[-1]).delete()
    assert delivery.send_some() == 1
    assert siem.ids == ids[-1:]
    assert kept().sequence == 10


def test_no_more_than_there_is_time_for(siem: Witness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "BATCH", 2)
    history(5)
    assert delivery.send_some(seconds=-1) == 2
    assert delivery.send_some(seconds=60) == 3


def test_a_line_too_long_for_a_datagram_goes_shortened(siem: Witness) -> None:
    made = list(facts(3, now=NOW))
    made[1].error_detail = {"errors": ["x" * 70_000]}
    entries.add_finished(made)
    siem.longest = 65_000
    assert delivery.send_some() == 3
    first, long, last = siem.documents
    assert [document.get("message") for document in (first, last)] == [None, None]
    assert long["message"] == delivery.TOO_LONG
    assert long["event"]["id"] == str(made[1].attempt_id)
    assert long["seal"]["sequence"] == 4
    assert kept().error == ""


def test_a_target_that_takes_no_size_is_an_error(siem: Witness) -> None:
    history(2)
    siem.longest = 10
    assert delivery.send_some() == 0
    assert kept().error == "siem: too long"


def test_a_real_datagram_has_its_limit(settings: Settings) -> None:
    made = list(facts(1, now=NOW))
    made[0].error_detail = {"errors": ["x" * 70_000]}
    entries.add_finished(made)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(5)
        settings.AUDIT_STREAM = f"syslog+udp://127.0.0.1:{receiver.getsockname()[1]}"
        assert delivery.send_some() == 1
        assert delivery.TOO_LONG in receiver.recv(65536).decode()


def test_a_file_that_cannot_be_written_gets_everything_later(
    settings: Settings, tmp_path: Path
) -> None:
    folder = tmp_path / "log"
    settings.AUDIT_STREAM = f"file://{folder}/audit.jsonl"
    ids = history(3)
    assert delivery.send_some() == 0
    assert "its folder does not exist" in kept().error
    folder.mkdir()
    delivery._resting.clear()
    assert delivery.send_some() == 3
    lines = (folder / "audit.jsonl").read_text().splitlines()
    assert [json.loads(line)["event"]["id"] for line in lines] == ids


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="holds a row")
def test_while_one_worker_sends_another_does_not(
    siem: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = history(1)
    sending, over = threading.Event(), threading.Event()
    send = siem.send

    def slow(lines: list[str]) -> None:
        sending.set()
        over.wait(10)
        send(lines)

    monkeypatch.setattr(siem, "send", slow)

    def in_another_worker() -> None:
        delivery.send_some()
        connection.close()

    other = threading.Thread(target=in_another_worker)
    other.start()
    sending.wait(10)
    assert delivery.send_some() == 0
    over.set()
    other.join()
    assert siem.ids == ids


def test_two_workers_at_once_never_move_back(
    siem: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on SQLite: what another has sent meanwhile stays sent."""
    history(2)
    send = siem.send

    def overtaken(lines: list[str]) -> None:
        send(lines)
        AuditStream.objects.update(sequence=100)

    monkeypatch.setattr(siem, "send", overtaken)
    assert delivery.send_some() == 0
    assert kept().sequence == 100


def test_what_cannot_be_sent_is_said(siem: Witness) -> None:
    some = history(3)
    entry = AuditEntry.objects.get(attempt_id=some[1])
    column(entry, "duration_us", 2**60)
    assert delivery.send_some() == 0
    assert kept().error.startswith("What stands behind link 0 cannot be sent (ValueError)")
    assert kept().failing_since
    assert siem.batches == []
