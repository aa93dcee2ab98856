"""Finish the entries that interrupted attempts left open. Safe to run at any time, and in several
processes at once: each step is a conditional update of an open entry."""

from __future__ import annotations

from collections.abc import Callable
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

IS_UNSENT = Q(outcome=Outcome.PENDING, sent_at=None)


def reconcile(now: datetime | None = None) -> list[AuditEntry]:
    """Process every open entry once; return those that were finished.

    A pending entry older than LONGEST_ATTEMPT belongs to a process that died. Without `sent_at`,
    which is committed before anything is sent, it is finished as `refused`; otherwise readings of
    the address decide.
    """
    now = now or timezone.now()
    abandoned = now - timedelta(seconds=settings.LONGEST_ATTEMPT)
    open_entries = AuditEntry.objects.filter(finished_at=None)
    unsent = open_entries.filter(IS_UNSENT, created_at__lte=abandoned)
    finished = [entry for entry in unsent if _is_finished_by(_finish_unsent, entry)]
    is_abandoned = Q(outcome=Outcome.PENDING, sent_at__lte=abandoned)
    for entry in open_entries.filter(is_abandoned):
        entries.update(entry, {"outcome": Outcome.UNKNOWN}, only_if=is_abandoned)
    unknown = open_entries.filter(outcome=Outcome.UNKNOWN, sent_at__isnull=False).order_by("id")
    finished += [
        entry
        for entry in unknown
        if evidence.is_due(entry, now) and _is_finished_by(_read_again, entry)
    ]
    for entry in finished:
        log.info("attempt_finished", attempt_id=str(entry.attempt_id), outcome=entry.outcome)
    return finished


def _is_finished_by(step: Callable[[AuditEntry], bool], entry: AuditEntry) -> bool:
    """An entry that something else than this product wrote or changed stays open. Verification
    reports it."""
    try:
        return step(entry)
    except NotSealed:
        log.exception("entry_not_as_opened", attempt_id=str(entry.attempt_id))
        return False


def _finish_unsent(entry: AuditEntry) -> bool:
    fields: EntryFields = {
        "outcome": Outcome.REFUSED,
        "error_code": "interrupted",
        "basis": Basis.CHECK,
        "finished_at": timezone.now(),
    }
    # Checked again: a very slow process may have set `sent_at` in the meantime.
    is_finished = entries.update(entry, fields, only_if=IS_UNSENT)
    entry.refresh_from_db()
    return is_finished


def _read_again(entry: AuditEntry) -> bool:
    """Read the address once more, unless the entry was changed since it was opened."""
    chain.refuse_unopened(document.values_of(entry))
    evidence.gather_with_its_token(entry)
    return not entry.is_open
