"""Find the outcome of an attempt whose call was not answered: read the address, and judge only
what the readings prove. Readings are stored in `AuditEntry.evidence`; see `audit/readings.py`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from ipadmin import crypto
from ipadmin.audit import competing, entries
from ipadmin.audit.entry_fields import EntryFields
from ipadmin.audit.readings import Reading, ReadingResult, allocation_fields, is_same
from ipadmin.katapult.errors import KatapultError
from ipadmin.katapult.types import IPAddress, Secret
from ipadmin.models import ApiToken, AuditEntry, Basis, Outcome
from ipadmin.services import api, later_reads
from ipadmin.services.later_reads import Source

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Conclusion:
    """A final outcome, and the ids of competing attempts that make it `unknown`."""

    outcome: Outcome
    competing_attempts: tuple[str, ...] = ()


def gather(entry: AuditEntry, secret: Secret) -> None:
    """Read the address once, store the reading, and finish the entry if its outcome is proven.

    The reading uses a new connection: unread bytes of an earlier answer must not become evidence.
    """
    started_at, read = timezone.now(), []
    try:
        reply = api.client().ip_address(
            secret, id=entry.address_id, known_address=entry.address, fresh=True
        )
    except KatapultError as error:
        gone = error.is_definite and error.code == "ip_address_not_found"
        reading = _reading(
            ReadingResult.GONE if gone else ReadingResult.UNREADABLE, error_code=error.code
        )
        exchange = error.exchange
    else:
        reading = _reading(_found(entry, reply.value), ip=reply.value)
        read.append(reply.value)
        exchange = reply.exchange
    _store(entry, reading | {"status": exchange.status, "request_id": exchange.request_id})
    later_reads.note(read, started_at, Source.READING)


def gather_with_its_token(entry: AuditEntry) -> None:
    """Like `gather`, with the token of the attempt, if it still exists."""
    if entry.api_url != settings.KATAPULT_API_URL:
        # In another API, such as a new sandbox, the same id can be another address.
        _store(entry, _reading(ReadingResult.UNREADABLE, error_code="another_api"))
        return
    token = ApiToken.objects.filter(pk=entry.token_id).first()
    if token is None:
        _store(entry, _reading(ReadingResult.UNREADABLE, error_code="token_deleted"))
        return
    try:
        with api.using(token) as secret:
            gather(entry, secret)
    except crypto.CannotDecrypt:
        _store(entry, _reading(ReadingResult.UNREADABLE, error_code="token_unreadable"))


def is_due(entry: AuditEntry, now: datetime) -> bool:
    """Whether it is time for another reading."""
    if not entry.evidence:
        return True
    last = entry.evidence[-1]
    # A second reading of the same machine proves something only after EVIDENCE_INTERVAL.
    is_same_machine = last["found"] == ReadingResult.ALLOCATED
    interval = settings.EVIDENCE_INTERVAL if is_same_machine else settings.EVIDENCE_RETRY
    return now - datetime.fromisoformat(last["read_at"]) >= timedelta(seconds=interval)


def judge(
    entry: AuditEntry, competing_attempts: list[AuditEntry], now: datetime
) -> Conclusion | None:
    """The outcome that the readings of an unanswered call prove; None while they prove nothing.

    `succeeded`: one reading shows the address unallocated, and no competing attempt can have done
    it. `failed`: two readings, EVIDENCE_INTERVAL apart, show it still allocated; one is not enough,
    because the request may still be on its way when a gateway answers. `unknown`: a reading shows
    another allocation, or no such address, so the address was unallocated in between, by this call
    or another; or a competing attempt can have done it; or the deadline has passed.
    """
    found = [ReadingResult(reading["found"]) for reading in entry.evidence]
    is_past_deadline = now >= _deadline(entry)
    if ReadingResult.UNALLOCATED in found:
        if _was_elsewhere(found[: found.index(ReadingResult.UNALLOCATED)]):
            return Conclusion(Outcome.UNKNOWN)
        if not competing_attempts:
            return Conclusion(Outcome.SUCCEEDED)
        can_wait = any(each.is_open for each in competing_attempts) and not is_past_deadline
        return (
            None
            if can_wait
            else Conclusion(Outcome.UNKNOWN, tuple(competing.ids_of(competing_attempts)))
        )
    last = found[-1] if found else ReadingResult.UNREADABLE
    if last == ReadingResult.ALLOCATED and not _was_elsewhere(found):
        # Even after the deadline this waits for the second reading.
        return Conclusion(Outcome.FAILED) if _has_settled(entry) else None
    is_settled = is_past_deadline or (last != ReadingResult.UNREADABLE and _has_settled(entry))
    return Conclusion(Outcome.UNKNOWN) if is_settled else None


def competing_attempts_of(entry: AuditEntry) -> list[AuditEntry]:
    """The competing attempts: those that can have unallocated the address between the check before
    the call and the first reading that showed it unallocated."""
    for reading in entry.evidence:
        if reading["found"] == ReadingResult.UNALLOCATED:
            until = datetime.fromisoformat(reading["read_at"])
            return competing.competing(entry, entry.created_at, until)
    return []


def _found(entry: AuditEntry, ip: IPAddress) -> ReadingResult:
    if ip.allocation is None:
        return ReadingResult.UNALLOCATED
    return (
        ReadingResult.ALLOCATED if is_same(entry.allocation, ip.allocation) else ReadingResult.OTHER
    )


def _reading(found: ReadingResult, *, ip: IPAddress | None = None, error_code: str = "") -> Reading:
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


def _store(entry: AuditEntry, reading: Reading) -> None:
    """Append a reading to the open entry, and finish it if its outcome is proven."""
    with transaction.atomic():
        if current := entries.lock(entry):
            current.evidence = [*current.evidence, reading]
            fields: EntryFields = {"evidence": current.evidence}
            now = timezone.now()
            if conclusion := judge(current, competing_attempts_of(current), now):
                fields["outcome"], fields["basis"] = conclusion.outcome, Basis.EVIDENCE
                fields["competing_attempts"] = list(conclusion.competing_attempts)
                fields["finished_at"] = now
            entries.update(current, fields)
    entry.refresh_from_db()


def _was_elsewhere(found: list[ReadingResult]) -> bool:
    return ReadingResult.OTHER in found or ReadingResult.GONE in found


def _has_settled(entry: AuditEntry) -> bool:
    """Whether the last reading agrees with one at least EVIDENCE_INTERVAL before it, and with all
    readings in between that did not fail."""
    last = entry.evidence[-1]
    interval = timedelta(seconds=settings.EVIDENCE_INTERVAL)
    for reading in reversed(entry.evidence[:-1]):
        if reading["found"] == ReadingResult.UNREADABLE:
            continue
        if reading["found"] != last["found"]:
            return False
        apart = datetime.fromisoformat(last["read_at"]) - datetime.fromisoformat(reading["read_at"])
        if apart >= interval:
            return True
    return False


def _deadline(entry: AuditEntry) -> datetime:
    return (entry.sent_at or entry.created_at) + timedelta(seconds=settings.EVIDENCE_DEADLINE)
