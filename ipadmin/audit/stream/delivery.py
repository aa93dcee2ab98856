"""Deliver finished entries and activity to the target of AUDIT_STREAM, in the order of the hash
chain.

The position after the last delivered entry is in the database, by target. What was not delivered is
sent again: a line can arrive twice (with the same `event.id`), but none is left out. A new target
gets everything there is. Entries that were removed before they were delivered are skipped;
`ipadmin/audit/retention.py` removes none that the present target does not have.

Of several workers one delivers at a time on PostgreSQL. SQLite cannot lock a row, and its only lock
would stop all writers while the target is waited for: there two workers may send the same lines.
"""

from __future__ import annotations

from itertools import groupby

import structlog
from django.conf import settings
from django.db import DatabaseError
from django.utils import timezone

from ipadmin.audit import document, rows
from ipadmin.audit.export import jsonl
from ipadmin.audit.export.export import transaction_on_postgresql
from ipadmin.audit.integrity import status
from ipadmin.audit.stream.targets import NotDelivered, Target, target_from_url
from ipadmin.models import AuditEntry, AuditStream

BATCH_LINKS = 200
LONGEST_ERROR = 300

log = structlog.get_logger(__name__)


def deliver() -> bool:
    """Deliver everything that is new. False when a delivery failed, which is stored and logged.
    Raises django.db.Error."""
    url = settings.AUDIT_STREAM
    target = target_from_url(url, settings.AUDIT_STREAM_AUTHORIZATION)
    AuditStream.objects.get_or_create(target=url)
    try:
        while _deliver_batch(url, target):
            pass
    except NotDelivered as error:
        _store_failure(url, str(error))
        return False
    return True


def _deliver_batch(url: str, target: Target) -> bool:
    """False when nothing is left, or another worker delivers. Raises NotDelivered."""
    with transaction_on_postgresql():
        stream = AuditStream.objects.select_for_update(skip_locked=True).filter(target=url).first()
        links = _next_links(stream.sequence) if stream else []
        if not stream or not links:
            return False
        try:
            lines = _lines(links)
        except DatabaseError:
            raise
        except Exception as error:
            # An entry that was changed in the database, for example. It is not skipped.
            log.exception("stream_stopped", sequence=stream.sequence)
            raise NotDelivered(
                f"A record after link {stream.sequence} cannot be read ({type(error).__name__})."
                " See the log of the worker, and run manage.py verify_audit."
            ) from error
        if lines:
            target.send(lines)
        return _advance(stream, links[-1][0])


def _next_links(sequence: int) -> list[tuple[int, str | None]]:
    """Number and attempt ID of the next links that finish an entry or seal activity."""
    links = status.to_deliver(sequence)[:BATCH_LINKS]
    return [(number, id) for number, id in rows.rows(links, ("sequence", "attempt_id"))]


def _lines(links: list[tuple[int, str | None]]) -> bytes:
    """The lines of the links, in their order, without entries that were removed."""
    ids = [attempt_id for _sequence, attempt_id in links if attempt_id]
    found = AuditEntry.objects.filter(attempt_id__in=ids).order_by()
    entries = {entry["attempt_id"]: entry for some in document.batches(found) for entry in some}
    lines = []
    for is_entry, some in groupby(links, key=lambda link: link[1] is not None):
        numbers, attempt_ids = zip(*some, strict=True)
        if is_entry:
            lines.append(jsonl.lines([entries[each] for each in attempt_ids if each in entries]))
        else:
            lines.append(jsonl.activity_lines(numbers))
    return b"".join(lines)


def _advance(stream: AuditStream, sequence: int) -> bool:
    """Store the position. False when another worker has stored one in the meantime."""
    if stream.failing_since:
        log.info("stream_recovered", failing_since=stream.failing_since.isoformat())
    as_read = AuditStream.objects.filter(pk=stream.pk, sequence=stream.sequence)
    changes = {"taken_at": timezone.now(), "failing_since": None, "error": ""}
    return as_read.update(sequence=sequence, **changes) == 1


def _store_failure(url: str, error: str) -> None:
    streams = AuditStream.objects.filter(target=url)
    if streams.filter(failing_since=None).update(failing_since=timezone.now()):
        log.warning("stream_failed", error=error)
    streams.update(error=error[:LONGEST_ERROR])
