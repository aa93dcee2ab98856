"""Export all entries of a search, in constant memory, and record the export in the hash chain.

The start is sealed before the first byte, so that no export goes unrecorded; the end is sealed
after the last byte, or where the export stopped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, field
from enum import StrEnum

import structlog
from django.db import DatabaseError, connection, transaction
from django.db.models import Exists, OuterRef, QuerySet

from ipadmin.audit import document, rows
from ipadmin.audit.activity import Actor
from ipadmin.audit.document import RawEntry
from ipadmin.audit.export import csv, jsonl
from ipadmin.audit.integrity import chain
from ipadmin.models import AuditEntry, AuditLink, LinkKind

# Part of a file, with its entries.
Piece = tuple[Sequence[RawEntry], bytes]

log = structlog.get_logger(__name__)


class Format(StrEnum):
    CSV = "csv"
    JSON_LINES = "jsonl"


class EntriesMissing(DatabaseError):
    """The query of an export did not return all finished entries that match it."""


@dataclass
class ExportProgress:
    """What an export has handed over so far: entries, those of them that are finished, bytes."""

    entries: int = 0
    finished: int = 0
    size: int = 0
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)

    def __str__(self) -> str:
        return f"{self.entries:,} entries, {self.size:,} bytes"

    def add(self, entries: Sequence[RawEntry], piece: bytes) -> None:
        self.entries += len(entries)
        self.finished += sum(entry["finished_at"] is not None for entry in entries)
        self.size += len(piece)
        self.digest.update(piece)


def export(
    entries: QuerySet[AuditEntry],
    format: Format,
    *,
    by: Actor,
    criteria: dict[str, list[str]],
    progress: ExportProgress | None = None,
    layout: csv.Layout | None = None,
) -> Generator[bytes]:
    """The file in pieces of some hundred entries. `entries` must not be sliced. `criteria` says
    which entries; `layout` is that of CSV, all columns in UTC unless given.

    Must not run within a transaction. Raises django.db.Error at once when the start cannot be
    sealed; nothing is exported then. Raises EntriesMissing after the last entry when an entry is
    hidden from the query. A caller that stops early closes the generator.
    """
    details = {"by": by.details(), "criteria": criteria, "format": str(format)}
    is_csv, layout = format is Format.CSV, layout or csv.Layout()
    started = _seal(LinkKind.EXPORT_STARTED, {**details, **(layout.details() if is_csv else {})})
    pieces = _pieces(entries, layout if is_csv else None)
    return _stream(entries, pieces, started, progress or ExportProgress(), is_csv=is_csv)


def _stream(
    entries: QuerySet[AuditEntry],
    found: Generator[Piece],
    started: AuditLink,
    progress: ExportProgress,
    *,
    is_csv: bool,
) -> Generator[bytes]:
    try:
        with closing(found) as pieces:
            for batch, piece in pieces:
                progress.add(batch, piece)
                yield piece
        _refuse_missing(entries, started, progress)
    except BaseException:
        # The reader stopped, or reading failed: the exception says which.
        try:
            _seal_end(started, progress, is_complete=False)
        except DatabaseError:
            log.exception("end_of_export_not_sealed", started=started.sequence)
        raise
    link = _seal_end(started, progress, is_complete=True)
    if not is_csv:
        yield jsonl.last_line(link)


def _pieces(entries: QuerySet[AuditEntry], layout: csv.Layout | None) -> Generator[Piece]:
    """Pieces of the file, as CSV with a layout. One statement reads all entries, as they are when
    the export begins."""
    names = None
    if layout:
        yield [], layout.header()
        names = [*dict.fromkeys([*layout.columns, "finished_at"])]
    to_lines = layout.lines if layout else jsonl.lines
    with transaction_on_postgresql():
        for batch in document.batches(entries, names):
            yield batch, to_lines(batch)


def transaction_on_postgresql() -> AbstractContextManager[object]:
    """PostgreSQL streams rows, and locks them, only within a transaction. On SQLite a transaction
    would block all writers for as long as a download or a delivery takes."""
    return transaction.atomic() if connection.vendor == "postgresql" else nullcontext()


def _refuse_missing(
    entries: QuerySet[AuditEntry], started: AuditLink, progress: ExportProgress
) -> None:
    """Compare the number of exported entries with those that the chain had finished when the
    export started. The file may also have entries that were finished just after that."""
    links = AuditLink.objects.filter(
        attempt_id=OuterRef("attempt_id"), kind=LinkKind.FINISHED, sequence__lt=started.sequence
    )
    expected = rows.count_without_indexes(entries.filter(Exists(links)))
    if progress.finished < expected:
        log.error("export_incomplete", exported=progress.finished, expected=expected)
        raise EntriesMissing(
            f"The export is incomplete: it has {progress.finished:,} finished entries, but"
            f" {expected:,} match. An index of the database is damaged or was changed. Run"
            " `manage.py verify_audit`, rebuild the indexes, and export again."
        )


def _seal_end(started: AuditLink, progress: ExportProgress, *, is_complete: bool) -> AuditLink:
    end = {
        "started": started.sequence,
        "complete": is_complete,
        "entries": progress.entries,
        "sha256": progress.digest.hexdigest(),
    }
    return _seal(LinkKind.EXPORT_FINISHED, {**(started.details or {}), **end})


def _seal(kind: LinkKind, details: dict[str, object]) -> AuditLink:
    with transaction.atomic(durable=True):
        return chain.add_activity(kind, details)
