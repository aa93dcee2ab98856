"""Remove finished entries from before a moment: exported first, the removal sealed into the chain.

All of them go into one file, which is read back: each entry in it must be as it was sealed. Only
then are entries removed, the oldest first, in parts of some thousands. Each part is a transaction
of its own that counts its entries off, deletes them, and seals that it did. So no attempt waits for
longer than one part takes, and a process that is killed leaves a history that is whole and proven:
the oldest parts gone, the others there, and the file has them all.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
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
from ipadmin.audit.export.export import ExportProgress, Format, export
from ipadmin.audit.export.files import new_file
from ipadmin.audit.integrity import chain
from ipadmin.models import (
    AuditCounter,
    AuditEntry,
    AuditLink,
    AuditStream,
    AuditValueCounter,
    LinkKind,
)
from ipadmin.models.audit_link import FINISHED_KINDS

# Entries removed in one transaction, while which every attempt waits; and the seconds after it in
# which those who waited get their turn (on SQLite they ask again every tenth of a second).
PART = 5_000
PAUSE = 0.15

# Told how many entries were "exported", "checked" or "removed" by now.
Progress = Callable[[str, int], None]


class NotPruned(Exception):
    """Why nothing is removed, or nothing more: a sentence for whoever asked for it."""


@dataclass(frozen=True)
class Prunable:
    entries: int
    first: datetime
    last: datetime


@dataclass(frozen=True)
class ExportedFile:
    """As a removal's seal names it."""

    file: str
    sha256: str
    bytes: int


@dataclass
class Part:
    """Finished entries created before a moment that are still there; none of them changes."""

    before: datetime
    # The number of each entry's seal, and its attempt.
    links: list[tuple[int, str]]
    tally: counters.Counters


def prunable(before: datetime) -> Prunable | None:
    """What a pruning would remove."""
    found = _finished(before).aggregate(first=Min("created_at"), last=Max("created_at"))
    if found["first"] is None:
        return None
    return Prunable(_finished(before).count(), found["first"], found["last"])


def prune(before: datetime, path: Path, *, by: dict[str, Any], progress: Progress) -> int:
    """Export to a new file, and remove what is in it; returns how many entries that were.

    Raises NotPruned and OSError; django.db.Error too, as when others keep the database locked. What
    was removed by then stays so, sealed; the rest is untouched.
    """
    _refuse_what_is_not_streamed(before)
    last = AuditLink.objects.last()
    since = last.sequence if last else 0
    exported = _export(before, path, by, progress)
    removed = 0
    while part := _next_part(before):
        since = _remove(part, before, since, {"export": asdict(exported), "by": by})
        removed += len(part.links)
        progress("removed", removed)
        time.sleep(PAUSE)
    return removed


def _refuse_what_is_not_streamed(before: datetime) -> None:
    if not settings.AUDIT_STREAM:
        return
    stream = AuditStream.objects.filter(target=settings.AUDIT_STREAM).first()
    ahead = AuditLink.objects.filter(sequence__gt=stream.sequence if stream else 0)
    if ahead.filter(kind__in=FINISHED_KINDS, at__lt=before).exists():
        why = f" It says: {stream.error}" if stream and stream.error else ""
        raise NotPruned(
            f"{settings.AUDIT_STREAM} (AUDIT_STREAM) has not taken all of these entries yet. The"
            f" worker sends them.{why}"
        )


def _finished(before: datetime) -> QuerySet[AuditEntry]:
    return AuditEntry.objects.filter(finished_at__isnull=False, created_at__lt=before)


def _export(before: datetime, path: Path, by: dict[str, Any], progress: Progress) -> ExportedFile:
    entries = _finished(before).order_by("created_at", "id")
    criteria = {"finished before": [raw_rows.moment(before)]}
    digest, size, so_far = hashlib.sha256(), 0, ExportProgress()
    # First the file: what cannot be written is not even begun.
    with (
        new_file(path) as file,
        closing(
            export(entries, Format.JSON_LINES, by=by, criteria=criteria, progress=so_far)
        ) as pieces,
    ):
        for piece in pieces:
            file.write(piece)
            digest.update(piece)
            size += len(piece)
            progress("exported", so_far.entries)
    written = ExportedFile(path.name, digest.hexdigest(), size)
    try:
        is_whole = _read_back(path, progress) == (so_far.entries, written)
    except ValueError:  # no JSON
        is_whole = False
    if not is_whole:
        raise NotPruned(f"{path} does not read back as it was written.")
    return written


def _read_back(path: Path, progress: Progress) -> tuple[int, ExportedFile]:
    """How many entries the file has, and its sum. Each is as it was sealed, or NotPruned."""
    digest, size, count = hashlib.sha256(), 0, 0
    with path.open("rb") as file:
        if hasattr(os, "posix_fadvise"):
            # From the disk, and not what memory still has of it.
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        for line in file:
            digest.update(line)
            size += len(line)
            document = json.loads(line)
            if "event" in document:
                _refuse_unproven(document)
                count += 1
                if count % raw_rows.ROWS_PER_FETCH == 0:
                    progress("checked", count)
    return count, ExportedFile(path.name, digest.hexdigest(), size)


def _refuse_unproven(document: dict[str, Any]) -> None:
    """What was never sealed, or changed since, goes only once it is known why."""
    seal = document.pop("seal")
    attempt = f"Attempt {document['event']['id']} of {document['@timestamp']}"
    if seal is None:
        raise NotPruned(
            f"{attempt} has no seal. `manage.py seal_history` seals what is from before there were"
            " seals."
        )
    if documents.digest(document).hex() != seal["digest"]:
        raise NotPruned(f"{attempt} is not as it was sealed. `manage.py verify_audit` says more.")


def _next_part(before: datetime) -> Part | None:
    """The oldest entries, or none that are left. Read before anything is locked."""
    until = _end_of_part(before)
    if until is None:
        return None
    part = Part(until, [], counters.Counters())
    for entries in documents.batches(_finished(until).order_by()):
        for entry in entries:
            part.tally.add(entry, sign=-1)
        sealed = AuditLink.objects.filter(
            attempt_id__in=[entry["attempt_id"] for entry in entries], kind__in=FINISHED_KINDS
        )
        part.links.extend(raw_rows.rows(sealed.order_by(), ("sequence", "attempt_id")))
    part.links.sort()
    return part


def _end_of_part(before: datetime) -> datetime | None:
    """Before which moment about PART entries were created, and one at least; None without any."""
    moments = _finished(before).order_by("created_at").values_list("created_at", flat=True)
    first = moments.first()
    if first is None:
        return None
    later = moments.filter(created_at__gt=first)
    return later[PART - 1 : PART].first() or before


def _remove(part: Part, before: datetime, since: int, details: dict[str, Any]) -> int:
    """Returns the number of the seal, which is the last. `since` is the last link that was there
    when the entries were read."""
    with transaction.atomic(durable=True):
        head = chain.locked_head()
        _refuse_what_came_since(since, before)
        head.pruning_before = part.before
        head.save()
        deleted, _by_model = _finished(part.before).delete()
        if deleted != len(part.links):
            raise NotPruned(
                f"{deleted:,} entries have {len(part.links):,} seals. `manage.py verify_audit` says"
                " more."
            )
        part.tally.write()
        AuditCounter.objects.filter(attempts__lte=0).delete()
        AuditValueCounter.objects.filter(attempts__lte=0).delete()
        head.pruning_before = None
        removed = {
            "before": raw_rows.moment(part.before),
            "entries": deleted,
            "digest": chain.pruned_digest(part.links).hex(),
        }
        at = timezone.now()
        return chain.append(head, LinkKind.PRUNED, at=at, details={**removed, **details}).sequence


def _refuse_what_came_since(since: int, before: datetime) -> None:
    """The file would not have it: an old attempt that was closed only now."""
    came = Q(kind__in=FINISHED_KINDS, at__lt=before) | Q(kind=LinkKind.PRUNED)
    if AuditLink.objects.filter(came, sequence__gt=since).exists():
        raise NotPruned(
            "Meanwhile one of these attempts was finished, or another pruning has begun. Run it"
            " again, with another file."
        )
