"""Competing attempts: other attempts that can have caused what a reading of the address shows."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import Q, QuerySet

from ipadmin.audit import effects
from ipadmin.models import AuditEntry, Basis, Outcome


def arrival_window() -> timedelta:
    """How long after `sent_at` an unanswered request may still take effect.

    A gateway can delay a request; 95 s is the longest delay seen. The deadline for readings, ten
    minutes by default, leaves a wide margin.
    """
    return timedelta(seconds=settings.EVIDENCE_DEADLINE)


def competing(entry: AuditEntry, since: datetime, until: datetime) -> list[AuditEntry]:
    """The other attempts that can have had the same effect on the address between two times, oldest
    first. `since` is the time of the last read that showed it as before."""
    return [each for each in _acting(entry, since, until) if effects.is_alike(entry, each)]


def reversing(entry: AuditEntry, since: datetime, until: datetime) -> list[AuditEntry]:
    """The other attempts that can have reversed what the entry did, between two times."""
    return [each for each in _acting(entry, since, until) if effects.can_reverse(entry, each)]


def _acting(entry: AuditEntry, since: datetime, until: datetime) -> list[AuditEntry]:
    others = sent_to(entry.api_url, [entry.address_id], since).filter(sent_at__lte=until)
    return [other for other in others.exclude(pk=entry.pk) if can_have_acted(other, since)]


def sent_to(api_url: str, address_ids: Iterable[str], since: datetime) -> QuerySet[AuditEntry]:
    """Attempts that sent a request for one of these addresses, except those finished more than the
    arrival window before `since`."""
    finished_before = Q(finished_at__lt=since - arrival_window())
    sent = AuditEntry.objects.filter(
        api_url=api_url, address_id__in=address_ids, sent_at__isnull=False
    )
    return sent.exclude(finished_before).order_by("created_at", "id")


def can_have_acted(attempt: AuditEntry, since: datetime) -> bool:
    """Whether the request of an attempt can have changed its address after `since`.

    A `succeeded` attempt did so before `finished_at`. An unanswered request (`unknown`, or `failed`
    by evidence) may take effect within the arrival window. Other outcomes changed nothing.
    """
    if attempt.finished_at is None:
        return True
    if attempt.outcome == Outcome.SUCCEEDED:
        return attempt.finished_at >= since
    if attempt.sent_at is None or not is_undecided(attempt):
        return False
    return attempt.sent_at + arrival_window() >= since


def is_undecided(attempt: AuditEntry) -> bool:
    """Whether it is not certain that the request of an attempt had no effect."""
    by_evidence = attempt.outcome == Outcome.FAILED and attempt.basis == Basis.EVIDENCE
    return attempt.is_open or attempt.outcome == Outcome.UNKNOWN or by_evidence


def ids_of(attempts: Iterable[AuditEntry]) -> list[str]:
    """Their attempt ids, as stored in `AuditEntry.competing_attempts`."""
    return [str(attempt.attempt_id) for attempt in attempts]


def named_by(entry: AuditEntry, entries: QuerySet[AuditEntry]) -> list[AuditEntry]:
    """Those of `entries` that the entry names as competing attempts, oldest first."""
    ids = [uuid for text in entry.competing_attempts if (uuid := _uuid(text))]
    if not ids:
        return []
    return list(entries.filter(attempt_id__in=ids).order_by("created_at", "id"))


def _uuid(text: str) -> UUID | None:
    """None for values that were changed in the database."""
    try:
        return UUID(text)
    except (ValueError, TypeError, AttributeError):
        return None
