"""The stream of finished entries: in order, after the last delivered one, none left out."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from pytest_django import Settings

from ipadmin.audit import activity, entries
from ipadmin.audit import document as documents
from ipadmin.audit.activity import Actor
from ipadmin.audit.stream import delivery
from ipadmin.audit.stream.targets import NotDelivered
from ipadmin.demo.history import facts
from ipadmin.models import AuditChain, AuditEntry, AuditStream, LinkKind, Outcome
from tests.receivers import (
    accept,
    answer_with,
    die_before_the_answer,
    die_while_reading,
    receiving,
)
from tests.tampering import column

NOW = datetime(2026, 11, 23, 14, 5, tzinfo=UTC)

pytestmark = pytest.mark.django_db


class Siem:
    """A target that keeps the lines of each batch, and fails while `trouble` is set."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.trouble: NotDelivered | None = None

    def send(self, lines: bytes) -> None:
        if self.trouble:
            raise self.trouble
        self.batches.append(lines.decode().splitlines())

    @property
    def documents(self) -> list[dict[str, Any]]:
        return [json.loads(line) for batch in self.batches for line in batch]

    @property
    def ids(self) -> list[str]:
        return [document["event"]["id"] for document in self.documents]


@pytest.fixture
def siem(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Siem:
    settings.AUDIT_STREAM = "https://siem.example"
    target = Siem()
    monkeypatch.setattr(delivery, "target_from_url", lambda _url, _authorization: target)
    return target


def history(count: int, seed: int = 1) -> list[str]:
    """So many finished attempts; their ids."""
    made = list(facts(count, seed=seed, now=NOW))
    entries.add_finished(made)
    return [str(entry.attempt_id) for entry in made]


def kept() -> AuditStream:
    return AuditStream.objects.get()


def test_finished_entries_are_sent_once_in_their_order(siem: Siem) -> None:
    ids = history(450)
    assert delivery.deliver()
    assert siem.ids == ids
    assert [len(batch) for batch in siem.batches] == [200, 200, 50]
    ids += history(1, seed=2)
    assert delivery.deliver()
    assert siem.ids == ids


def test_a_line_is_the_document_and_its_seal(siem: Siem) -> None:
    history(1)
    delivery.deliver()
    (line,) = siem.batches[0]
    document = json.loads(line)
    assert documents.canonical(document).decode() == line
    seal = document.pop("seal")
    assert documents.digest(document).hex() == seal["digest"]
    assert (seal["sequence"], seal["kind"], len(seal["previous"])) == (2, "finished", 64)


def test_an_attempt_is_sent_when_it_is_finished(siem: Siem) -> None:
    (entry,) = facts(1, now=NOW)
    finished_at, entry.finished_at, entry.outcome = entry.finished_at, None, Outcome.PENDING
    entries.open(entry)
    assert delivery.deliver()
    assert siem.batches == []
    entries.update(entry, {"outcome": Outcome.SUCCEEDED, "finished_at": finished_at})
    assert delivery.deliver()
    assert siem.documents[0]["event"]["outcome"] == "success"


def test_an_undelivered_batch_is_sent_again(siem: Siem) -> None:
    ids = history(3)
    siem.trouble = NotDelivered("https://siem.example: it answered with status 503.")
    assert not delivery.deliver()
    failing = kept()
    assert (failing.sequence, failing.error) == (
        0,
        "https://siem.example: it answered with status 503.",
    )
    assert failing.failing_since
    siem.trouble = None
    assert delivery.deliver()
    assert siem.ids == ids
    assert (kept().failing_since, kept().error) == (None, "")
    assert kept().taken_at


def test_a_failure_keeps_the_time_it_began(siem: Siem) -> None:
    history(1)
    siem.trouble = NotDelivered("x" * 400)
    delivery.deliver()
    since = kept().failing_since
    delivery.deliver()
    assert kept().failing_since == since
    assert len(kept().error) == delivery.LONGEST_ERROR


def test_a_worker_killed_before_it_stores_the_position_sends_the_batch_again(
    siem: Siem, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_args: object) -> bool:
        raise SystemExit

    ids = history(2)
    with monkeypatch.context() as killed:
        killed.setattr(delivery, "_advance", die)
        with pytest.raises(SystemExit):
            delivery.deliver()
    assert delivery.deliver()
    assert siem.ids == ids + ids


def test_a_new_target_gets_all_entries(siem: Siem, settings: Settings) -> None:
    ids = history(2)
    delivery.deliver()
    settings.AUDIT_STREAM = "https://other.example"
    assert delivery.deliver()
    assert siem.ids == ids + ids
    assert AuditStream.objects.count() == 2


def test_removed_entries_are_skipped(siem: Siem, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "BATCH_LINKS", 2)
    ids = history(5)
    AuditChain.objects.update(pruning_before=NOW)
    AuditEntry.objects.exclude(attempt_id=ids[-1]).delete()
    assert delivery.deliver()
    assert siem.ids == ids[-1:]
    assert kept().sequence == 10


def test_a_file_that_could_not_be_written_gets_everything_later(
    settings: Settings, tmp_path: Path
) -> None:
    folder = tmp_path / "log"
    settings.AUDIT_STREAM = f"file://{folder}/audit.jsonl"
    ids = history(3)
    assert not delivery.deliver()
    assert "No such file or directory" in kept().error
    folder.mkdir()
    assert delivery.deliver()
    lines = (folder / "audit.jsonl").read_text().splitlines()
    assert [json.loads(line)["event"]["id"] for line in lines] == ids


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="holds a row")
def test_one_worker_delivers_at_a_time_on_postgresql(
    siem: Siem, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = history(1)
    sending, over = threading.Event(), threading.Event()
    send = siem.send

    def slow(lines: bytes) -> None:
        sending.set()
        over.wait(10)
        send(lines)

    monkeypatch.setattr(siem, "send", slow)

    def in_another_worker() -> None:
        delivery.deliver()
        connection.close()

    other = threading.Thread(target=in_another_worker)
    other.start()
    sending.wait(10)
    assert delivery.deliver()
    over.set()
    other.join()
    assert siem.ids == ids


def test_the_position_never_moves_back(siem: Siem, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on SQLite: what another has sent meanwhile stays sent."""
    history(2)
    send = siem.send

    def overtaken(lines: bytes) -> None:
        send(lines)
        AuditStream.objects.update(sequence=100)

    monkeypatch.setattr(siem, "send", overtaken)
    assert delivery.deliver()
    assert kept().sequence == 100


def test_an_entry_that_cannot_be_read_stops_the_stream_and_is_reported(siem: Siem) -> None:
    some = history(3)
    entry = AuditEntry.objects.get(attempt_id=some[1])
    column(entry, "duration_us", 2**60)
    assert not delivery.deliver()
    assert kept().error.startswith("A record after link 0 cannot be read (ValueError)")
    assert kept().failing_since
    assert siem.batches == []


def test_after_failures_an_endpoint_gets_every_entry_in_order(settings: Settings) -> None:
    with receiving() as receiver:
        settings.AUDIT_STREAM = receiver.url
        ids = history(450)
        receiver.behaviours = [accept, die_while_reading, answer_with(503), accept]
        for _ in range(4):
            delivery.deliver()
        assert receiver.ids == ids
        assert kept().error == ""


def test_an_unanswered_batch_is_sent_again(settings: Settings) -> None:
    with receiving() as receiver:
        settings.AUDIT_STREAM = receiver.url
        ids = history(2)
        receiver.behaviours = [die_before_the_answer]
        assert not delivery.deliver()
        assert "ended before its answer" in kept().error
        assert delivery.deliver()
        assert receiver.ids == ids + ids


def test_the_authorization_header_is_sent_and_stored_nowhere(settings: Settings) -> None:
    with receiving() as receiver:
        settings.AUDIT_STREAM = receiver.url
        settings.AUDIT_STREAM_AUTHORIZATION = "Splunk hunter2"
        history(1)
        receiver.behaviours = [answer_with(401)]
        delivery.deliver()
        assert receiver.headers[0]["Authorization"] == "Splunk hunter2"
        assert kept().error == f"{receiver.url}: it answered with status 401."


def test_activity_is_sent_among_the_entries_in_the_order_of_the_chain(siem: Siem) -> None:
    first = history(1)
    by = Actor(7, "anna", source_ip="192.0.2.7", request_id="r1")
    link = activity.record(LinkKind.ROLES_CHANGED, by, person="bob", old=[], new=["auditor"])
    second = history(1, seed=2)
    assert delivery.deliver()
    assert siem.ids == [*first, f"activity-{link.sequence}", *second]
    line = siem.documents[1]
    assert line["event"]["action"] == "roles_changed"
    assert line["event"]["category"] == ["iam"]
    assert line["user"] == {"id": "7", "name": "anna"}
    assert line["source"] == {"ip": "192.0.2.7"}
    assert line["ip_admin"]["activity"]["new"] == ["auditor"]
    assert documents.digest(line["ip_admin"]["activity"]).hex() == line["seal"]["digest"]


def test_a_failed_sign_in_is_a_failure(siem: Siem) -> None:
    activity.record(LinkKind.SIGN_IN_FAILED, Actor(source_ip="192.0.2.7"), name="an\0na")
    delivery.deliver()
    (line,) = siem.documents
    assert (line["event"]["outcome"], line["event"]["category"]) == ("failure", ["authentication"])
    assert line["ip_admin"]["activity"]["name"] == "an\N{REPLACEMENT CHARACTER}na"
