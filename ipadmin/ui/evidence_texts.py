"""Sentences about one attempt: what readings showed, and what other attempts may have done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from ipadmin.audit.competing import is_undecided
from ipadmin.audit.readings import ReadingResult
from ipadmin.models import AuditEntry, Outcome
from ipadmin.services.later_reads import LaterRead
from ipadmin.ui import time_zones

_UNTOLD = {
    "unallocated": "The address is unallocated now, but another attempt could have done it.",
    "other": "The address is allocated to something else now.",
    "gone": "The address is no longer this organization's.",
    "elsewhere": "The address was held by something else in between, so that what it shows now "
    "proves nothing.",
    "another_api": "The attempt was made on another Katapult than the one this site uses now.",
    "token_deleted": "The token needed to read the address was deleted.",
    "token_unreadable": "The token needed to read the address can't be opened any more.",
    "invalid_api_token": "The token needed to read the address is no longer accepted.",
    "unreadable": "The address could not be read afterwards.",
}


@dataclass(frozen=True, slots=True)
class Linked:
    """A sentence that links to the entry it is about."""

    text: str
    url: str


def allocation_text(entry: AuditEntry) -> str:
    """What held the address before, in one phrase."""
    kind = {"VirtualMachine": "virtual machine", "LoadBalancer": "load balancer"}.get(
        entry.allocation_type, entry.allocation_type
    )
    name = entry.allocation_name or entry.allocation_id or "an unnamed resource"
    return f"{kind} {name}".strip()


def still_allocated(entry: AuditEntry) -> str:
    """Of an entry that readings closed as `failed`: what they showed, and when."""
    read_at = [_time(moment, entry) for moment in _read_at(entry, ReadingResult.ALLOCATED)]
    times = " and ".join(f"at {text}" for text in dict.fromkeys(read_at[:1] + read_at[-1:]))
    return f"It was still allocated to {allocation_text(entry)} when read {times or 'afterwards'}."


def no_longer_allocated(entry: AuditEntry) -> str:
    """Of an entry that a reading closed as `succeeded`."""
    times = [_time(moment, entry) for moment in _read_at(entry, ReadingResult.UNALLOCATED)]
    when = f"at {times[0]}" if times else "afterwards"
    return (
        f"The address was read as unallocated {when}; no other attempt of this site could have "
        "done it."
    )


def why_unknown(entry: AuditEntry) -> str:
    """Why the readings of an entry prove nothing."""
    if entry.competing_attempts:
        return _UNTOLD["unallocated"]
    last = entry.evidence[-1] if entry.evidence else {"found": "unreadable", "error_code": ""}
    if last["found"] in {"allocated", "unallocated"}:
        return _UNTOLD["elsewhere"]
    return _UNTOLD.get(last["error_code"]) or _UNTOLD.get(last["found"], _UNTOLD["unreadable"])


def read_later(read: LaterRead, entry: AuditEntry) -> str:
    """Of a read that contradicts an entry closed as `failed`."""
    why = "No other attempt of this site explains it: the request"
    if read.has_competing:
        why = "No attempt of this site is known to have done it: this request or another one"
    return (
        f"Read as unallocated at {_time(read.read_at, entry)} ({read.source}). {why} may have been "
        "carried out late, or the address was unallocated elsewhere."
    )


def competing(entry: AuditEntry, others: Sequence[AuditEntry]) -> tuple[Linked, ...]:
    """Who unallocated the address, or may have done so, instead of the entry's attempt."""
    succeeded = [other for other in others if other.outcome == Outcome.SUCCEEDED]
    # What was open when the entry was finished may have been refused since.
    return tuple(
        Linked(_about(other, entry), other.get_absolute_url())
        for other in succeeded or filter(is_undecided, others)
    )


def _about(other: AuditEntry, entry: AuditEntry) -> str:
    at = _time(other.sent_at or other.created_at, entry)
    if other.outcome == Outcome.SUCCEEDED:
        return f"{other.user_name} unallocated it at {at}."
    why = "whose outcome is not known"
    if other.outcome == Outcome.FAILED:
        why = "whose request may have been carried out late"
    return f"Attempt by {other.user_name} at {at}, {why}, may have done it."


def _read_at(entry: AuditEntry, found: ReadingResult) -> Iterator[datetime]:
    """When the readings were made that showed this. An earlier version may have kept others."""
    for reading in entry.evidence:
        try:
            is_it, moment = reading["found"] == found, datetime.fromisoformat(reading["read_at"])
        except (KeyError, TypeError, ValueError):
            continue
        if is_it:
            yield moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _time(moment: datetime, entry: AuditEntry) -> str:
    """On the reader's clock, with its day where that is another than the attempt's."""
    is_same_day = time_zones.text_of(moment, "date") == time_zones.text_of(entry.created_at, "date")
    return time_zones.text_of(moment, "time") if is_same_day else time_zones.text_of(moment)
