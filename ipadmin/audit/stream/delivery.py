"""Send finished entries on as they come, to the target of AUDIT_STREAM.

They go in the order of their seals, and how far the target took them is kept in the database: what
it did not take is sent again, from there on. A line may so arrive twice (its `event.id` tells), but
none is missing. A new target gets everything that is kept. Entries pruned before they were sent are
passed over; `services/proving/pruning.py` prunes none that the present target has not taken.

Two workers: on PostgreSQL the second waits for its next round while the first is sending. SQLite
has no lock but the one every writer needs, which nobody may hold while a network is waited for; so
there both may send the same lines.
"""

from __future__ import annotations

import errno
import json
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import structlog
from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from ipadmin.audit import document as documents
from ipadmin.audit import rows
from ipadmin.audit.export import jsonl
from ipadmin.audit.stream.targets import NotTaken, Target, target_from_url
from ipadmin.models import AuditEntry, AuditLink, AuditStream, LinkKind

BATCH = 200
# Seconds until a target that took nothing is tried again: twice as long each time.
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
LONGEST_ERROR = 300
# What is left of a line that no datagram holds: some KB at most.
KEPT_OF_LONG = ("@timestamp", "ecs", "event", "organization", "related", "seal", "source", "user")
TOO_LONG = "Too long for one datagram, and shortened. An export has all of it."
UNSENDABLE = (
    "What stands behind link {} cannot be sent ({}). The log says more; manage.py verify_audit may"
    " say where."
)

log = structlog.get_logger(__name__)

# Target to how long it is left alone after it failed, and until when (monotonic). Only this
# process's patience: the next one tries at once.
_resting: dict[str, tuple[float, float]] = {}


def send_some(seconds: float = 2.0) -> int:
    """Send what there is, for about so long; returns how many entries were taken.

    A target that does not answer takes its own time in addition, 15 seconds as a rule. Raises
    django.db.Error.
    """
    name = settings.AUDIT_STREAM
    if not name or time.monotonic() < _resting.get(name, (0.0, 0.0))[1]:
        return 0
    target = target_from_url(name)
    AuditStream.objects.get_or_create(target=name)
    deadline, taken = time.monotonic() + seconds, 0
    while (count := _send_batch(name, target)) is not None:
        taken += count
        if time.monotonic() > deadline:
            break
    return taken


def _send_batch(name: str, target: Target) -> int | None:
    """How many entries were taken; None when nothing is left, or nothing can be done now."""
    with _alone():
        stream = AuditStream.objects.select_for_update(skip_locked=True).filter(target=name).first()
        if stream is None:
            return None
        try:
            last, some = _next(stream.sequence)
            _send(target, some)
        except NotTaken as error:
            _failed(stream, str(error))
            return None
        except DatabaseError:
            raise
        except Exception as error:
            # What somebody wrote past this product, say. Nothing is passed over for it.
            log.exception("stream_stopped", sequence=stream.sequence)
            _failed(stream, UNSENDABLE.format(stream.sequence, type(error).__name__))
            return None
        if last == stream.sequence:
            return None
        return len(some) if _taken(stream, last, len(some)) else None


def _alone() -> AbstractContextManager[Any]:
    """Holds the stream's row, where a row can be held."""
    return transaction.atomic() if connection.features.has_select_for_update else nullcontext()


def _next(sequence: int) -> tuple[int, list[str]]:
    """The number of the next batch's last seal, and the lines of its entries."""
    ahead = AuditLink.objects.filter(sequence__gt=sequence, kind=LinkKind.FINISHED)
    found = list(rows.rows(ahead.order_by("sequence")[:BATCH], ("sequence", "attempt_id")))
    if not found:
        return sequence, []
    return found[-1][0], list(_lines([attempt_id for _sequence, attempt_id in found]))


def _lines(attempt_ids: list[str]) -> Iterator[str]:
    """Of those entries that are still there, in the given order."""
    found = AuditEntry.objects.filter(attempt_id__in=attempt_ids).order_by()
    entries = {entry["attempt_id"]: entry for entry in rows.dicts(found, documents.fields())}
    seals = jsonl.seals_of(attempt_ids)
    for attempt_id in attempt_ids:
        if entry := entries.get(attempt_id):
            yield jsonl.line(entry, seals[attempt_id])


def _send(target: Target, some: list[str]) -> None:
    """All lines, or NotTaken. One that is too long for a datagram must not hold up the rest for
    ever: it goes shortened, and the batch again from its beginning."""
    sent = not some
    while not sent:
        try:
            target.send(some)
            sent = True
        except NotTaken as error:
            if not _is_too_long(error) or not _shorten_the_longest(some):
                raise


def _is_too_long(error: NotTaken) -> bool:
    return isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.EMSGSIZE


def _shorten_the_longest(some: list[str]) -> bool:
    """False when that one was shortened before. What a seal was made over is no longer in it."""
    index, line = max(enumerate(some), key=lambda numbered: len(numbered[1].encode()))
    document = json.loads(line)
    if document.get("message") == TOO_LONG:
        return False
    kept = {name: document[name] for name in KEPT_OF_LONG}
    some[index] = documents.canonical({**kept, "message": TOO_LONG})
    log.warning("stream_line_shortened", attempt=document["event"]["id"])
    return True


def _taken(stream: AuditStream, last: int, count: int) -> bool:
    """False when another worker has moved on meanwhile."""
    _resting.pop(stream.target, None)
    changes: dict[str, Any] = {"sequence": last}
    if count:
        changes |= {"taken_at": timezone.now(), "failing_since": None, "error": ""}
    if count and stream.failing_since:
        log.info("stream_goes_on", failing_since=stream.failing_since.isoformat())
    as_read = AuditStream.objects.filter(pk=stream.pk, sequence=stream.sequence)
    return as_read.update(**changes) == 1


def _failed(stream: AuditStream, error: str) -> None:
    before, _until = _resting.get(stream.target, (0.0, 0.0))
    wait = min(LONGEST_WAIT, max(FIRST_WAIT, 2 * before))
    _resting[stream.target] = wait, time.monotonic() + wait
    if not stream.failing_since:
        log.warning("stream_fails", error=error)
    AuditStream.objects.filter(pk=stream.pk).update(
        failing_since=stream.failing_since or timezone.now(), error=error[:LONGEST_ERROR]
    )
