"""Later reads that show an address unallocated although its newest attempt was closed as `failed`
by evidence: the request may have been carried out after the last reading.

A finished entry never changes. So the first such read is kept as an activity in the hash chain, of
kind `read_later`, with the details `{attempt_id, address_id, address, read_at, source}` and, where
other requests may have been late as well, `competing` (their attempt ids); all texts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from ipadmin.audit.competing import can_have_acted, ids_of, sent_to
from ipadmin.audit.integrity import chain, unreadable
from ipadmin.katapult.types import IPAddress
from ipadmin.models import AuditEntry, AuditLink, Basis, LinkKind, Outcome

log = structlog.get_logger(__name__)

# How long after an entry was finished a read is compared with it.
KEPT = timedelta(hours=24)
# Between a read and the link that keeps it: reading a long list takes minutes.
LATEST_WRITE = timedelta(hours=1)


class Source(StrEnum):
    """Which read it was, in words."""

    LIST = "list of addresses"
    PAGE = "page of the address"
    CONFIRMATION = "confirmation page"
    CHECK = "check before another attempt"
    READING = "reading for another attempt"


@dataclass(frozen=True, slots=True)
class LaterRead:
    """The first read that contradicts an entry. `has_competing`: other requests that were not
    answered could have been late as well."""

    read_at: datetime
    source: str
    has_competing: bool


def note(addresses: Iterable[IPAddress], read_at: datetime, source: Source) -> None:
    """Keep which entries a read contradicts. `read_at` is the moment before the call.

    One query where there is no such entry. An error is logged, so that the read goes on.
    """
    try:
        for entry, competing in _contradicted(addresses, read_at):
            _write(entry, competing, read_at, source)
    except Exception:
        log.exception("later_read_not_kept", source=str(source))


def of(entry: AuditEntry) -> LaterRead | None:
    """The read that contradicts the entry, if one was kept."""
    is_failed = entry.outcome == Outcome.FAILED and entry.basis == Basis.EVIDENCE
    if not is_failed or entry.finished_at is None:
        return None
    for details in _kept(entry.finished_at, entry.finished_at + KEPT + LATEST_WRITE):
        if details.get("attempt_id") == str(entry.attempt_id):
            return _later_read(details)
    return None


def _later_read(details: dict[str, Any]) -> LaterRead | None:
    """None where the details were changed in the database."""
    try:
        read_at = datetime.fromisoformat(details["read_at"])
        return LaterRead(read_at, str(details["source"]), bool(details.get("competing")))
    except (KeyError, TypeError, ValueError):
        return None


def _contradicted(
    addresses: Iterable[IPAddress], read_at: datetime
) -> Iterator[tuple[AuditEntry, list[AuditEntry]]]:
    """Entries that were read otherwise later and without another explanation; each with the other
    attempts that failed by evidence and can have been late too."""
    recent = AuditEntry.objects.filter(
        api_url=settings.KATAPULT_API_URL,
        outcome=Outcome.FAILED,
        basis=Basis.EVIDENCE,
        finished_at__gt=read_at - KEPT,
        finished_at__lt=read_at,
    )
    # By address the newest.
    failed = {entry.address_id: entry for entry in recent.order_by("created_at", "id")}
    if not failed:
        return
    free = {ip.id for ip in addresses if ip.id in failed and ip.allocation is None}
    kept = {each.get("attempt_id") for each in _kept(read_at - KEPT)} if free else set()
    found = {id: failed[id] for id in free if str(failed[id].attempt_id) not in kept}
    others = _others(found, read_at - KEPT) if found else {}
    for id, entry in found.items():
        since = entry.sent_at or entry.created_at
        able = [each for each in others[id] if each != entry and can_have_acted(each, since)]
        if all(each.outcome == Outcome.FAILED for each in able):
            yield entry, able


def _others(found: Iterable[str], since: datetime) -> dict[str, list[AuditEntry]]:
    by_id: dict[str, list[AuditEntry]] = {id: [] for id in found}
    for attempt in sent_to(settings.KATAPULT_API_URL, by_id, since):
        by_id[attempt.address_id].append(attempt)
    return by_id


def _write(
    entry: AuditEntry, competing: list[AuditEntry], read_at: datetime, source: Source
) -> None:
    details: dict[str, Any] = {
        "attempt_id": str(entry.attempt_id),
        "address_id": entry.address_id,
        "address": entry.address,
        "read_at": read_at.isoformat(),
        "source": str(source),
    }
    if competing:
        details["competing"] = ids_of(competing)
    with transaction.atomic():
        locked = chain.locked_chain()
        # Another process may have read the same: asked under the lock, it is kept once.
        if of(entry) is None:
            chain.add_link(locked, LinkKind.READ_LATER, at=timezone.now(), details=details)


def _kept(since: datetime, until: datetime | None = None) -> list[dict[str, Any]]:
    """The details of all reads that were kept in this time."""
    links = AuditLink.objects.filter(
        attempt_id__isnull=True, kind=LinkKind.READ_LATER, at__gte=since
    )
    links = links.filter(at__lte=until) if until else links
    rows, _broken = unreadable.read(links.order_by("at", "sequence"), ("details",), "sequence")
    return [details for (details,) in rows if isinstance(details, dict)]
