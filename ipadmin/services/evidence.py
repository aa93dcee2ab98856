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
from ipadmin.services import api, entries

log = structlog.get_logger(__name__)


class Found(StrEnum):
    """What one reading showed, compared with what was confirmed before the call."""

    ALLOCATED = "allocated"  # to what it was allocated to before
    UNALLOCATED = "unallocated"
    OTHER = "other"  # allocated to something else
    GONE = "gone"  # no longer this organization's: ids are reused [seen]
    UNREADABLE = "unreadable"


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
    """Read the address once, keep what it showed, and close the entry if that settles it."""
    try:
        reply = api.client().ip_address(secret, id=entry.address_id)
    except KatapultError as error:
        gone = error.code == "ip_address_not_found"
        reading = _reading(Found.GONE if gone else Found.UNREADABLE, error_code=error.code)
        exchange = error.exchange
    else:
        reading = _reading(_found(entry, reply.value), ip=reply.value)
        exchange = reply.exchange
    _keep(entry, reading | {"status": exchange.status, "request_id": exchange.request_id})


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

    Unallocated now is proof at once, since nothing that arrives late can undo it, unless another
    attempt of ours could have done it. Still allocated is proof only after a while: the request
    may yet arrive. Anything else never becomes proof; nor does what comes after it, for the
    address was freed in between, by this call or by somebody else.
    """
    found = [Found(reading["found"]) for reading in entry.evidence]
    is_past_deadline = now >= _deadline(entry)
    if Found.UNALLOCATED in found:
        if _was_elsewhere(found[: found.index(Found.UNALLOCATED)]):
            return Verdict(Outcome.UNKNOWN)
        if not rivals:
            return Verdict(Outcome.SUCCEEDED)
        can_wait = any(rival.is_open for rival in rivals) and not is_past_deadline
        names = tuple(str(rival.attempt_id) for rival in rivals)
        return None if can_wait else Verdict(Outcome.UNKNOWN, names)
    last = found[-1] if found else Found.UNREADABLE
    is_settled = is_past_deadline or (last != Found.UNREADABLE and _has_settled(entry))
    is_proof = last == Found.ALLOCATED and not _was_elsewhere(found)
    if is_proof and (is_settled or _was_answered(entry)):
        return Verdict(Outcome.FAILED)
    return Verdict(Outcome.UNKNOWN) if is_settled else None


def rivals_of(entry: AuditEntry) -> list[AuditEntry]:
    """Other attempts that could have unallocated the address between our look at it and the first
    reading that showed it unallocated."""
    shown = [r["read_at"] for r in entry.evidence if r["found"] == Found.UNALLOCATED]
    if not shown:
        return []
    others = AuditEntry.objects.filter(
        api_url=entry.api_url,
        address_id=entry.address_id,
        sent_at__lte=datetime.fromisoformat(shown[0]),
    ).exclude(pk=entry.pk)
    return [other for other in others if _could_have_acted_after(other, entry.created_at)]


def _could_have_acted_after(other: AuditEntry, moment: datetime) -> bool:
    if other.finished_at is None:
        return True
    if other.outcome == Outcome.UNKNOWN and not _was_answered(other):
        # Nothing more will be found out about it, but its request can land even now.
        sent_at = other.sent_at or other.created_at
        return max(other.finished_at, sent_at + _longest_on_its_way()) >= moment
    done = {Outcome.SUCCEEDED, Outcome.UNKNOWN}
    return other.outcome in done and other.finished_at >= moment


def _longest_on_its_way() -> timedelta:
    """After how long a request that was not answered cannot land any more: the time it is waited
    for, and that between two readings that prove that it did nothing."""
    waited = settings.KATAPULT_TIMEOUTS["total"] + settings.EVIDENCE_INTERVAL
    return timedelta(seconds=waited)


def _found(entry: AuditEntry, ip: IPAddress) -> Found:
    if ip.address != entry.address:
        return Found.GONE
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
    """Whether two readings, far enough apart, agree."""
    last = entry.evidence[-1]
    enough = timedelta(seconds=settings.EVIDENCE_INTERVAL)
    for reading in reversed(entry.evidence[:-1]):
        if reading["found"] != last["found"]:
            return False
        apart = datetime.fromisoformat(last["read_at"]) - datetime.fromisoformat(reading["read_at"])
        if apart >= enough:
            return True
    return False


def _was_answered(entry: AuditEntry) -> bool:
    """Whether the API itself answered, if only to say that it failed: then nothing is under way
    any more, and one look is enough."""
    return entry.error_code not in {"", "answer_lost", "unreadable_answer"}


def _deadline(entry: AuditEntry) -> datetime:
    return (entry.sent_at or entry.created_at) + timedelta(seconds=settings.EVIDENCE_DEADLINE)
