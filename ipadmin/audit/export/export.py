"""Export entries, all of them, in constant memory, and seal into the chain that it was done.

The beginning is sealed before the first byte, so that nothing leaves without a trace; the end
behind the last one, or where the export broke off.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import structlog
from django.db import DatabaseError, connection, transaction
from django.db.models import QuerySet

from ipadmin.audit import document
from ipadmin.audit import rows as raw_rows
from ipadmin.audit.activity import Actor
from ipadmin.audit.export import csv, jsonl
from ipadmin.audit.integrity import chain
from ipadmin.models import AuditEntry, AuditLink, LinkKind

# Of the JSON lines sent at once: some 64 KB.
LINES = 32

log = structlog.get_logger(__name__)


class Format(StrEnum):
    CSV = "csv"
    JSON_LINES = "jsonl"

    @property
    def content_type(self) -> str:
        is_csv = self is Format.CSV
        return "text/csv; charset=utf-8; header=present" if is_csv else "application/x-ndjson"


@dataclass
class Progress:
    """How far an export has come: what was handed over, and may have arrived."""

    entries: int = 0
    size: int = 0  # bytes
    digest: Any = field(default_factory=hashlib.sha256)

    def __str__(self) -> str:
        return f"{self.entries:,} entries, {self.size:,} bytes"

    def add(self, entries: int, piece: bytes) -> None:
        self.entries += entries
        self.size += len(piece)
        self.digest.update(piece)


def export(
    entries: QuerySet[AuditEntry],
    format: Format,
    *,
    by: Actor,
    criteria: dict[str, Any],
    progress: Progress | None = None,
) -> Generator[bytes]:
    """The file in pieces of some 64 KB. `criteria`, of JSON types without floats, is what
    was asked for.

    Not within a transaction. Raises django.db.Error, now if the beginning cannot be sealed, and
    then nothing is exported. Whoever gives up closes what is returned.
    """
    trace: dict[str, Any] = {"by": by.details(), "criteria": criteria, "format": str(format)}
    started = _seal(LinkKind.EXPORT_STARTED, trace)
    trace["started"] = started.sequence
    return _stream(entries, format, trace, progress or Progress())


def _stream(
    entries: QuerySet[AuditEntry], format: Format, trace: dict[str, Any], progress: Progress
) -> Generator[bytes]:
    try:
        with closing(_read(entries, format)) as pieces:
            for count, piece in pieces:
                progress.add(count, piece)
                yield piece
    except BaseException:
        # Whoever took it went away, or the reading failed: which one says the exception.
        try:
            _seal_end(trace, progress, is_complete=False)
        except DatabaseError:
            log.exception("end_of_export_not_sealed", started=trace["started"])
        raise
    seal = _seal_end(trace, progress, is_complete=True)
    if format is Format.JSON_LINES:
        last = {"export": seal.details, "seal": jsonl.seal_of_act(seal)}
        yield f"{document.canonical(last)}\n".encode()


def _read(entries: QuerySet[AuditEntry], format: Format) -> Generator[tuple[int, bytes]]:
    """Pieces with the number of entries in each. Entries are as they were when it began: one
    statement reads them all."""
    with _where_a_cursor_streams():
        yield from csv.pieces(entries) if format is Format.CSV else _lines(entries)


def _where_a_cursor_streams() -> AbstractContextManager[Any]:
    """PostgreSQL streams within a transaction only; on SQLite one would keep every writer waiting
    for as long as the download takes."""
    return transaction.atomic() if connection.vendor == "postgresql" else nullcontext()


def _lines(entries: QuerySet[AuditEntry]) -> Iterator[tuple[int, bytes]]:
    names = document.fields()
    attempt, finished = names.index("attempt_id"), names.index("finished_at")
    for rows in raw_rows.chunks(entries, names):
        # One that was open when the statement began is given no seal, even if it has one by now.
        found = jsonl.seals_of([row[attempt] for row in rows if row[finished]])
        for start in range(0, len(rows), LINES):
            some = rows[start : start + LINES]
            text = [
                jsonl.line(dict(zip(names, row, strict=True)), found.get(row[attempt]))
                for row in some
            ]
            yield len(some), ("\n".join(text) + "\n").encode()


def _seal_end(trace: dict[str, Any], progress: Progress, *, is_complete: bool) -> AuditLink:
    end = {
        "complete": is_complete,
        "entries": progress.entries,
        "sha256": progress.digest.hexdigest(),
    }
    return _seal(LinkKind.EXPORT_FINISHED, trace | end)


def _seal(kind: LinkKind, details: dict[str, Any]) -> AuditLink:
    with transaction.atomic(durable=True):
        return chain.add_activity(kind, details)
