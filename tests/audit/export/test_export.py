"""An export has all matching entries as they were sealed, and is recorded."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from django.db import DatabaseError, connection

from ipadmin.audit import document
from ipadmin.audit import rows as raw_rows
from ipadmin.audit.export.export import EntriesMissing, ExportProgress, Format, export
from ipadmin.audit.integrity import chain
from ipadmin.demo.history import facts
from ipadmin.models import AuditEntry, AuditLink, LinkKind, Outcome
from tests.audit.export.exported import BY, CRITERIA, HOSTILE, activity, exported, json_lines
from tests.history import keep
from tests.tampering import execute

NOW = datetime(2026, 11, 23, 14, 5, tzinfo=UTC)
both = pytest.mark.parametrize("format", Format)
pytestmark = pytest.mark.django_db


def rows() -> list[dict[str, str]]:
    text = exported(Format.CSV).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def neutral(text: str) -> str:
    return text.replace("'", "").replace("\x00", "\ufffd")


# CSV


def test_a_row_of_csv() -> None:
    entry = keep(
        created_at=datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
        source_ip="2001:db8::1",
        http_status=200,
        duration_us=250_000,
        vip=True,
        evidence=[{"found": "allocated"}],
    )
    (row,) = rows()
    assert row["Time (UTC)"] == "2026-01-02T03:04:05.678901Z"
    assert (row["Outcome"], row["Address"], row["Person"]) == ("succeeded", "192.0.2.7", "alice")
    assert (row["From"], row["HTTP status"], row["VIP"]) == ("2001:db8::1", "200", "true")
    assert (row["Duration (µs)"], row["Sent (UTC)"]) == ("250000", "")
    assert (row["Attempt ID"], row["Token ID"]) == (str(entry.attempt_id), str(entry.token_id))
    assert (row["Evidence"], row["Competing attempts"]) == ('[{"found":"allocated"}]', "")


def test_csv_begins_with_a_byte_order_mark() -> None:
    assert exported(Format.CSV).startswith(b"\xef\xbb\xbfTime (UTC),")


def test_lines_of_csv_end_with_crlf() -> None:
    keep()
    data = exported(Format.CSV)
    assert data.count(b"\r\n") == data.count(b"\n") == 2
    assert data.endswith(b"\r\n")


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_are_unchanged_in_csv(text: str) -> None:
    keep(reason=text, allocation_name=text, error_detail={"text": text})
    (row,) = rows()
    assert neutral(row["Reason"]) == neutral(row["Allocation"]) == neutral(text)
    assert not row["Reason"].startswith(("=", "\uff1d"))
    assert neutral(json.loads(row["Error detail"])["text"]) == neutral(text)


# All matching entries


def test_entries_are_exported_newest_first_with_open_ones() -> None:
    keep(reason="done")
    keep(outcome=Outcome.PENDING, reason="open")
    assert [row["Reason"] for row in rows()] == ["open", "done"]
    newest, older, _trailer = json_lines()
    assert newest["seal"] is None
    assert newest["ip_admin"]["outcome"] == "pending"
    assert older["seal"]


@pytest.mark.parametrize("nothing", [AuditEntry.objects.none, AuditEntry.objects.all])
def test_an_export_without_entries(nothing: Callable[[], Any]) -> None:
    progress = ExportProgress()
    (head,) = export(nothing(), Format.CSV, by=BY, criteria={}, progress=progress)
    (trailer,) = export(nothing(), Format.JSON_LINES, by=BY, criteria={})
    assert head.count(b"\n") == trailer.count(b"\n") == 1
    assert (progress.entries, json.loads(trailer)["export"]["entries"]) == (0, 0)


@pytest.mark.parametrize("count", [2, 3, 4, 7])
def test_no_entry_is_lost_between_two_pieces(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw_rows, "ROWS_PER_FETCH", 3)
    AuditEntry.objects.bulk_create(facts(count, now=NOW))
    ids = list(AuditEntry.objects.values_list("attempt_id", flat=True))
    assert [UUID(row["Attempt ID"]) for row in rows()] == ids
    assert [UUID(line["event"]["id"]) for line in json_lines()[:-1]] == ids


@both
def test_memory_does_not_grow_with_the_number_of_entries(format: Format) -> None:
    def peak_of(entries: Any) -> int:
        """The most bytes that are held at once during an export."""
        tracemalloc.start()
        for _piece in export(entries, format, by=BY, criteria={}):
            pass
        _now, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return peak

    AuditEntry.objects.bulk_create(facts(3_000, now=NOW), batch_size=1000)
    newest_first = AuditEntry.objects.order_by("-created_at", "-id")
    few = peak_of(newest_first.filter(id__lte=newest_first.earliest("id").pk + 750))
    assert peak_of(newest_first) < 1.5 * few


def hide(entry: AuditEntry) -> None:
    """Rebuild the indexes of the entries without one entry, as anyone who can write the file can.
    Queries still trust them."""
    execute("PRAGMA writable_schema = ON")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name, sql FROM sqlite_master WHERE tbl_name = 'ipadmin_auditentry'"
            " AND type = 'index' AND name LIKE 'audit_%' AND sql NOT LIKE '%WHERE%'"
        )
        for name, sql in cursor.fetchall():
            cursor.execute(f"DROP INDEX {name}")
            cursor.execute(f"{sql} WHERE id <> {entry.pk}")
            cursor.execute("UPDATE sqlite_master SET sql = %s WHERE name = %s", [sql, name])
        cursor.execute("PRAGMA schema_version")
        (version,) = cursor.fetchone()
        cursor.execute(f"PRAGMA schema_version = {version + 1}")
        cursor.execute("PRAGMA writable_schema = OFF")


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL has no writable schema")
@pytest.mark.parametrize("filters", [{}, {"environment": "sandbox"}])
@both
def test_an_entry_that_an_index_hides_makes_the_export_incomplete(
    format: Format, filters: dict[str, str]
) -> None:
    _first, hidden, _last = keep(), keep(), keep()
    hide(hidden)
    newest_first = AuditEntry.objects.filter(**filters).order_by("-created_at", "-id")
    progress = ExportProgress()
    with pytest.raises(EntriesMissing, match="it has 2 finished entries, but 3 match"):
        list(export(newest_first, format, by=BY, criteria={}, progress=progress))
    assert progress.entries == 2
    assert activity()[-1][1]["complete"] is False


# The record of an export


@both
def test_start_and_end_are_sealed(format: Format) -> None:
    keep()
    progress = ExportProgress()
    data = exported(format, progress=progress)
    [(first, started), (last, finished)] = activity()
    assert (first, last) == (LinkKind.EXPORT_STARTED, LinkKind.EXPORT_FINISHED)
    assert started == {"by": BY.details(), "criteria": CRITERIA, "format": format.value}
    assert finished["started"] == AuditLink.objects.get(kind=first).sequence
    assert (finished["complete"], finished["entries"]) == (True, 1)
    assert finished["sha256"] == hashlib.sha256(data[: progress.size]).hexdigest()


@both
def test_nothing_is_exported_when_the_start_cannot_be_sealed(
    monkeypatch: pytest.MonkeyPatch, format: Format
) -> None:
    monkeypatch.setattr(chain, "add_activity", broken)
    with pytest.raises(DatabaseError):
        export(AuditEntry.objects.all(), format, by=BY, criteria={})


def broken(*_arguments: Any) -> None:
    raise DatabaseError("The disk is full.")


def test_the_start_is_sealed_before_the_first_byte() -> None:
    export(AuditEntry.objects.all(), Format.CSV, by=BY, criteria={})
    assert [kind for kind, _details in activity()] == [LinkKind.EXPORT_STARTED]


@both
def test_a_cancelled_export_is_recorded_with_what_was_taken(
    format: Format, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(raw_rows, "ROWS_PER_FETCH", 3)
    AuditEntry.objects.bulk_create(facts(10, now=NOW))
    pieces = export(AuditEntry.objects.all(), format, by=BY, criteria={})
    taken = next(pieces) + next(pieces)
    pieces.close()
    (_kind, end) = activity()[-1]
    assert end["complete"] is False
    assert end["entries"] == {Format.CSV: 3, Format.JSON_LINES: 6}[format]
    assert end["sha256"] == hashlib.sha256(taken).hexdigest()


@both
def test_an_error_while_reading_is_raised_and_recorded(
    monkeypatch: pytest.MonkeyPatch, format: Format
) -> None:
    monkeypatch.setattr(document, "batches", broken)
    with pytest.raises(DatabaseError):
        exported(format)
    assert activity()[-1][1]["complete"] is False


def test_an_error_is_raised_even_if_the_end_cannot_be_sealed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keep()
    pieces = export(AuditEntry.objects.all(), Format.CSV, by=BY, criteria={})
    next(pieces)
    monkeypatch.setattr(chain, "add_activity", broken)
    with pytest.raises(KeyboardInterrupt):
        pieces.throw(KeyboardInterrupt())


def test_an_export_whose_end_cannot_be_sealed_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    pieces = export(AuditEntry.objects.all(), Format.CSV, by=BY, criteria={})
    monkeypatch.setattr(chain, "add_activity", broken)
    with pytest.raises(DatabaseError):
        list(pieces)
