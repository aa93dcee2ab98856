"""Finish the entries that interrupted attempts left open. Safe to run at any time, and in several
processes at once: each step is a conditional update of an open entry."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from ipadmin.audit import document, entries
from ipadmin.audit.entry_fields import EntryFields
from ipadmin.audit.integrity import chain
from ipadmin.audit.integrity.chain import NotSealed
from ipadmin.models import AuditEntry, Basis, Outcome
from ipadmin.services import evidence

log = structlog.get_logger(__name__)


def reconcile(now: datetime | None = None) -> list[AuditEntry]:
    """Process every open entry once; return those that were finished.

    A pending entry older than LONGEST_ATTEMPT belongs to a process that died. Without `sent_at` it
    is finished as `refused`, because nothing was sent; otherwise readings of the address decide.
    """
    now = now or timezone.now()
    abandoned = now - timedelta(seconds=settings.LONGEST_ATTEMPT)
    finished = _finish_unsent(now, abandoned)
    unanswered = AuditEntry.objects.filter(finished_at=None, sent_at__isnull=False)
    is_abandoned = Q(outcome=Outcome.PENDING, sent_at__lte=abandoned)
    for entry in unanswered.filter(is_abandoned):
        entries.update(entry, {"outcome": Outcome.UNKNOWN}, only_if=is_abandoned)
    for entry in unanswered.filter(outcome=Outcome.UNKNOWN).order_by("id"):
        if evidence.is_due(entry, now) and _gather_evidence(entry):
            finished.append(entry)
    for entry in finished:
        log.info("attempt_finished", attempt_id=str(entry.attempt_id), outcome=entry.outcome)
    return finished


def _finish_unsent(now: datetime, abandoned: datetime) -> list[AuditEntry]:
    """Finish pending entries without `sent_at`, which is committed before anything is sent."""
    is_unsent = Q(outcome=Outcome.PENDING, sent_at=None)
    fields: EntryFields = {
        "outcome": Outcome.REFUSED,
        "error_code": "interrupted",
        "basis": Basis.CHECK,
        "finished_at": now,
    }
    finished = []
    for entry in AuditEntry.objects.filter(is_unsent, finished_at=None, created_at__lte=abandoned):
        try:
            # Checked again: a very slow process may have set `sent_at` in the meantime.
            is_finished = entries.update(entry, fields, only_if=is_unsent)
        except NotSealed:
            _leave_open(entry)
            continue
        if is_finished:
            entry.refresh_from_db()
            finished.append(entry)
    return finished


def _gather_evidence(entry: AuditEntry) -> bool:
    """Read the address once more, unless the entry was changed since it was opened. Whether the
    entry is finished then."""
    try:
        chain.refuse_unopened(document.values_of(entry))
        evidence.gather_with_its_token(entry)
    except NotSealed:
        _leave_open(entry)
    return not entry.is_open


def _leave_open(entry: AuditEntry) -> None:
    """Leave an entry open that something else than this product wrote or changed. Verification
    reports it."""
    log.error("entry_not_as_opened", attempt_id=str(entry.attempt_id))
