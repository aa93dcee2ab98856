"""An export has everything that was asked for, as it was sealed, and leaves a trace."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from django.db import DatabaseError, connection
from django.utils import timezone

from ipadmin import crypto
from ipadmin.audit import document, entries
from ipadmin.audit import rows as raw_rows
from ipadmin.audit.activity import Actor
from ipadmin.audit.export import csv as csv_export
from ipadmin.audit.export.export import Format, Progress, export
from ipadmin.audit.integrity import chain
from ipadmin.demo.history import facts
from ipadmin.models import AuditEntry, AuditLink, LinkKind, Outcome
from tests.history import keep

NOW = datetime(2026, 11, 23, 14, 5, tzinfo=UTC)
BY = Actor(command_line="tests")
CRITERIA = {"person": ["alice"]}
HOSTILE = [
    *("=1+1", "\uff1d1", "a;=1", 'quote " and, comma', "two\nlines\r\nor three", "Zürich 日本 🦊"),
    *("<script>alert('x')</script>", "{{ 7 * 7 }}", "\u202egnp.exe", "\u2028\u2029", "'", "\\"),
]
both = pytest.mark.parametrize("format", Format)
pytestmark = pytest.mark.django_db


def exported(format: Format, **more: Any) -> bytes:
    newest_first = AuditEntry.objects.order_by("-created_at", "-id")
    return b"".join(export(newest_first, format, by=BY, criteria=CRITERIA, **more))


def rows() -> list[dict[str, str]]:
    text = exported(Format.CSV).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def json_lines() -> list[dict[str, Any]]:
    # Only a new line ends a line: others stand in texts.
    return [json.loads(line) for line in exported(Format.JSON_LINES).decode().split("\n")[:-1]]


def plain_values(entry: AuditEntry) -> dict[str, Any]:
    names = document.fields()
    (row,) = raw_rows.rows(AuditEntry.objects.filter(pk=entry.pk), names)
    return dict(zip(names, row, strict=True))


def acts() -> list[tuple[str, dict[str, Any]]]:
    found = AuditLink.objects.filter(attempt_id=None)
    return [(seal.kind, seal.details or {}) for seal in found]


def neutral(text: str) -> str:
    return text.replace("'", "").replace("\x00", "\ufffd")


# CSV


def test_csv_has_every_field() -> None:
    assert sorted(csv_export.COLUMNS) == sorted(document.fields())


def test_what_a_row_says() -> None:
    entry = keep(
        created_at=datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
        source_ip="2001:db8::1",
        http_status=200,
        duration=0.25,
        vip=True,
        evidence=[{"found": "allocated"}],
    )
    (row,) = rows()
    assert row["Time (UTC)"] == "2026-01-02T03:04:05.678Z"
    assert (row["Outcome"], row["Address"], row["Person"]) == ("succeeded", "192.0.2.7", "alice")
    assert (row["From"], row["HTTP status"], row["VIP"]) == ("2001:db8::1", "200", "true")
    assert (row["Seconds of the call"], row["Sent (UTC)"]) == ("0.25", "")
    assert (row["Attempt id"], row["Token id"]) == (str(entry.attempt_id), str(entry.token_id))
    assert (row["Evidence"], row["Rival attempts"]) == ('[{"found":"allocated"}]', "")


def test_excel_is_told_that_it_is_utf_8() -> None:
    assert exported(Format.CSV).startswith(b"\xef\xbb\xbfTime (UTC),")


def test_lines_of_csv_end_as_rfc_4180_says() -> None:
    keep()
    data = exported(Format.CSV)
    assert data.count(b"\r\n") == data.count(b"\n") == 2
    assert data.endswith(b"\r\n")


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_come_back_from_csv(text: str) -> None:
    keep(reason=text, allocation_name=text, error_detail={"text": text})
    (row,) = rows()
    assert neutral(row["Reason"]) == neutral(row["Was allocated to"]) == neutral(text)
    assert not row["Reason"].startswith(("=", "\uff1d"))
    assert neutral(json.loads(row["Error detail"])["text"]) == neutral(text)


# JSON lines


@pytest.mark.parametrize("text", HOSTILE)
def test_a_line_is_the_record_and_its_seal(text: str) -> None:
    entry = keep(reason=text, error_detail={"text": text})
    line, _trailer = json_lines()
    seal = line.pop("seal")
    assert line == document.record(plain_values(entry))
    assert seal["digest"] == document.digest(line).hex()
    assert seal["kind"] == "finished"


def test_each_seal_is_proven_by_its_line_and_the_key() -> None:
    keep()
    keep()
    for line in json_lines():
        seal = line["seal"]
        mac = chain.compute_seal(
            crypto.audit_keys()[seal["key_id"]],
            sequence=seal["sequence"],
            kind=seal["kind"],
            attempt_id=line["event"]["id"] if "event" in line else None,
            at=seal["at"],
            digest=bytes.fromhex(seal["digest"]),
            key_id=seal["key_id"],
            previous=bytes.fromhex(seal["previous"]),
        )
        assert mac.hex() == seal["mac"]


def test_the_last_line_says_what_the_whole_is() -> None:
    keep()
    data = exported(Format.JSON_LINES)
    before, trailer = data[:-1].rsplit(b"\n", 1)
    last = json.loads(trailer)
    assert last["export"]["entries"] == 1
    assert last["export"]["sha256"] == hashlib.sha256(before + b"\n").hexdigest()
    assert (last["export"]["by"], last["export"]["criteria"]) == (BY.details(), CRITERIA)
    assert last["seal"]["digest"] == document.digest(last["export"]).hex()


def test_lines_are_the_same_bytes_each_time() -> None:
    keep()
    one, other = exported(Format.JSON_LINES), exported(Format.JSON_LINES)
    assert one.splitlines()[0] == other.splitlines()[0]


# All of it


def test_newest_first_and_open_ones_too() -> None:
    keep(reason="done")
    keep(outcome=Outcome.PENDING, reason="open")
    assert [row["Reason"] for row in rows()] == ["open", "done"]
    newest, older, _trailer = json_lines()
    assert newest["seal"] is None
    assert newest["ip_admin"]["outcome"] == "pending"
    assert older["seal"]


@pytest.mark.parametrize("nothing", [AuditEntry.objects.none, AuditEntry.objects.all])
def test_nothing_found(nothing: Callable[[], Any]) -> None:
    progress = Progress()
    (head,) = export(nothing(), Format.CSV, by=BY, criteria={}, progress=progress)
    (trailer,) = export(nothing(), Format.JSON_LINES, by=BY, criteria={})
    assert head.count(b"\n") == trailer.count(b"\n") == 1
    assert (progress.entries, json.loads(trailer)["export"]["entries"]) == (0, 0)


@pytest.mark.parametrize("count", [1, 31, 32, 33, 127, 128, 129, 1001])
def test_none_is_lost_between_two_pieces(count: int) -> None:
    AuditEntry.objects.bulk_create(facts(count, now=NOW))
    ids = list(AuditEntry.objects.values_list("attempt_id", flat=True))
    assert [UUID(row["Attempt id"]) for row in rows()] == ids
    assert [UUID(line["event"]["id"]) for line in json_lines()[:-1]] == ids


@both
def test_ten_thousand_take_no_more_memory_than_two(format: Format) -> None:
    def most(count: int) -> int:
        """Bytes held at once, at most, while they pass."""
        some = AuditEntry.objects.order_by("-created_at", "-id")[:count]
        progress = Progress()
        tracemalloc.start()
        for _piece in export(some, format, by=BY, criteria={}, progress=progress):
            pass
        _now, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert progress.entries == count
        return peak

    AuditEntry.objects.bulk_create(facts(10_000, now=NOW), batch_size=1000)
    few = most(2000)
    assert most(10_000) < 1.5 * few


# The trace


@both
def test_beginning_and_end_are_sealed(format: Format) -> None:
    keep()
    progress = Progress()
    data = exported(format, progress=progress)
    [(first, started), (last, finished)] = acts()
    assert (first, last) == (LinkKind.EXPORT_STARTED, LinkKind.EXPORT_FINISHED)
    assert started == {"by": BY.details(), "criteria": CRITERIA, "format": format.value}
    assert finished["started"] == AuditLink.objects.get(kind=first).sequence
    assert (finished["complete"], finished["entries"]) == (True, 1)
    assert finished["sha256"] == hashlib.sha256(data[: progress.size]).hexdigest()


@both
def test_no_trace_no_export(monkeypatch: pytest.MonkeyPatch, format: Format) -> None:
    monkeypatch.setattr(chain, "add_activity", broken)
    with pytest.raises(DatabaseError):
        export(AuditEntry.objects.all(), format, by=BY, criteria={})


def broken(*_arguments: Any) -> None:
    raise DatabaseError("The disk is full.")


def test_the_beginning_is_sealed_before_the_first_byte_is_asked_for() -> None:
    export(AuditEntry.objects.all(), Format.CSV, by=BY, criteria={})
    assert [kind for kind, _details in acts()] == [LinkKind.EXPORT_STARTED]


@both
def test_one_that_is_broken_off_says_how_far_it_got(format: Format) -> None:
    AuditEntry.objects.bulk_create(facts(300, now=NOW))
    pieces = export(AuditEntry.objects.all(), format, by=BY, criteria={})
    taken = next(pieces) + next(pieces)
    pieces.close()
    (_kind, end) = acts()[-1]
    assert end["complete"] is False
    assert end["entries"] == {Format.CSV: csv_export.ROWS, Format.JSON_LINES: 64}[format]
    assert end["sha256"] == hashlib.sha256(taken).hexdigest()


@both
def test_what_breaks_while_it_is_read_is_raised_and_sealed(
    monkeypatch: pytest.MonkeyPatch, format: Format
) -> None:
    def broken_rows(*_arguments: Any) -> Any:
        yield 0, b"head"
        raise DatabaseError("The connection was lost.")

    monkeypatch.setattr(csv_export, "pieces", broken_rows)
    monkeypatch.setattr(raw_rows, "chunks", broken)
    with pytest.raises(DatabaseError):
        exported(format)
    assert acts()[-1][1]["complete"] is False


def test_what_broke_is_told_even_if_it_cannot_be_sealed(monkeypatch: pytest.MonkeyPatch) -> None:
    keep()
    pieces = export(AuditEntry.objects.all(), Format.CSV, by=BY, criteria={})
    next(pieces)
    monkeypatch.setattr(chain, "add_activity", broken)
    with pytest.raises(KeyboardInterrupt):
        pieces.throw(KeyboardInterrupt())


def test_one_whose_end_cannot_be_sealed_does_not_end_well(monkeypatch: pytest.MonkeyPatch) -> None:
    pieces = export(AuditEntry.objects.all(), Format.CSV, by=BY, criteria={})
    monkeypatch.setattr(chain, "add_activity", broken)
    with pytest.raises(DatabaseError):
        list(pieces)


# While others write


def elsewhere(act: Callable[[], Any]) -> None:
    """By somebody else, with a connection of their own."""

    def alone() -> None:
        try:
            act()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(alone).result()


@pytest.mark.django_db(transaction=True)
@both
def test_nobody_waits_for_a_download(format: Format) -> None:
    AuditEntry.objects.bulk_create(facts(300, now=NOW))
    pieces = export(AuditEntry.objects.order_by("id"), format, by=BY, criteria={})
    # Of CSV the first is but the head.
    taken = [next(pieces), next(pieces)]
    elsewhere(lambda: keep(reason="meanwhile"))
    assert b"meanwhile" not in b"".join([*taken, *pieces])
    assert acts()[-1][1]["entries"] == 300
    assert not connection.in_atomic_block


@pytest.mark.django_db(transaction=True)
def test_one_that_is_finished_meanwhile_is_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """Open, and so without the seal that it has by then."""
    monkeypatch.setattr(raw_rows, "CHUNK", 1)
    older, _newer = keep(outcome=Outcome.PENDING), keep()
    newest_first = AuditEntry.objects.order_by("-created_at", "-id")
    pieces = export(newest_first, Format.JSON_LINES, by=BY, criteria={})
    next(pieces)
    done = {"outcome": Outcome.SUCCEEDED, "finished_at": timezone.now()}
    elsewhere(lambda: entries.update(older, done))
    line = json.loads(next(pieces))
    assert (line["seal"], line["ip_admin"]["outcome"]) == (None, "pending")
    pieces.close()


@pytest.mark.django_db(transaction=True)
@both
def test_one_that_is_broken_off_leaves_no_transaction(format: Format) -> None:
    AuditEntry.objects.bulk_create(facts(300, now=NOW))
    pieces = export(AuditEntry.objects.all(), format, by=BY, criteria={})
    assert next(pieces) + next(pieces)
    pieces.close()
    assert not connection.in_atomic_block
    elsewhere(keep)
