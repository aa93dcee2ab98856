"""Close what an interrupted attempt left open. Safe to run at any time, and twice at once: every
step is a conditional update of an entry that is still open."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from ipadmin.audit import document, entries
from ipadmin.audit.integrity import chain
from ipadmin.audit.integrity.chain import NotSealed
from ipadmin.models import AuditEntry, Basis, Outcome
from ipadmin.services import evidence

log = structlog.get_logger(__name__)


def reconcile(now: datetime | None = None) -> list[AuditEntry]:
    """Take every open entry one step further; return those that were closed.

    A pending entry older than the longest possible attempt belongs to a process that died. If its
    call was not begun it is closed as never sent; otherwise nobody knows, and reading the address
    decides.
    """
    now = now or timezone.now()
    abandoned = now - timedelta(seconds=settings.LONGEST_ATTEMPT)
    closed = _close_never_sent(now, abandoned)
    unanswered = AuditEntry.objects.filter(finished_at=None, sent_at__isnull=False)
    is_abandoned = Q(outcome=Outcome.PENDING, sent_at__lte=abandoned)
    for entry in unanswered.filter(is_abandoned):
        entries.update(entry, {"outcome": Outcome.UNKNOWN}, only_if=is_abandoned)
    for entry in unanswered.filter(outcome=Outcome.UNKNOWN).order_by("id"):
        if evidence.is_due(entry, now) and _take_further(entry):
            closed.append(entry)
    for entry in closed:
        log.info("attempt_closed", attempt_id=str(entry.attempt_id), outcome=entry.outcome)
    return closed


def _close_never_sent(now: datetime, abandoned: datetime) -> list[AuditEntry]:
    """`sent_at` is committed before anything is sent: without it, nothing was."""
    is_unsent = Q(outcome=Outcome.PENDING, sent_at=None)
    fields = {
        "outcome": Outcome.REFUSED,
        "error_code": "interrupted",
        "basis": Basis.CHECK,
        "finished_at": now,
    }
    closed = []
    for entry in AuditEntry.objects.filter(is_unsent, finished_at=None, created_at__lte=abandoned):
        try:
            # The condition again: a very slow process may have begun its call meanwhile.
            is_closed = entries.update(entry, fields, only_if=is_unsent)
        except NotSealed:
            _leave_open(entry)
            continue
        if is_closed:
            entry.refresh_from_db()
            closed.append(entry)
    return closed


def _take_further(entry: AuditEntry) -> bool:
    """Whether another reading closes it. For one that is not as it was opened, nothing is read."""
    try:
        chain.refuse_unopened(document.values_of(entry))
        evidence.gather_with_its_token(entry)
    except NotSealed:
        _leave_open(entry)
    return not entry.is_open


def _leave_open(entry: AuditEntry) -> None:
    """Somebody wrote or changed it past this product: evidence of that, and not to be closed as if
    it were an attempt. A verification names it."""
    log.error("attempt_not_as_opened", attempt_id=str(entry.attempt_id))
