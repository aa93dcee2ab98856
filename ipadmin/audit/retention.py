"""Retention: exports finished entries created before a time, deletes them, and seals the deletion.

All of them are exported to one file, which is read back: each entry in it must be as it was sealed.
Then entries are deleted, the oldest first, in parts of some thousands. Each part is a transaction
that updates the counters, deletes the entries and seals a link. So no attempt waits longer than one
part takes, and a process that is killed leaves a history that still verifies: the oldest parts are
gone, the others are there, and the file contains all of them.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Max, Min, Q, QuerySet
from django.utils import timezone

from ipadmin.audit import counters
from ipadmin.audit import document as documents
from ipadmin.audit import rows as raw_rows
from ipadmin.audit.activity import Actor
from ipadmin.audit.export.export import ExportProgress, Format, export
from ipadmin.audit.export.files import new_file
from ipadmin.audit.integrity import chain
from ipadmin.models import (
    AuditCounter,
    AuditEntry,
    AuditLink,
    AuditReasonWord,
    AuditStream,
    AuditValueCounter,
    LinkKind,
    Run,
)
from ipadmin.models.run import ENDED

# Deleted in one transaction, during which every attempt waits. In the pause after it, those that
# waited get their turn: on SQLite they try again every tenth of a second.
ENTRIES_PER_PART = 5_000
PAUSE_SECONDS = 0.15

# Called with how many entries are "exported", "checked" or "removed".
Progress = Callable[[str, int], None]


class NotPruned(Exception):
    """Why nothing, or nothing more, was removed: a sentence for the person who asked for it."""


@dataclass(frozen=True)
class Prunable:
    entries: int
    first: datetime
    last: datetime


@dataclass
class Part:
    """The oldest finished entries: those created before a time."""

    before: datetime
    # The number of the link that finished each entry, and its attempt id.
    links: list[tuple[int, str]]
    counts: counters.Counters


def prunable(before: datetime) -> Prunable | None:
    """What a pruning would remove; None when there is nothing."""
    found = _finished(before).aggregate(first=Min("created_at"), last=Max("created_at"))
    if found["first"] is None:
        return None
    return Prunable(_finished(before).count(), found["first"], found["last"])


def prune(before: datetime, path: Path, *, by: Actor, progress: Progress) -> int:
    """Export to a new file, and delete what was exported; returns the number of entries.

    Raises NotPruned, OSError and django.db.Error, as when the database stays locked. What was
    deleted until then is sealed; the rest is untouched.
    """
    _refuse_what_is_not_streamed(before)
    last = AuditLink.objects.last()
    since = last.sequence if last else 0
    exported = _export(before, path, by, progress)
    removed = 0
    while part := _next_part(before):
        since = _remove(part, before, since, {"export": exported, "by": by.details()})
        removed += len(part.links)
        progress("removed", removed)
        time.sleep(PAUSE_SECONDS)
    return removed


def _refuse_what_is_not_streamed(before: datetime) -> None:
    if not settings.AUDIT_STREAM:
        return
    stream = AuditStream.objects.filter(target=settings.AUDIT_STREAM).first()
    ahead = AuditLink.objects.filter(sequence__gt=stream.sequence if stream else 0)
    if ahead.filter(kind=LinkKind.FINISHED, at__lt=before).exists():
        why = f" It says: {stream.error}" if stream and stream.error else ""
        raise NotPruned(
            f"{settings.AUDIT_STREAM} (AUDIT_STREAM) has not taken all of these entries yet. The"
            f" worker sends them.{why}"
        )


def _finished(before: datetime) -> QuerySet[AuditEntry]:
    return AuditEntry.objects.filter(finished_at__isnull=False, created_at__lt=before)


def _export(before: datetime, path: Path, by: Actor, progress: Progress) -> dict[str, object]:
    """The exported file, as the link of each pruning describes it."""
    entries = _finished(before).order_by("created_at", "id")
    criteria = {"finished before": [raw_rows.moment(before)]}
    written, so_far = hashlib.sha256(), ExportProgress()
    # The file first: if it cannot be created, no export is sealed.
    with (
        new_file(path) as file,
        closing(
            export(entries, Format.JSON_LINES, by=by, criteria=criteria, progress=so_far)
        ) as pieces,
    ):
        for piece in pieces:
            file.write(piece)
            written.update(piece)
            progress("exported", so_far.entries)
    try:
        is_whole = _read_back(path, progress) == (so_far.entries, written.hexdigest())
    except ValueError:  # not JSON
        is_whole = False
    if not is_whole:
        raise NotPruned(f"{path} does not read back as it was written.")
    return {"file": path.name, "sha256": written.hexdigest(), "bytes": path.stat().st_size}


def _read_back(path: Path, progress: Progress) -> tuple[int, str]:
    """How many entries the file has, and its SHA-256. Raises NotPruned for one that is not as it
    was sealed."""
    digest, count = hashlib.sha256(), 0
    with path.open("rb") as file:
        if hasattr(os, "posix_fadvise"):
            # Read from the disk, not from the page cache.
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        for line in file:
            digest.update(line)
            document = json.loads(line)
            if "event" in document:
                _refuse_unproven(document)
                count += 1
                if count % raw_rows.ROWS_PER_FETCH == 0:
                    progress("checked", count)
    return count, digest.hexdigest()


def _refuse_unproven(document: dict[str, Any]) -> None:
    """Entries that were never sealed, or were changed since, are evidence and stay."""
    seal = document.pop("seal")
    attempt = f"Attempt {document['event']['id']} of {document['@timestamp']}"
    if seal is None:
        raise NotPruned(f"{attempt} has no seal. `manage.py verify_audit` says more.")
    if documents.digest(document).hex() != seal["digest"]:
        raise NotPruned(f"{attempt} is not as it was sealed. `manage.py verify_audit` says more.")


def _next_part(before: datetime) -> Part | None:
    """The oldest entries; None when none are left. Read before anything is locked."""
    until = _end_of_part(before)
    if until is None:
        return None
    part = Part(until, [], counters.Counters())
    for entries in documents.batches(_finished(until).order_by()):
        for entry in entries:
            part.counts.add(entry, sign=-1)
        sealed = AuditLink.objects.filter(
            attempt_id__in=[entry["attempt_id"] for entry in entries], kind=LinkKind.FINISHED
        )
        part.links.extend(raw_rows.rows(sealed.order_by(), ("sequence", "attempt_id")))
    part.links.sort()
    return part


def _end_of_part(before: datetime) -> datetime | None:
    """A time before which about ENTRIES_PER_PART entries were created; None when none are left."""
    moments = _finished(before).order_by("created_at").values_list("created_at", flat=True)
    first = moments.first()
    if first is None:
        return None
    later = moments.filter(created_at__gt=first)
    return later[ENTRIES_PER_PART - 1 : ENTRIES_PER_PART].first() or before


def _remove(part: Part, before: datetime, since: int, details: dict[str, Any]) -> int:
    """Returns the number of the pruning's link, the last one. `since` is the last link that existed
    when the entries were read."""
    with transaction.atomic(durable=True):
        locked = chain.locked_chain()
        _refuse_what_came_since(since, before)
        locked.pruning_before = part.before
        locked.save()
        pruned = _finished(part.before)
        AuditReasonWord.objects.filter(entry_id__in=pruned.order_by().values("pk")).delete()
        # Without its entries, a run would say that nothing was attempted.
        Run.objects.filter(state__in=ENDED, confirmed_at__lt=part.before).delete()
        deleted, _by_model = pruned.delete()
        if deleted != len(part.links):
            raise NotPruned(
                f"{deleted:,} entries have {len(part.links):,} seals. `manage.py verify_audit` says"
                " more."
            )
        part.counts.write()
        AuditCounter.objects.filter(attempts__lte=0).delete()
        AuditValueCounter.objects.filter(attempts__lte=0).delete()
        locked.pruning_before = None
        removed = {
            "before": raw_rows.moment(part.before),
            "entries": deleted,
            "digest": chain.pruned_digest(part.links).hex(),
        }
        activity = {**removed, **details}
        return chain.add_link(locked, LinkKind.PRUNED, at=timezone.now(), details=activity).sequence


def _refuse_what_came_since(since: int, before: datetime) -> None:
    """An old attempt that was finished meanwhile is not in the file."""
    came = Q(kind=LinkKind.FINISHED, at__lt=before) | Q(kind=LinkKind.PRUNED)
    if AuditLink.objects.filter(came, sequence__gt=since).exists():
        raise NotPruned(
            "Meanwhile one of these attempts was finished, or another pruning has begun. Run it"
            " again, with another file."
        )
