"""Find the outcome of an attempt whose call was not answered: read the address, and judge only
what the readings prove. Readings are stored in `AuditEntry.evidence`; see `audit/readings.py`."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from ipadmin import crypto
from ipadmin.audit import effects, entries
from ipadmin.audit.competing import competing, ids_of, reversing
from ipadmin.audit.entry_fields import EntryFields
from ipadmin.audit.readings import Reading, ReadingResult, allocation_fields
from ipadmin.katapult.errors import KatapultError, NotSent
from ipadmin.katapult.types import Exchange, IPAddress, Secret
from ipadmin.models import ApiToken, AuditEntry, Basis, Outcome
from ipadmin.services import api, later_reads
from ipadmin.services.later_reads import Source

log = structlog.get_logger(__name__)


def gather(entry: AuditEntry, secret: Secret) -> None:
    """Read the address once, store the reading, and finish the entry if its outcome is proven.

    The reading uses a new connection: unread bytes of an earlier answer must not become evidence.
    """
    started_at, ip = timezone.now(), None
    try:
        reply = api.client().ip_address(
            secret, id=entry.address_id, known_address=entry.address, fresh=True
        )
        ip, exchange, code = reply.value, reply.exchange, ""
        found = effects.shown_by(ip, entry)
    except KatapultError as error:
        exchange, code = error.exchange, error.code
        is_gone = error.is_definite and code == "ip_address_not_found"
        found = ReadingResult.GONE if is_gone else ReadingResult.UNREADABLE
    _store(entry, found, code, ip, exchange)
    later_reads.note([ip] if ip else [], started_at, Source.READING)


def gather_with_its_token(entry: AuditEntry) -> None:
    """Like `gather`, with the token of the attempt, if it still exists and its owner is active."""
    token = ApiToken.objects.select_related("owner").filter(pk=entry.token_id).first()
    if entry.api_url != settings.KATAPULT_API_URL:
        # In another API, such as a new sandbox, the same id can be another address.
        _store(entry, ReadingResult.UNREADABLE, "another_api")
    elif token is None:
        _store(entry, ReadingResult.UNREADABLE, "token_deleted")
    elif not token.owner.is_active:
        _store(entry, ReadingResult.UNREADABLE, "owner_disabled")
    else:
        try:
            with api.using(token) as secret:
                gather(entry, secret)
        except crypto.CannotDecrypt:
            _store(entry, ReadingResult.UNREADABLE, "token_unreadable")
        except NotSent as error:
            # An access token could not be refreshed.
            _store(entry, ReadingResult.UNREADABLE, error.code)


def is_due(entry: AuditEntry, now: datetime) -> bool:
    """Whether it is time for another reading."""
    if not entry.evidence:
        return True
    last = entry.evidence[-1]
    # A second reading of the same state proves something only after EVIDENCE_INTERVAL.
    is_as_before = last["found"] == effects.before(entry)
    interval = settings.EVIDENCE_INTERVAL if is_as_before else settings.EVIDENCE_RETRY
    return now - datetime.fromisoformat(last["read_at"]) >= timedelta(seconds=interval)


def judge(
    entry: AuditEntry, competing_attempts: list[AuditEntry], now: datetime
) -> EntryFields | None:
    """The outcome that the readings of an unanswered call prove, with the competing attempts that
    make it `unknown`; None while they prove nothing.

    `succeeded`: one reading shows the effect of the call, and no competing attempt can have caused
    it. `failed`: two readings, EVIDENCE_INTERVAL apart, show the address as before, and no other
    attempt can have reversed the effect; one is not enough, because the request may still be on its
    way when a gateway answers. `unknown`: a reading shows another allocation, or no such address,
    so the address was changed in between, by this call or another; or a competing attempt can have
    caused what was read; or the deadline has passed.
    """
    found = [ReadingResult(reading["found"]) for reading in entry.evidence]
    deadline = timedelta(seconds=settings.EVIDENCE_DEADLINE)
    is_past_deadline = now - (entry.sent_at or entry.created_at) >= deadline
    after, is_waiting = effects.after(entry), any(each.is_open for each in competing_attempts)
    proven: Outcome | None = None
    last = found[-1] if found else ReadingResult.UNREADABLE
    if after in found:
        if _was_elsewhere(found[: found.index(after)]):
            return {"outcome": Outcome.UNKNOWN}
        proven = Outcome.SUCCEEDED
    elif last == effects.before(entry) and not _was_elsewhere(found):
        # Even after the deadline this waits for the second reading.
        if not _has_settled(entry):
            return None
        proven = Outcome.FAILED
    if proven:
        if not competing_attempts:
            return {"outcome": proven}
        if is_waiting and not is_past_deadline:
            return None
        return {"outcome": Outcome.UNKNOWN, "competing_attempts": ids_of(competing_attempts)}
    is_settled = is_past_deadline or (last != ReadingResult.UNREADABLE and _has_settled(entry))
    return {"outcome": Outcome.UNKNOWN} if is_settled else None


def competing_attempts_of(entry: AuditEntry) -> list[AuditEntry]:
    """The attempts that can have caused the effect, between the check before the call and the first
    reading that showed it; or else that can have reversed it, since the call."""
    for reading in entry.evidence:
        if reading["found"] == effects.after(entry):
            until = datetime.fromisoformat(reading["read_at"])
            return competing(entry, entry.created_at, until)
    if not entry.evidence or entry.evidence[-1]["found"] != effects.before(entry):
        return []
    until = datetime.fromisoformat(entry.evidence[-1]["read_at"])
    return reversing(entry, entry.sent_at or entry.created_at, until)


def _store(
    entry: AuditEntry,
    found: ReadingResult,
    error_code: str,
    ip: IPAddress | None = None,
    exchange: Exchange | None = None,
) -> None:
    """Append a reading to the open entry, and finish it if its outcome is proven."""
    now = timezone.now()
    reading: Reading = {
        "read_at": now.isoformat(),
        "found": str(found),
        "error_code": error_code,
        **allocation_fields(ip.allocation if ip else None),
        "reverse_dns": (ip.reverse_dns if ip else None) or "",
        "status": exchange.status if exchange else None,
        "request_id": exchange.request_id if exchange else None,
    }
    with transaction.atomic():
        if current := entries.lock(entry):
            current.evidence = [*current.evidence, reading]
            fields: EntryFields = {"evidence": current.evidence}
            if proven := judge(current, competing_attempts_of(current), now):
                fields |= {**proven, "basis": Basis.EVIDENCE, "finished_at": timezone.now()}
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
