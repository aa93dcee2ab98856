"""Deliver finished entries to the target of AUDIT_STREAM, in the order of the hash chain.

The position after the last delivered entry is in the database, by target. What was not delivered is
sent again: a line can arrive twice (with the same `event.id`), but none is left out. A new target
gets all existing entries. Entries that were removed before they were delivered are skipped;
`ipadmin/audit/retention.py` removes none that the present target does not have.

Of several workers one delivers at a time on PostgreSQL. SQLite cannot lock a row, and its only lock
would stop all writers while the target is waited for: there two workers may send the same lines.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import structlog
from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from ipadmin.audit import document as documents
from ipadmin.audit import rows
from ipadmin.audit.export import jsonl
from ipadmin.audit.stream.targets import NotDelivered, Target, target_from_url
from ipadmin.models import AuditEntry, AuditLink, AuditStream, LinkKind

BATCH_ENTRIES = 200
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 60.0
LONGEST_ERROR = 300
UNREADABLE = (
    "An entry after link {} cannot be read ({}). See the log of the worker, and run manage.py"
    " verify_audit."
)

log = structlog.get_logger(__name__)


@dataclass
class Backoff:
    """The pause of this process after a failed delivery: 1 s, then twice as long each time."""

    seconds: float = 0.0
    ends_at: float = 0.0  # on the monotonic clock

    def extend(self) -> None:
        self.seconds = min(LONGEST_PAUSE_SECONDS, max(FIRST_PAUSE_SECONDS, 2 * self.seconds))
        self.ends_at = time.monotonic() + self.seconds

    def end(self) -> None:
        self.seconds = self.ends_at = 0.0


backoff = Backoff()


def deliver(seconds: float = 2.0) -> int:
    """Deliver what there is, for about `seconds`; the number of entries. Raises django.db.Error.

    Waiting for a slow target takes additional time.
    """
    url = settings.AUDIT_STREAM
    if not url or time.monotonic() < backoff.ends_at:
        return 0
    target = target_from_url(url, settings.AUDIT_STREAM_AUTHORIZATION)
    AuditStream.objects.get_or_create(target=url)
    ends_at, delivered = time.monotonic() + seconds, 0
    while (count := _deliver_batch(url, target)) is not None:
        delivered += count
        if time.monotonic() > ends_at:
            break
    return delivered


def _deliver_batch(url: str, target: Target) -> int | None:
    """The number of entries; None when nothing is left, or nothing can be done now."""
    with _row_locks():
        stream = AuditStream.objects.select_for_update(skip_locked=True).filter(target=url).first()
        if stream is None:
            return None
        try:
            last, lines = _next(stream.sequence)
            if lines:
                target.send(lines)
        except NotDelivered as error:
            _failed(stream, str(error))
            return None
        except DatabaseError:
            raise
        except Exception as error:
            # An entry that was changed in the database, for example. It is not skipped.
            log.exception("stream_stopped", sequence=stream.sequence)
            _failed(stream, UNREADABLE.format(stream.sequence, type(error).__name__))
            return None
        if last == stream.sequence:
            return None
        return len(lines) if _advance(stream, last) else None


def _row_locks() -> AbstractContextManager[object]:
    return transaction.atomic() if connection.vendor == "postgresql" else nullcontext()


def _next(sequence: int) -> tuple[int, list[str]]:
    """The number of the last link of the next batch, and the lines of its entries."""
    ahead = AuditLink.objects.filter(sequence__gt=sequence, kind=LinkKind.FINISHED)
    links = ahead.order_by("sequence")[:BATCH_ENTRIES]
    found = list(rows.rows(links, ("sequence", "attempt_id")))
    if not found:
        return sequence, []
    return found[-1][0], list(_lines([attempt_id for _sequence, attempt_id in found]))


def _lines(attempt_ids: list[str]) -> Iterator[str]:
    """The lines of those entries that still exist, in the given order."""
    found = AuditEntry.objects.filter(attempt_id__in=attempt_ids).order_by()
    entries = {entry["attempt_id"]: entry for some in documents.batches(found) for entry in some}
    seals = jsonl.seals_of(attempt_ids)
    for attempt_id in attempt_ids:
        if entry := entries.get(attempt_id):
            yield jsonl.line(entry, seals[attempt_id])


def _advance(stream: AuditStream, last: int) -> bool:
    """Store the position. False when another worker has stored one in the meantime."""
    backoff.end()
    if stream.failing_since:
        log.info("stream_recovered", failing_since=stream.failing_since.isoformat())
    as_read = AuditStream.objects.filter(pk=stream.pk, sequence=stream.sequence)
    changes = {"taken_at": timezone.now(), "failing_since": None, "error": ""}
    return as_read.update(sequence=last, **changes) == 1


def _failed(stream: AuditStream, error: str) -> None:
    backoff.extend()
    if not stream.failing_since:
        log.warning("stream_failed", error=error)
    AuditStream.objects.filter(pk=stream.pk).update(
        failing_since=stream.failing_since or timezone.now(), error=error[:LONGEST_ERROR]
    )
