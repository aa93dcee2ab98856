"""Competing attempts: other attempts of this site that can have unallocated the same address."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Q, QuerySet

from ipadmin.models import AuditEntry, Basis, Outcome


def arrival_window() -> timedelta:
    """How long after `sent_at` a request without an answer counts as able to take effect.

    A gateway can hold a request while its caller gives up: one that was carried out 95 s after the
    call was observed. The deadline for readings, ten minutes by default, leaves a wide margin.
    """
    return timedelta(seconds=settings.EVIDENCE_DEADLINE)


def competing(entry: AuditEntry, since: datetime, until: datetime) -> list[AuditEntry]:
    """The other attempts on the entry's address that can have unallocated it between two moments,
    in their order. `since` is when the address was still seen allocated."""
    others = sent_to(entry.api_url, [entry.address_id], since).filter(sent_at__lte=until)
    return [other for other in others.exclude(pk=entry.pk) if can_have_acted(other, since)]


def sent_to(api_url: str, address_ids: Iterable[str], since: datetime) -> QuerySet[AuditEntry]:
    """The attempts with a request to one of these addresses that was not over long before."""
    over = Q(finished_at__lt=since - arrival_window())
    sent = AuditEntry.objects.filter(
        api_url=api_url, address_id__in=address_ids, sent_at__isnull=False
    )
    return sent.exclude(over).order_by("created_at", "id")


def can_have_acted(attempt: AuditEntry, since: datetime) -> bool:
    """Whether the request of an attempt can have unallocated its address after a moment.

    A success did so before it was recorded. Without an answer (`unknown`, or `failed` by evidence)
    the request may arrive within the window. A definite `failed` or a `refused` changed nothing.
    """
    if attempt.finished_at is None:
        return True
    if attempt.outcome == Outcome.SUCCEEDED:
        return attempt.finished_at >= since
    if attempt.sent_at is None or not is_undecided(attempt):
        return False
    return attempt.sent_at + arrival_window() >= since


def is_undecided(attempt: AuditEntry) -> bool:
    """Whether the request of an attempt that did not succeed may still have been carried out."""
    by_evidence = attempt.outcome == Outcome.FAILED and attempt.basis == Basis.EVIDENCE
    return attempt.is_open or attempt.outcome == Outcome.UNKNOWN or by_evidence


def ids_of(attempts: Iterable[AuditEntry]) -> list[str]:
    """As `AuditEntry.competing_attempts` keeps them."""
    return [str(attempt.attempt_id) for attempt in attempts]


def named_by(entry: AuditEntry, entries: QuerySet[AuditEntry]) -> list[AuditEntry]:
    """Those of `entries` that the entry names as competing attempts, in their order."""
    ids = [uuid for text in entry.competing_attempts if (uuid := _uuid(text))]
    if not ids:
        return []
    return list(entries.filter(attempt_id__in=ids).order_by("created_at", "id"))


def _uuid(text: Any) -> UUID | None:
    """None for text that this product does not write."""
    try:
        return UUID(text)
    except (ValueError, TypeError, AttributeError):
        return None
