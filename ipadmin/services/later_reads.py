"""Later reads that contradict an entry: the newest attempt on an address was finished as `failed`
by evidence, but the address is as if it had succeeded. The request may have been carried out after
the last reading.

A finished entry never changes, so the first such read is stored as activity of kind `read_later` in
the hash chain, with ids, address, time, source and the competing attempts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from ipadmin.audit import effects
from ipadmin.audit.competing import can_have_acted, ids_of, sent_to
from ipadmin.audit.integrity import chain, unreadable
from ipadmin.katapult.types import IPAddress
from ipadmin.models import AuditEntry, AuditLink, Basis, LinkKind, Outcome

log = structlog.get_logger(__name__)

# Reads are compared with an entry for this long after it was finished.
COMPARED_FOR = timedelta(hours=24)
# The longest time between a read and its link: reading a long list takes minutes.
MAX_WRITE_DELAY = timedelta(hours=1)


class Source(StrEnum):
    """The purpose of a read, as pages show it."""

    LIST = "list of addresses"
    PAGE = "page of the address"
    CONFIRMATION = "confirmation page"
    CHECK = "check before another attempt"
    READING = "reading for another attempt"


@dataclass(frozen=True, slots=True)
class LaterRead:
    """The first read that contradicts an entry. `has_competing`: other unanswered requests can have
    done the same to the address."""

    read_at: datetime
    source: str
    has_competing: bool


def note(addresses: Iterable[IPAddress], read_at: datetime, source: Source) -> None:
    """Store the entries that a read contradicts. `read_at` is the time just before the call.

    One query when there is no candidate. An error is logged and not raised.
    """
    try:
        for entry, competing in _contradicted(addresses, read_at):
            _write(entry, competing, read_at, source)
    except Exception:
        log.exception("later_read_not_kept", source=str(source))


def of(entry: AuditEntry) -> LaterRead | None:
    """The read that contradicts the entry, if one was stored."""
    is_failed = entry.outcome == Outcome.FAILED and entry.basis == Basis.EVIDENCE
    if not is_failed or entry.finished_at is None:
        return None
    until = entry.finished_at + COMPARED_FOR + MAX_WRITE_DELAY
    for details in _stored(entry.finished_at, until):
        if details.get("attempt_id") == str(entry.attempt_id):
            try:
                read_at = datetime.fromisoformat(str(details["read_at"]))
                return LaterRead(read_at, str(details["source"]), bool(details.get("competing")))
            except (KeyError, ValueError):  # the details were changed in the database
                return None
    return None


def _contradicted(
    addresses: Iterable[IPAddress], read_at: datetime
) -> Iterator[tuple[AuditEntry, list[AuditEntry]]]:
    """Entries that the read contradicts, each with the competing attempts that failed by evidence
    as well. A competing attempt with another outcome explains the read, so there is none then."""
    recent = AuditEntry.objects.filter(
        api_url=settings.KATAPULT_API_URL,
        outcome=Outcome.FAILED,
        basis=Basis.EVIDENCE,
        finished_at__gt=read_at - COMPARED_FOR,
        finished_at__lt=read_at,
    )
    # The newest attempt on each address.
    newest = {entry.address_id: entry for entry in recent.order_by("created_at", "id")}
    found = {
        ip.id: entry
        for ip in addresses
        if (entry := newest.get(ip.id)) and effects.shown_by(ip, entry) == effects.after(entry)
    }
    since = read_at - COMPARED_FOR
    stored = {each.get("attempt_id") for each in _stored(since)} if found else set()
    found = {id: entry for id, entry in found.items() if str(entry.attempt_id) not in stored}
    if not found:
        return
    sent = defaultdict(list)
    for attempt in sent_to(settings.KATAPULT_API_URL, found, since):
        sent[attempt.address_id].append(attempt)
    for id, entry in found.items():
        sent_at = entry.sent_at or entry.created_at
        competing = [
            each
            for each in sent[id]
            if each != entry and effects.is_alike(entry, each) and can_have_acted(each, sent_at)
        ]
        if all(each.outcome == Outcome.FAILED for each in competing):
            yield entry, competing


def _write(
    entry: AuditEntry, competing: list[AuditEntry], read_at: datetime, source: Source
) -> None:
    details: dict[str, object] = {
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


def _stored(since: datetime, until: datetime | None = None) -> list[dict[str, object]]:
    """The details of the contradicting reads that were stored in this period."""
    links = AuditLink.objects.filter(
        attempt_id__isnull=True, kind=LinkKind.READ_LATER, at__gte=since
    )
    links = links.filter(at__lte=until) if until else links
    rows, _broken = unreadable.read(links.order_by("at", "sequence"), ("details",), "sequence")
    return [details for (details,) in rows if isinstance(details, dict)]
