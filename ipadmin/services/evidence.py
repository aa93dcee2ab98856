"""Resolve an attempt whose call was sent and not answered: read the address, and say only what
the readings prove.

A reading is kept in `AuditEntry.evidence` as
`{read_at, found, status, request_id, error_code, allocation_id, allocation_type, allocation_name,
reverse_dns}`; `read_at` in ISO 8601 and UTC, `found` one of `Found`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from ipadmin import crypto
from ipadmin.katapult.errors import KatapultError
from ipadmin.katapult.types import Allocation, IPAddress, Secret
from ipadmin.models import ApiToken, AuditEntry, Basis, Outcome
from ipadmin.services import api, competing, entries, later_reads
from ipadmin.services.later_reads import Source

log = structlog.get_logger(__name__)


class Found(StrEnum):
    """What one reading showed, compared with what was confirmed before the call."""

    ALLOCATED = "allocated"  # to what it was allocated to before
    UNALLOCATED = "unallocated"
    OTHER = "other"  # allocated to something else
    GONE = "gone"  # no longer this organization's: Katapult says that it does not exist
    UNREADABLE = "unreadable"  # no answer, or one about something else


@dataclass(frozen=True, slots=True)
class Verdict:
    outcome: Outcome
    rivals: tuple[str, ...] = ()


def is_same(before: Allocation | None, now: Allocation | None) -> bool:
    """Whether both are the same machine. An id says it all; types and names are not in every
    answer, and names change."""
    if before is None or now is None:
        return before is now
    if before.id or now.id:
        return before.id == now.id
    return (before.type or "", before.name or "") == (now.type or "", now.name or "")


def allocation_fields(allocation: Allocation | None) -> dict[str, str]:
    """An allocation as entries and readings keep it; empty texts where there is none."""
    return {
        "allocation_id": allocation.id if allocation else "",
        "allocation_type": (allocation.type if allocation else None) or "",
        "allocation_name": (allocation.name if allocation else None) or "",
    }


def gather(entry: AuditEntry, secret: Secret) -> None:
    """Read the address once, keep what it showed, and close the entry if that settles it.

    The reading has a connection of its own, on which no earlier answer can be left over.
    """
    asked_at, read = timezone.now(), []
    try:
        reply = api.client().ip_address(
            secret, id=entry.address_id, known_address=entry.address, fresh=True
        )
    except KatapultError as error:
        gone = error.is_definite and error.code == "ip_address_not_found"
        reading = _reading(Found.GONE if gone else Found.UNREADABLE, error_code=error.code)
        exchange = error.exchange
    else:
        reading = _reading(_found(entry, reply.value), ip=reply.value)
        read.append(reply.value)
        exchange = reply.exchange
    _keep(entry, reading | {"status": exchange.status, "request_id": exchange.request_id})
    later_reads.note(read, asked_at, Source.READING)


def gather_with_its_token(entry: AuditEntry) -> None:
    """Like `gather`, with the token the attempt was made with, if that is still there."""
    if entry.api_url != settings.KATAPULT_API_URL:
        # There the same id may be another address: in a fresh sandbox, say.
        _keep(entry, _reading(Found.UNREADABLE, error_code="another_api"))
        return
    token = ApiToken.objects.filter(pk=entry.token_id).first()
    if token is None:
        _keep(entry, _reading(Found.UNREADABLE, error_code="token_deleted"))
        return
    try:
        with api.using(token) as secret:
            gather(entry, secret)
    except crypto.CannotOpen:
        _keep(entry, _reading(Found.UNREADABLE, error_code="token_unreadable"))


def is_due(entry: AuditEntry, now: datetime) -> bool:
    """Whether it is time for another reading."""
    if not entry.evidence:
        return True
    last = entry.evidence[-1]
    # Another look at the same machine only tells something after a while; all else may change.
    is_same_machine = last["found"] == Found.ALLOCATED
    interval = settings.EVIDENCE_INTERVAL if is_same_machine else settings.EVIDENCE_RETRY
    return now - datetime.fromisoformat(last["read_at"]) >= timedelta(seconds=interval)


def judge(entry: AuditEntry, rivals: list[AuditEntry], now: datetime) -> Verdict | None:
    """What the readings of an unanswered call prove; None as long as they prove nothing.

    Unallocated is proof at once, since nothing that arrives late can undo it, unless a competing
    attempt could have done it. Still allocated takes two readings, EVIDENCE_INTERVAL apart: any
    answer may come from a gateway while the request still travels. Anything else never becomes
    proof; nor does what comes after it, for the address was freed in between, by this call or by
    somebody else.
    """
    found = [Found(reading["found"]) for reading in entry.evidence]
    is_past_deadline = now >= _deadline(entry)
    if Found.UNALLOCATED in found:
        if _was_elsewhere(found[: found.index(Found.UNALLOCATED)]):
            return Verdict(Outcome.UNKNOWN)
        if not rivals:
            return Verdict(Outcome.SUCCEEDED)
        can_wait = any(rival.is_open for rival in rivals) and not is_past_deadline
        return None if can_wait else Verdict(Outcome.UNKNOWN, tuple(competing.ids_of(rivals)))
    last = found[-1] if found else Found.UNREADABLE
    if last == Found.ALLOCATED and not _was_elsewhere(found):
        # Past the deadline too, it takes the second reading; if that fails, it ends as unknown.
        return Verdict(Outcome.FAILED) if _has_settled(entry) else None
    is_settled = is_past_deadline or (last != Found.UNREADABLE and _has_settled(entry))
    return Verdict(Outcome.UNKNOWN) if is_settled else None


def rivals_of(entry: AuditEntry) -> list[AuditEntry]:
    """The attempts that compete with the entry's: those that could have unallocated the address
    between our look at it and the first reading that showed it unallocated."""
    shown = [r["read_at"] for r in entry.evidence if r["found"] == Found.UNALLOCATED]
    if not shown:
        return []
    return competing.competing(entry, entry.created_at, datetime.fromisoformat(shown[0]))


def _found(entry: AuditEntry, ip: IPAddress) -> Found:
    if ip.allocation is None:
        return Found.UNALLOCATED
    return Found.ALLOCATED if is_same(entry.allocation, ip.allocation) else Found.OTHER


def _reading(found: Found, *, ip: IPAddress | None = None, error_code: str = "") -> dict[str, Any]:
    allocation = ip.allocation if ip else None
    return {
        "read_at": timezone.now().isoformat(),
        "found": str(found),
        "error_code": error_code,
        **allocation_fields(allocation),
        "reverse_dns": (ip.reverse_dns if ip else None) or "",
        "status": None,
        "request_id": None,
    }


def _keep(entry: AuditEntry, reading: dict[str, Any]) -> None:
    """Append a reading to the open entry and close it if that settles it; never a finished one."""
    with transaction.atomic():
        current = (
            AuditEntry.objects.select_for_update().filter(pk=entry.pk, finished_at=None).first()
        )
        if current is not None:
            current.evidence = [*current.evidence, reading]
            now = timezone.now()
            if verdict := judge(current, rivals_of(current), now):
                current.outcome, current.basis = verdict.outcome, Basis.EVIDENCE
                current.rivals, current.finished_at = list(verdict.rivals), now
            written = ("evidence", "outcome", "basis", "rivals", "finished_at")
            current.save(update_fields=written)
            if not current.is_open:
                entries.finished(current, {name: getattr(current, name) for name in written})
    entry.refresh_from_db()


def _was_elsewhere(found: list[Found]) -> bool:
    return Found.OTHER in found or Found.GONE in found


def _has_settled(entry: AuditEntry) -> bool:
    """Whether two readings, far enough apart, agree. Those that failed in between say nothing."""
    last = entry.evidence[-1]
    enough = timedelta(seconds=settings.EVIDENCE_INTERVAL)
    for reading in reversed(entry.evidence[:-1]):
        if reading["found"] == Found.UNREADABLE:
            continue
        if reading["found"] != last["found"]:
            return False
        apart = datetime.fromisoformat(last["read_at"]) - datetime.fromisoformat(reading["read_at"])
        if apart >= enough:
            return True
    return False


def _deadline(entry: AuditEntry) -> datetime:
    return (entry.sent_at or entry.created_at) + timedelta(seconds=settings.EVIDENCE_DEADLINE)
